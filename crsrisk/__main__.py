"""Run the command line as ``python -m crsrisk``."""

from crsrisk.cli.__main__ import main

if __name__ == "__main__":
    main()
