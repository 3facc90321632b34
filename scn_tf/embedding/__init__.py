"""Features of many pictures by an exported module, and what is nearest."""
