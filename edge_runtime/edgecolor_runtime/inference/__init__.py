"""The network on a device: preprocessing, the interpreter, and the colorizer built on them."""
