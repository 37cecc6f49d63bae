"""The compiled engine: rings in, pieces and areas out, exact in every decision."""
