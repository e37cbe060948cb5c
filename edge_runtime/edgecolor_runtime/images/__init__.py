"""Picture files: read any to gray, write a colored frame."""
