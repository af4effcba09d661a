"""GeoFlow: people draw workflows over geodata, run them, and watch the runs live.

``schema.py`` holds the tables and who may see them, one module per table the functions that
clients call, and ``model/`` the rules that need no database. What does the processing are
workers outside, clients like any other (``workers.py``).
"""
