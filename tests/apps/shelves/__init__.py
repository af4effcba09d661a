"""An app of books, of which some functions read a few fields alone."""
