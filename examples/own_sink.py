"""Gives every result to code of your own, beside the outputs that come with streamseg."""

import sys

import streamseg
from streamseg.contracts import Shown


def alarm(shown: Shown) -> None:
    """Stands for your database, message broker or relay."""
    if shown.segmentation.areas()[1:].sum() > 0.2:
        print(f"frame {shown.frame.index}: more than a fifth is foreground")


for shown in streamseg.open(sys.argv[1] if len(sys.argv) > 1 else "test://?frames=30", "null", model="otsu"):
    alarm(shown)
