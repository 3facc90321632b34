"""What leaves the house: the feature-vector module and its check."""
