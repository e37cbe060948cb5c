"""Read, run and time TFLite files."""
