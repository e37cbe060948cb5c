"""The device side of edgecolor."""

__version__ = "0.1.0"
