"""Values, and the three ways to write them: as JSON, as index keys, as document ids."""
