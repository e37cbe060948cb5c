"""Check a model file: golden vectors on this machine, and the network that it was exported from."""
