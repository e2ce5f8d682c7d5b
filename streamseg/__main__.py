"""`python -m streamseg`: the same as `streamseg`, for where its folder is not on the PATH."""

from __future__ import annotations

from streamseg.cli import program

if __name__ == "__main__":
    program()
