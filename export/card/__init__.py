"""The card of a module: a README.md that strangers read first."""
