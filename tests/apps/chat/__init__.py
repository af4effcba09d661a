"""A chat with counters and accounts: the app that the stock clients are driven against."""
