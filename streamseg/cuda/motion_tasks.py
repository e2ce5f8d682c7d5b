"""The tasks of the kernels that follow motion and carry labels: each a struct of the same name in a `.cu` here."""

from __future__ import annotations

import numpy as np

GREY = np.dtype(
    [
        ("picture", "u8"), ("out", "u8"),
        *((name, "i4") for name in ("width", "height", "columns", "rows", "halved")),
    ],
    align=True,
)  # fmt: skip
SEARCH = np.dtype(
    [
        *((name, "u8") for name in ("here", "there", "start", "way", "flow", "room")),
        *((name, "i4") for name in ("columns", "rows", "finest", "again", "blocks", "lost", "closer")),
        *((name, "f4") for name in ("noise", "cut", "lost_block")),
    ],
    align=True,
)  # fmt: skip
FOLLOW = np.dtype(
    [
        *((name, "u8") for name in ("first", "out", "second")),
        *((name, "i4") for name in ("first_columns", "first_rows", "second_columns", "second_rows")),
        *((name, "i4") for name in ("columns", "rows", "back")),
    ],
    align=True,
)  # fmt: skip
LOOK = np.dtype(
    [
        ("small", "u8"), ("out", "u8"),
        *((name, "i4") for name in ("width", "height", "columns", "rows")),
    ],
    align=True,
)  # fmt: skip
WARP = np.dtype(
    [
        *((name, "u8") for name in ("here", "there", "way", "out", "sums")),
        *((name, "i4") for name in ("columns", "rows")),
    ],
    align=True,
)  # fmt: skip
TRUST = np.dtype(
    [
        *((name, "u8") for name in ("here", "moved", "way", "out", "sums")),
        *((name, "i4") for name in ("columns", "rows")),
        ("of", "u1", 256),
    ],
    align=True,
)  # fmt: skip
SIDE = np.dtype(
    [
        *((name, "u8") for name in ("labels", "confidence", "looks", "way", "trust", "sums")),
        *((name, "i4") for name in ("pitch", "width", "height", "way_columns", "way_rows")),
        ("worth", "f4"),
    ],
    align=True,
)  # fmt: skip
MOST_VOTERS = 64
CARRY = np.dtype(
    [
        *((name, "u8") for name in ("labels", "confidence", "now", "asked", "count")),
        *((name, "i4") for name in ("columns", "rows", "sides", "soft", "even", "reach_x", "reach_y", "nothing")),
        *((name, "i4") for name in ("voters", "ballots", "fewest")),
        ("around", "i1", (MOST_VOTERS, 2)), ("falls", "f4", 128), ("side", SIDE, 2),
    ],
    align=True,
)  # fmt: skip
DOUBT = np.dtype(
    [
        *((name, "u8") for name in ("labels", "confidence", "way", "back")),
        *((name, "i4") for name in ("pitch", "width", "height", "columns", "rows")),
        *((name, "i4") for name in ("way_columns", "way_rows", "back_columns", "back_rows", "most")),
    ],
    align=True,
)  # fmt: skip
