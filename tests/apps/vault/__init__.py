"""An app that opens credentials, as integrations of GeoFlow do."""
