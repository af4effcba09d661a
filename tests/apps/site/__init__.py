"""An app of HTTP functions that tell what reached them, whatever it was."""
