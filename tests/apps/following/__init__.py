"""An app that follows its own log: every note is copied into a ledger, once and in order."""
