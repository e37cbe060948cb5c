"""The machine underneath: its facts, its files, stderr, and systemd."""
