"""An app of lists and registers, whose histories tell in which order things happened."""
