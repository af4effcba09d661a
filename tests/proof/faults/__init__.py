"""Stands between stock clients and a server, and does to their connections what networks do."""
