"""What all commands share: options, progress, messages."""
