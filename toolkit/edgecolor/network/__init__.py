"""The fusion network: its layers, its files, and pretrained weights."""
