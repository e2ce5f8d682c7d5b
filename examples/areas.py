"""Prints how much of each picture a person takes up."""

import sys

import streamseg

for shown in streamseg.open(sys.argv[1] if len(sys.argv) > 1 else "test://?frames=30", model="person"):
    background, person = shown.segmentation.areas()
    print(f"{shown.frame.time_s:7.2f} s  {person:6.1%}  {shown.timings_ms['age']:5.1f} ms old")
