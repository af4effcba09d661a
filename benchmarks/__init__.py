"""Benchmarks: what the product costs and carries, with the goals beside the numbers.

``python -m benchmarks`` prints them all, ``python -m benchmarks fanout`` one part.
"""
