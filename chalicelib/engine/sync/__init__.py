"""Live queries: sessions, their messages, and who wakes them."""
