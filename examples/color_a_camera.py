"""How do I show a camera in color in a browser, and record it?

    python examples/color_a_camera.py 0 colored.mp4 10

The camera is an index, a part of a name, a device file, the address of a stream, or a folder of pictures or a
video to play like a camera. The program needs edgecolor-runtime with its extra `live`.
"""

import sys

from edgecolor_runtime import LiveOptions, LiveSession


def main(camera: str, output: str, seconds: float) -> None:
    """Show and record a camera for some seconds."""
    options = LiveOptions(output=output, preview=True, port=0, timeout_seconds=seconds)
    with LiveSession(camera, options) as session:
        print(f"watch it at {session.address}")
        result = session.run()
    print(f"{result.output}: {result.statistics.frames} frames")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
