"""Commands that make a network: dataset, train, tune, prune."""
