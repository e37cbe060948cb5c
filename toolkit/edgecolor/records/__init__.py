"""Benchmark and evaluation records: types, reading, and JSON schemas."""
