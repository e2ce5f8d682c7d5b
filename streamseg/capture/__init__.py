"""Where frames come from: one name each, recognised from the string alone."""

from __future__ import annotations

from streamseg import entrypoints
from streamseg.capture.camera import CAMERA
from streamseg.capture.images import IMAGES
from streamseg.capture.kind import SourceKind, scheme_of
from streamseg.capture.media import Uri
from streamseg.capture.remote import STREAM
from streamseg.capture.scene import SCENE
from streamseg.capture.trim import Trim
from streamseg.capture.video import VIDEO
from streamseg.contracts import Inputs, Source
from streamseg.errors import InputError
from streamseg.options import SourceOptions
from streamseg.pyav import OF_FFMPEG_ALONE
from streamseg.redaction import shown

SOURCES: dict[str, SourceKind] = {
    "camera": CAMERA,
    "stream": STREAM,
    "scene": SCENE,
    "pictures": IMAGES,
    "video": VIDEO,
}
"""Every kind of source; the first that a name asks for is taken."""


def source_kind(uri: Uri) -> SourceKind:
    """The kind that `uri` asks for, of `SOURCES` or of a package that adds it.

    Raises:
        InputError: none of them.
    """
    if not uri:
        raise InputError("the name of the source is empty", "'.' is this folder")
    for kind in SOURCES.values():
        if kind.means(uri):
            return kind
    scheme = scheme_of(uri)
    if part := entrypoints.parts("sources").get(scheme):
        return SourceKind(forms=f"{scheme}://…", means=lambda _: True, open=lambda *asked: part.load()(*asked))
    hint = ", ".join(kind.forms for kind in SOURCES.values())
    if scheme.lower() in OF_FFMPEG_ALONE:
        hint = f"through FFmpeg: ffmpeg -i {scheme}://… -c copy -f mpegts - | streamseg run -"
    raise InputError(f"{shown(str(uri))}: {scheme}:// is not known", hint)


def check_source(uri: Uri) -> None:
    """Looks at the name alone, and at the environment that it wants to be filled from; opens nothing.

    Raises:
        InputError: it can be no source, here and now or later.
    """
    source_kind(uri).check(uri)


def open_source(uri: Uri, options: SourceOptions | None = None) -> Source:
    """Opens what `uri` names, or several pictures; live sources come back by themselves when they end or fall silent.

    Raises:
        InputError: the name, file or folder is wrong.
        SourceError: the camera or stream cannot be reached.
    """
    options = options or SourceOptions()
    return part_of(source_kind(uri).open(uri, options), options)


def part_of(source: Source, options: SourceOptions) -> Source:
    """What `options` ask for of `source`: all of it, or a part."""
    return Trim(source, options) if options.every > 1 or options.start or options.end else source


def inputs_of(uri: Uri) -> Inputs:
    """The files that the source `uri` will read, which is not opened; nothing of one that is no file.

    Raises:
        InputError: there is no such kind of source.
    """
    return source_kind(uri).inputs(uri)
