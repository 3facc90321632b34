"""What the features are worth: probes, average precision, the verdict."""
