"""Bundles: everything a device without a network needs, in one archive."""
