"""An app of ordered lists: pages, counts, limits and transactions within transactions."""
