"""Training: recipe, batches, loss, optimizer, the resumable loop."""
