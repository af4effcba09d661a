"""What the app answers over HTTP: limited, repeatable, and followed by a ledger."""
