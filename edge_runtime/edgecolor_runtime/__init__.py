"""The device side of edgecolor."""
