"""Does this device reproduce the outputs that were computed on the workstation?

    python examples/check_on_a_device.py mine.tflite     # or s or m, the models of the package

The program needs only edgecolor-runtime.
"""

import sys

from edgecolor_runtime import Colorizer, GateError, open_model, replay, verify_replay


def main(model: str) -> int:
    """Verify a model file, replay its golden vectors, and print the differences."""
    result = replay(Colorizer(open_model(model)))
    print(f"{result.interpreter}: {result.pictures} golden pictures")
    print(f"difference in steps of 1/128: mean {result.mean:.3f}, largest {result.maximum:.3f}")
    try:
        verify_replay(result)
    except GateError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
