"""An app that does whatever a random program says."""
