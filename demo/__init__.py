"""A worker and a watcher with stock Convex clients: a real geodata file, processed live."""
