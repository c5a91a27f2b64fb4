"""``python -m crsrisk.cli``: the command line without its script."""

from crsrisk.cli import main

main()
