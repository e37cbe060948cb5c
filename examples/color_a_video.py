"""How do I color every frame of a video from a program?

    python examples/color_a_video.py film.mp4 colored.mp4

The program needs edgecolor-runtime with its extra `live`.
"""

import sys

from edgecolor_runtime import LiveOptions, LiveSession


def main(video: str, output: str) -> None:
    """Color a video; its time stamps and its audio stay the same."""
    result = LiveSession(video, LiveOptions(every_frame=True, output=output)).run()
    for note in result.notes:
        print(f"note: {note}")
    print(f"{result.output}: {result.statistics.frames} frames")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
