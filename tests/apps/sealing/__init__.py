"""An app whose action seals and opens."""
