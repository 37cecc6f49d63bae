"""Rule books and what follows from them."""
