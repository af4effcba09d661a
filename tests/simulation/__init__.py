"""The whole engine under a seeded scheduler, with faults, against a serial replay of its log."""
