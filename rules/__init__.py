"""Rule books of landremed: data only."""
