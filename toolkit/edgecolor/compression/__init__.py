"""Smaller networks: slimming, width search, pruning."""
