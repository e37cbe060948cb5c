"""Color for grayscale cameras and photographs: the workstation side."""

__version__ = "0.1.0"
