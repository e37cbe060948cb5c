"""How good the colors are: metrics, the color plane, evaluation of a model."""
