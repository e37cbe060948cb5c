"""The network's signature: shapes of its input and output, and the scale of the output."""

from __future__ import annotations

INPUT_SIZE = 224  # pixels per side of the gray picture that the network sees
CHROMA_STRIDE = 4  # input pixels per pixel of predicted chroma, along each axis
CHROMA_SIZE = INPUT_SIZE // CHROMA_STRIDE  # 56
AB_SCALE = 100.0  # Lab units of a or b at network output 1.0
INPUT_SHAPE = (1, INPUT_SIZE, INPUT_SIZE, 1)
OUTPUT_SHAPE = (1, CHROMA_SIZE, CHROMA_SIZE, 2)
