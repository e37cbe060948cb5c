"""TFLite files: graph, operators, running and timing them."""
