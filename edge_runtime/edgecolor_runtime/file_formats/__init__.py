"""The bytes of picture files: PNG, TIFF, segments of JPEG, and blocks of metadata."""
