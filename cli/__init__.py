"""Command line of landremed."""
