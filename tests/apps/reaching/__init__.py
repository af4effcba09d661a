"""An app whose functions reach out of the process, each in another way."""
