"""How do I color the frames of a camera in my own loop?

    python examples/write_your_own_loop.py 0 colored.mp4 100

The loop colors each gray frame, writes it to a video and shows it in a browser. Add your own steps between
these. The program needs edgecolor-runtime with its extra `live`.
"""

import sys

from edgecolor_runtime import Colorizer, Preview, PreviewControls, RecordingWriter, Shot, open_camera


def main(name: str, output: str, frames: int) -> None:
    """Color a number of frames of a camera."""
    colorizer = Colorizer.shipped("s")
    statistics = {"frames": 0, "source": name, "model": "s"}
    controls = PreviewControls(colorizer, lambda: statistics)
    with (
        open_camera(name) as camera,
        Preview(controls=controls, port=0) as preview,
        RecordingWriter(output) as writer,
    ):
        print(f"watch it at {preview.address}")
        for number, frame in zip(range(frames), camera, strict=False):
            shot = Shot(number, colorizer.colorize(frame.gray), frame.seconds)
            writer.write(shot)
            preview.show(shot)
            statistics["frames"] = number + 1
        writer.finish()
    print(f"{output}: {statistics['frames']} frames")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
