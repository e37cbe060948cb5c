"""From a .keras network to a verified TFLite model file."""
