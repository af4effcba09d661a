"""A small app whose every effect can be told apart: each mutation leaves a mark with its tag."""
