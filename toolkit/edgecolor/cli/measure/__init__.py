"""Commands that measure and compare models: evaluate, bench, compare, report."""
