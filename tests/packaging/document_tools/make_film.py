"""Write a film of 30 gray frames with a tone: a picture that moves past the camera. Usage: make-film FILM."""

from __future__ import annotations

import sys
from pathlib import Path

import av
import numpy as np
from PIL import Image

PHOTOGRAPH = Path(__file__).parents[3] / "examples/photographs/kodim21.jpg"
WIDTH, HEIGHT = 320, 240
FRAMES, FRAMES_PER_SECOND = 30, 15
TONE_HERTZ, SAMPLES_PER_SECOND = 440, 8000


def main(path: str) -> None:
    """Write the film."""
    with Image.open(PHOTOGRAPH) as photograph:
        gray = np.asarray(photograph.convert("L"))
    with av.open(path, "w") as film:
        video = film.add_stream("mpeg4", rate=FRAMES_PER_SECOND)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = film.add_stream("aac", rate=SAMPLES_PER_SECOND, layout="mono")
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(gray[:HEIGHT, number:][:, :WIDTH]), "gray"
            )
            film.mux(video.encode(frame))
        film.mux(video.encode())
        times = np.arange(FRAMES * SAMPLES_PER_SECOND // FRAMES_PER_SECOND) / SAMPLES_PER_SECOND
        wave = (0.1 * np.sin(2 * np.pi * TONE_HERTZ * times)).astype(np.float32)[None]
        sound = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        sound.sample_rate = SAMPLES_PER_SECOND
        film.mux(audio.encode(sound))
        film.mux(audio.encode())


if __name__ == "__main__":
    main(sys.argv[1])
