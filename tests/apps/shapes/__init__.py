"""An app with a function for each type of the wire."""
