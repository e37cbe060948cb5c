"""Color arithmetic: color spaces, chroma upsampling, and the colored frame."""
