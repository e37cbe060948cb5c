"""Where colored frames go: video files with audio, and numbered images."""
