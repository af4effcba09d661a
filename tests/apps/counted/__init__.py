"""An app whose HTTP functions know callers by a key, and count how often they ask."""
