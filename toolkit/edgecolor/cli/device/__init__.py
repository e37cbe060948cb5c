"""Commands that bring a network to a device: export, check, inspect, bundle, doctor."""
