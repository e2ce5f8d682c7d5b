"""What must not be seen: covered behind the masks and before anything is drawn, shown, sent or written."""

from __future__ import annotations

from streamseg.contracts import Cover
from streamseg.errors import InputError
from streamseg.metrics import Meter
from streamseg.options import PrivacyOptions
from streamseg.privacy.cover import Covering
from streamseg.privacy.disguise import find_disguise
from streamseg.privacy.hidden import Hidden
from streamseg.said import Said
from streamseg.segmentation import Classes, find_class

__all__ = ["check_hidden", "make_cover"]


def check_hidden(options: PrivacyOptions, classes: Classes) -> None:
    """Looks for every class that is to be hidden, or alone to be seen, and at what is to lie over it.

    Raises:
        InputError: the model has no such class, and would hide nothing; or what is to lie over it is unknown.
    """
    find_disguise(options.hide_with)
    for name in options.classes:
        try:
            find_class(classes, name)
        except InputError as error:
            raise InputError(f"what to hide cannot be found: {error.message}", error.hint) from None


def make_cover(
    options: PrivacyOptions, *, moving: bool = True, said: Said | None = None, meter: Meter | None = None
) -> Cover | None:
    """What covers the frames of one stream; None where nothing is to be hidden.

    `moving`: whether the frames follow one another, as those of a video do. `said` is the run's own, and
    `meter` counts the frames that are covered whole.

    Raises:
        InputError: what is to lie over it is neither pixels, blur nor a colour.
    """
    if not options.classes:
        return None
    hidden = Hidden(options.classes, all_but=bool(options.hide_all_but), moving=moving)
    return Covering(hidden, find_disguise(options.hide_with), said or Said(), meter or Meter())
