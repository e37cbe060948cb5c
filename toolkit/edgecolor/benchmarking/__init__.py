"""Latency, memory and temperature of models on this machine."""
