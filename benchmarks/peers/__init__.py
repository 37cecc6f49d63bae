"""One module per contestant, each run in a process of its own."""
