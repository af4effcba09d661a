"""An app of HTTP functions: what the tests of the router ask for."""
