"""Queries of the unmodified command line of npm `convex`, by the paths that it knows."""
