"""Photographs: listing, prepared datasets, calibration and check sets."""
