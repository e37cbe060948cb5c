"""`python -m edgecolor` is `edgecolor`."""

import sys

from edgecolor.cli import main

if __name__ == "__main__":
    sys.exit(main())
