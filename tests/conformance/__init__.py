"""Each port has one contract, and every adapter is held to it."""
