"""Judges histories of real clients: could all of it have happened in one order?

In the manner of Elle (Kingsbury and Alvaro, VLDB 2020): transactions append unique elements to
lists and read lists, so that what was read tells in which order it was written. From that follow
dependencies, and a history is strictly serializable only if these, the order of each session and
the order of real time have no cycle. No kept package does this for Python.
"""
