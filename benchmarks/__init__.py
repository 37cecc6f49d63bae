"""Speed and correctness of the overlay against other tools; see ``python -m benchmarks --help``."""
