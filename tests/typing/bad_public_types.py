"""Wrong on purpose, on every line marked so: mypy and pyright must see each and no other; nothing runs this."""

from __future__ import annotations

import streamseg


def wrong(shown: streamseg.Shown) -> None:
    streamseg.open("a.mp4", mode="street")  # wrong: misspelt
    streamseg.open("a.mp4", opacity="half")  # wrong: no number
    streamseg.open("a.mp4", target="fast")  # wrong: none of its words
    streamseg.open("a.mp4", transport="http")  # wrong: none of its words
    streamseg.open("a.mp4", len)  # wrong: no function of Shown
    streamseg.open("a.mp4", view=print)  # fine, if odd: it takes anything
    streamseg.open("a.mp4", model=7)  # wrong: no model
    streamseg.open(3.5)  # wrong: no source
    streamseg.load("street", setting={"k": 4})  # wrong: misspelt
    streamseg.load("street")("a.png")  # wrong: no image
    streamseg.Result.of(shown).draw(shown.image, opacty=0.5)  # wrong: misspelt
    streamseg.Result.of(shown).to_coco(7, "bitmap")  # wrong: none of its words
    streamseg.open("a.mp4").change(views="mask")  # wrong: misspelt
    streamseg.PushSource().put("a.png")  # wrong: no image
    streamseg.lode("street")  # wrong: misspelt
