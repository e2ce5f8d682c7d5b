"""The model `follow`: a click, a box or a mask makes an object, followed until it is lost or the picture cuts."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from streamseg.frame import Frame
from streamseg.infer.follow import pick, track
from streamseg.infer.follow.asker import Asker
from streamseg.infer.follow.closeup import Colours, Plane, box_of
from streamseg.infer.follow.network import Network, Open
from streamseg.infer.follow.settings import Follow, follow_classes, groups
from streamseg.maskfile import read_mask
from streamseg.masks import plane_mask
from streamseg.motion.flow import Search, Thumbnail, look_at
from streamseg.prompts import Box, Clear, Click, Mask, Prompt, Prompts
from streamseg.segmentation import Instances, Segmentation

_log = logging.getLogger(__name__)
_LONGEST_PX, _SHORTEST_PX = 640, 16  # sides beyond which a picture is made smaller first, or larger
_REMEMBERED = 16  # frames: a click on one of them counts for that one, however many are on their way to the screen
_CUT_AREA = 96 * 72  # pixels of the picture in which a cut is looked for
_NEAR = 0.5  # of the longer side of an object's box: a click so near to it corrects it


def follow(settings: Follow, prompts: Prompts, open_encoder: Open, open_decoder: Open) -> Follower:
    """A segmenter that begins with what `settings` point at, and reads `prompts` before each frame.

    Raises:
        InputError: the mask cannot be read, or the network is none that can be asked.
        BackendError: the network cannot be run here.
    """
    numbers = read_mask(Path(settings.mask)) if settings.mask else np.zeros((1, 1), np.uint8)
    masks = [Mask(numbers == number) for number in np.unique(numbers) if number]
    asker = Asker(Network(settings.network, open_encoder, open_decoder)) if settings.network else None
    return Follower(settings, masks, prompts, asker)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Moment:
    """A frame that was looked at, and the objects in it."""

    index: int
    thumbnail: Thumbnail
    look: Colours
    frame: Frame | None = None
    """Where a network may be asked about it."""
    objects: tuple[track.Object, ...] = ()


class Follower:
    """Sees every frame of a stream in order; called by one thread at a time.

    A prompt counts for the frame that it was made on: from there on the object is followed again to the newest one.
    """

    scale = 1.0

    def __init__(self, settings: Follow, masks: Sequence[Mask], prompts: Prompts, asker: Asker | None) -> None:
        self.classes = follow_classes(settings)
        self._settings, self._masks, self._prompts, self._asker = settings, masks, prompts, asker
        self._not_renewed = 0
        self._moments: deque[_Moment] = deque(maxlen=_REMEMBERED)
        self._search = Search(_CUT_AREA)
        self._next_id = 1

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        """What is followed, in each frame, in order."""
        return [self._see(frame) for frame in frames]

    def close(self) -> None:
        """Frees the network, if any."""
        if self._asker is not None:
            self._asker.close()

    def _see(self, frame: Frame) -> Segmentation:
        first = not self._moments
        moment = _Moment(frame.index, look_at(frame), _look(frame), None if self._asker is None else frame)
        self._moments.append(self._renewed(self._followed(self._moments[-1], moment)) if self._moments else moment)
        if first:
            self._begin(frame)
        while self._prompts:
            self._ask(self._prompts.popleft())
        return self._found(frame, self._moments[-1])

    def _begin(self, frame: Frame) -> None:
        asked: list[Prompt] = [*self._masks, *_boxes(self._settings.box, frame), *_clicks(self._settings.click, frame)]
        for prompt in asked:
            self._ask(prompt)
        if not asked and not self._prompts:
            _log.info("follow: click on an object in the window, or drag a box around it; or name it with --set box=")

    def _followed(self, before: _Moment, now: _Moment) -> _Moment:
        """`now` with the objects of `before` that are still there."""
        if not before.objects:
            return now
        if before.look.shape != now.look.shape or self._search(now.thumbnail, before.thumbnail) is None:
            _log.info("follow: the picture is another one from frame %d on; nothing is followed any more", now.index)
            return now
        pairs = [(each, track.follow(each, before.look, now.look)) for each in before.objects]
        for old, new in pairs:
            if new is None:
                what = "has left the picture" if _at_border(old.belongs) else "is lost"
                _log.info("follow: object %d %s at frame %d", old.track_id, what, now.index)
        return dataclasses.replace(now, objects=tuple(new for _, new in pairs if new is not None))

    def _renewed(self, now: _Moment) -> _Moment:
        """`now`, with its objects as the network sees them where its turn has come."""
        self._not_renewed += 1
        if (
            self._asker is None
            or now.frame is None
            or not now.objects
            or self._not_renewed < (self._settings.renew or math.inf)
        ):
            return now
        self._not_renewed = 0
        objects = [self._asker.renewed(now.frame, now.look, each) for each in now.objects]
        return dataclasses.replace(now, objects=tuple(objects))

    def _ask(self, prompt: Prompt) -> None:
        """Goes back to the frame that the prompt was made on, and follows what it points at again from there."""
        if isinstance(prompt, Clear):
            empty = [dataclasses.replace(each, objects=()) for each in self._moments]
            self._moments = deque(empty, maxlen=_REMEMBERED)
            return
        at = self._moments[-1].index if prompt.frame_index is None else prompt.frame_index
        if at < self._moments[0].index:
            _log.info("follow: what was pointed at in frame %d is too long ago", at)
            return
        later = [one for one in self._moments if one.index > at]
        for _ in later:
            self._moments.pop()
        before = self._moments.pop()
        last = self._pointed(before, prompt)
        self._moments.append(last)
        changed = {each.track_id for each in {*before.objects} ^ {*last.objects}}
        last = _only(last, changed)
        for moment in later:
            last = self._followed(last, _only(moment, set()))
            others = [each for each in moment.objects if each.track_id not in changed]
            self._moments.append(dataclasses.replace(moment, objects=(*others, *last.objects)))

    def _pointed(self, moment: _Moment, prompt: Click | Box | Mask) -> _Moment:
        """The same frame with the object that is pointed at, or as it is corrected."""
        look, objects = moment.look, moment.objects
        old = _nearest(objects, prompt) if isinstance(prompt, Click) else None
        if isinstance(prompt, Click) and old is None and not prompt.adds:
            return moment
        number = self._next_id if old is None else old.track_id
        before = None if old is None else old.belongs
        if isinstance(prompt, Mask):
            belongs = pick.of_mask(look, prompt)
        elif self._asker is not None and moment.frame is not None:
            belongs = self._asker.belongs(moment.frame, look, prompt, number, before)
            self._not_renewed = 0
        elif isinstance(prompt, Box):
            belongs = pick.in_box(look, prompt)
        else:
            belongs = pick.at_click(look, prompt) if before is None else pick.corrected(look, before, prompt)
        new = track.begin(number, look, belongs)
        if old is None and new is not None:
            self._next_id += 1
        if old is not None and new is not None:
            new = dataclasses.replace(new, speed=old.speed)
        if new is None:
            _log.info("follow: %s", "there is nothing to be seen" if old is None else f"object {number} is taken away")
        others = (each for each in objects if each is not old)
        return dataclasses.replace(moment, objects=(*others, *([new] if new else [])))

    def _found(self, frame: Frame, moment: _Moment) -> Segmentation:
        shape = moment.look.shape[:2]
        likely = np.zeros(shape, np.float32)
        for each in moment.objects:
            np.maximum(likely, each.belongs, out=likely)
        labels = (likely > 0.5).view(np.uint8)
        sure = (np.maximum(likely, 1 - likely) * 255 + 0.5).astype(np.uint8)
        return Segmentation(labels, self.classes, frame.index, frame.time_s, sure, _instances(moment.objects, frame))


def _look(frame: Frame) -> Colours:
    """The frame as it is worked on, with its colours twice as far from grey: they tell as much as brightness does."""
    sides = frame.height, frame.width
    scale = min(_LONGEST_PX / max(sides), max(1.0, _SHORTEST_PX / min(sides)))
    height, width = (max(2, round(side * scale) // 2 * 2) for side in sides)
    grey, *colours = frame.small(height, width)
    strong = (cv2.resize(cv2.addWeighted(colour, 2, colour, 0, -128), (width, height)) for colour in colours)
    return np.asarray(cv2.merge([grey, *strong]), np.uint8)


def _only(moment: _Moment, numbers: set[int]) -> _Moment:
    """The same frame with those of its objects alone."""
    return dataclasses.replace(moment, objects=tuple(each for each in moment.objects if each.track_id in numbers))


def _nearest(objects: Sequence[track.Object], click: Click) -> track.Object | None:
    """The object under or near the click, the surest where there are several."""
    near: list[tuple[float, float, track.Object]] = []
    for each in objects:
        box = box_of(each.belongs)
        if box is None:
            continue
        x, y = pick.place_of(click, each.belongs.shape)
        wide = box.grown(*(round(_NEAR * max(box.width, box.height)) + 2,) * 2)
        if wide.x <= x < wide.x + wide.width and wide.y <= y < wide.y + wide.height:
            away = math.dist((x, y), box.centre)
            near.append((-float(each.belongs[y, x]), away, each))
    return min(near, key=lambda one: one[:2])[2] if near else None


def _at_border(belongs: Plane) -> bool:
    mask = belongs > 0.5
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())


def _instances(objects: Sequence[track.Object], frame: Frame) -> Instances:
    whole = np.array([0, 0, frame.width, frame.height], np.float32)
    boxes, masks, scores = [], [], []
    for each in objects:
        box = box_of(each.belongs)
        assert box is not None, "an object without a pixel is no longer followed"
        height, width = each.belongs.shape
        sides = np.array([box.x, box.y, box.x + box.width, box.y + box.height], np.float32)
        boxes.append(sides * np.array([frame.width / width, frame.height / height] * 2, np.float32))
        masks.append(plane_mask(boxes[-1], whole, each.belongs, 0.5, cropped=True))
        scores.append(float(each.belongs[each.belongs > 0.5].mean()))
    n = len(objects)
    return Instances(
        np.ones(n, np.int32),
        np.array(scores, np.float32),
        np.array(boxes, np.float32).reshape(n, 4),
        tuple(masks),
        np.array([each.track_id for each in objects], np.int32),
    )


def _boxes(numbers: Sequence[float], frame: Frame) -> list[Box]:
    found = []
    for left, top, right, bottom in groups(_shares(numbers, frame), 4):
        found += [Box(left, top, right, bottom)] if left < right and top < bottom else []  # some lie out of the frame
    return found


def _clicks(numbers: Sequence[float], frame: Frame) -> list[Click]:
    return [Click(x, y) for x, y in groups(_shares(numbers, frame), 2)]


def _shares(numbers: Sequence[float], frame: Frame) -> list[float]:
    """x, y, x, y, … as shares of the frame; of pixels where one of them is above 1."""
    sides = (frame.width, frame.height) if max(numbers, default=0) > 1 else (1, 1)
    return [min(1.0, number / sides[i % 2]) for i, number in enumerate(numbers)]
