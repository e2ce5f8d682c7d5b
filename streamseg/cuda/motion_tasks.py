"""The tasks of the kernels that follow motion and carry labels: each a struct of the same name in a `.cu` here."""

from __future__ import annotations

from streamseg.cuda.kernels import struct

MOST_VOTERS = 64
GREY = struct("picture out", "width height columns rows halved")
SEARCH = struct(
    "here there start way flow room", "columns rows finest again blocks lost closer",
    ("noise", "f4"), ("cut", "f4"), ("lost_block", "f4"),
)  # fmt: skip
FOLLOW = struct("first out second", "first_columns first_rows second_columns second_rows columns rows back")
LOOK = struct("small out", "width height columns rows")
WARP = struct("here there way out sums", "columns rows")
TRUST = struct("here moved way out sums", "columns rows", ("of", "u1", 256))
SIDE = struct("labels confidence looks way trust sums", "pitch width height way_columns way_rows", ("worth", "f4"))
CARRY = struct(
    "labels confidence now asked count",
    "columns rows sides soft even reach_x reach_y nothing voters ballots fewest",
    ("around", "i1", (MOST_VOTERS, 2)), ("falls", "f4", 128), ("side", SIDE, 2),
)  # fmt: skip
DOUBT = struct(
    "labels confidence way back",
    "pitch width height columns rows way_columns way_rows back_columns back_rows most",
)
