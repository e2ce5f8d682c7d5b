from __future__ import annotations

import numpy as np
import pytest

from streamseg.motion.votes import Voters, elect, share, voters_around


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 40])
def test_however_few_pixels_ask_each_gets_the_answer_that_it_gets_among_many(count: int) -> None:
    random = np.random.default_rng(0)
    looks = random.integers(0, 256, (12, 16), np.uint8)
    ids, likely = (random.integers(0, most, (12, 16), np.uint8) for most in (5, 256))
    places = random.permutation(looks.size)
    grey = looks.reshape(-1)[places]
    around = voters_around(1.5)
    for ask, values in ((elect, ids), (share, likely)):
        among_many = ask(grey, [Voters(looks, values, places)], around)
        np.testing.assert_array_equal(
            ask(grey[:count], [Voters(looks, values, places[:count])], around), among_many[:count]
        )


def test_nobody_asks_and_nothing_is_said() -> None:
    plane = np.zeros((4, 4), np.uint8)
    assert elect(plane[0, :0], [Voters(plane, plane, np.zeros(0, np.intp))], voters_around(1.0)).size == 0
