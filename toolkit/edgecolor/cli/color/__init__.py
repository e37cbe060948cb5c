"""Commands that color photographs, films and camera frames: run, demo."""
