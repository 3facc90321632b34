"""Spatial Context Networks: features fitted to photographs without labels."""
