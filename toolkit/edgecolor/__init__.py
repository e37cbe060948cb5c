"""Colour for grayscale cameras and photographs: the workstation side."""
