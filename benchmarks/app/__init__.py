"""The app that the benchmarks run: accounts, notes with two indexes, boards that many watch."""
