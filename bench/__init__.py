"""The benchmark suite: ratios against named peers, run with one command, `python -m bench`."""
