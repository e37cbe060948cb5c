"""Checks of an exported file against the network that it came from."""
