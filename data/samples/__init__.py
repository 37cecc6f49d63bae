"""Sample district of landremed: data only."""
