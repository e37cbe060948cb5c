"""Model files: their format, their signature, and the models that ship inside this package."""
