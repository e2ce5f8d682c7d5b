"""Several files in one command: which of its words are sources, and a run for each film, one after the other."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec

from streamseg.assembly import load_model, render_options
from streamseg.capture import open_source, source_kind
from streamseg.capture.media import FILMS, IMAGES, ending_in, files_of, folder_of, is_many, name_below
from streamseg.commands.joined import is_joined
from streamseg.config import RunOptions
from streamseg.contracts import Controls, Inputs, SegmenterFactory
from streamseg.errors import BackendError, InputError, OutputError, StreamsegError
from streamseg.files import same_file
from streamseg.infer import load_segmenter
from streamseg.provenance import by_others, is_signed
from streamseg.render import make_renderer
from streamseg.said import Said
from streamseg.signals import SIGNALS
from streamseg.sinks.claims import for_all, named, written_over, written_twice
from streamseg.sinks.names import STEM, with_stem

_log = logging.getLogger(__name__)
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class _Film:
    path: Path
    stem: str
    """What outputs call it: its name without suffix, below the folder or pattern that was named."""

    @property
    def inputs(self) -> Inputs:
        return Inputs(self.stem, (self.path,))


def told_apart(words: Sequence[str], *, overwrite: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The sources and the outputs among `words`, of which the first is a source.

    Files that exist are sources: a shell makes such words of `dash/*.mp4`. One alone behind the first is an output that
    exists where it cannot be a source as well, unless an output asks for `{stem}`.

    Raises:
        OutputError: it is such an output, and not to be overwritten.
    """
    first, *rest = words
    if not source_kind(first).in_turn:
        return (first,), tuple(rest)
    further = {word: None for word in rest if _is_media(word)}
    if (
        len(further) == 1
        and not any(STEM in word for word in rest)
        and _is_output(next(iter(further)), first, overwrite)
    ):
        return (first,), tuple(rest)
    return (first, *further), tuple(word for word in rest if word not in further)


def _is_media(word: str) -> bool:
    """Whether it names films or pictures that are there, or is a pattern of such."""
    if os.path.isfile(word):  # noqa: PTH113 - unlike Path's own, it is no error where nobody may look
        return Path(word).suffix.lower() in FILMS + IMAGES
    return os.path.isdir(word) or ("*" in word and ":" not in word)  # noqa: PTH112


def _is_output(word: str, source: str, overwrite: bool) -> bool:
    """Whether `word` was meant as the output of `source`, although it exists."""
    path = Path(word)
    if overwrite or not path.is_file() or same_file(path, Path(source)):
        return path.is_file()
    image = path.suffix.lower() in IMAGES
    if image != (Path(source).suffix.lower() in IMAGES):
        raise OutputError(f"{word}: exists", "--overwrite replaces it; as a source give it a command of its own")
    if not image and _is_others_film(path):
        return False
    suffix = path.suffix if image else ".mp4"
    raise OutputError(
        f"{word}: exists",
        f"--overwrite replaces it; to segment it as well, name an output such as 'out-{STEM}{suffix}'",
    )


def _is_others_film(path: Path) -> bool:
    """Whether it is a video, and not made by streamseg."""
    if is_signed(path):
        return False
    try:
        open_source(str(path)).close()
    except StreamsegError:
        return False
    return True


def runs(options: RunOptions) -> list[RunOptions]:
    """A run for each film that the source names, or one: for a single source, and for pictures together.

    Nothing is opened for writing. Films that streamseg made, and that nobody named, are left out.

    Raises:
        InputError: one of several sources is no file, they are films and pictures, or two would be written to one file.
    """
    names = (options.uri,) if isinstance(options.uri, str) else options.uri
    kinds = [source_kind(name) for name in names]
    if len(names) == 1 and not (kinds[0].in_turn and is_many(names[0])):
        return [options]
    for name, kind in zip(names, kinds, strict=True):
        if not kind.in_turn:
            raise InputError(f"{name}: only files are taken one after the other", "give it a command of its own")
    films, images = _found(names)
    if films and images:
        raise InputError(
            f"films as well as pictures, such as {films[0].path} and {images[0]}",
            f"name one kind, as '*{films[0].path.suffix}' does",
        )
    if films:
        return _planned(options, films)
    return [options if len(names) == 1 else _with(options, tuple(map(str, images)), options.outputs)]


def name_of(film: str, options: RunOptions) -> str:
    """What outputs call a film of those that `options` name: its path below the folder or pattern."""
    names = (options.uri,) if isinstance(options.uri, str) else options.uri
    below = [name_below(Path(film), folder_of(name)) for name in names if is_many(name)]
    return max(below, key=len, default=Path(film).name)


def prepare(
    options: RunOptions, controls: Controls, said: Said, *, trust_engine: bool
) -> Callable[..., SegmenterFactory]:
    """Finds what is wrong for every run, and the model once for all; gives what finds it for each.

    What is `said` of the model is logged once for all of them.

    Raises:
        InputError: there is no such view, model or class, or it cannot look at tiles.
    """
    make_renderer(render_options(options), controls)
    found: list[SegmenterFactory] = []

    def load(*asked: str, **more: object) -> SegmenterFactory:
        if not found:
            found.append(load_segmenter(*asked, **more))  # type: ignore[arg-type]
        return found[0]

    load_model(options, controls, load, trust_engine=trust_engine, said=said)
    return load


def run_each(
    options: Sequence[RunOptions],
    run: Callable[[RunOptions, str], None],
    told: Callable[[Exception], int],
    stopped: Callable[[], bool],
) -> tuple[int, str]:
    """Calls `run` with each, and a title; what goes wrong is `told`, which gives its exit code, and the next begins.

    Returns:
        The exit code of the first that failed, else 0; and one line that accounts for all.
    """
    codes: list[int] = []
    done = 0
    for number, each in enumerate(options, 1):
        try:
            run(each, f"{each.source_text} ({number} of {len(options)})")
            done += not stopped()
        except KeyboardInterrupt:
            SIGNALS.heard()
            break
        except Exception as error:
            codes.append(told(error))
            if isinstance(error, BackendError | ImportError):  # the next would have it as well
                break
        if stopped():
            break
    rest = len(options) - done - len(codes)
    failed = f", {len(codes)} failed" if codes else ""
    left = f", {rest} left" if rest else ""
    return codes[0] if codes else 0, f"{done} of {len(options)} films done{failed}{left}"


def _found(names: Iterable[str]) -> tuple[list[_Film], list[Path]]:
    """The films and the pictures that `names` name, each once."""
    films: dict[tuple[int, int], _Film] = {}
    images: list[Path] = []
    for name in names:
        files = files_of(name)
        if is_many(name):
            found = [_Film(path, _stem_below(path, name)) for path in _by_others(name, ending_in(FILMS, files))]
            images += ending_in(IMAGES, files)
        elif files[0].suffix.lower() in IMAGES:
            found, images = [], [*images, *files]
        else:
            found = [_Film(files[0], files[0].stem)]
        for film in found:
            state = film.path.stat()
            films.setdefault((state.st_dev, state.st_ino), film)
    return list(films.values()), images


def _stem_below(path: Path, name: str) -> str:
    return PurePosixPath(name_below(path, folder_of(name))).with_suffix("").as_posix()


def _by_others(name: str, films: list[Path]) -> Sequence[Path]:
    """Without those that streamseg made, where there are others."""
    kept = by_others(films)
    if ours := set(films).difference(kept):
        _log.info("%s: left out, as streamseg made %s: %s", name, "it" if len(ours) == 1 else "them", _listed(ours))
    return kept


def _planned(options: RunOptions, films: list[_Film]) -> list[RunOptions]:
    """A run for each film."""
    for output in options.outputs:
        if len(films) > 1 and STEM not in output and not (for_all(output) or is_joined(output)):
            raise InputError(
                f"{output}: {len(films)} films cannot be written to one output", f"name it '{with_stem(output)}'"
            )
    alone = [output for output in options.outputs if len(films) == 1 or not is_joined(output)]
    outputs = {film: named(alone, str(film.path), film.inputs) for film in films}
    own = [(output, film) for film in films for output in outputs[film] if not for_all(output)]
    made = _made_earlier(own, films)
    own = [(output, film) for output, film in own if film.path not in made]
    if twice := written_twice([(output, film.inputs) for output, film in own]):
        (output, one), (_, other) = (own[position] for position in twice)
        pattern = f", or by a pattern that keeps their folders, such as '**/*{one.path.suffix}'"
        raise InputError(
            f"{one.path} and {other.path} would both be written to {output}",
            f"take them in two commands{pattern if one.path.parent != other.path.parent else ''}",
        )
    return [_with(options, str(film.path), outputs[film]) for film in films if film.path not in made]


def _made_earlier(outputs: Sequence[tuple[str, _Film]], films: Sequence[_Film]) -> set[Path]:
    """Films that were made of the others under the very names that are asked for now.

    Raises:
        InputError: an output would write over any other film.
    """
    made: set[Path] = set()
    claimed = [(output, film.inputs) for output, film in outputs]
    for position, path in written_over(claimed, [film.path for film in films]):
        output, film = outputs[position]
        if path == film.path or not is_signed(path):
            raise InputError(f"{output}: would write over {path}, which is read", "name another output")
        made.add(path)
    if made:
        _log.info("left out, as an earlier run made %s: %s", "it" if len(made) == 1 else "them", _listed(made))
    return made


def _with(options: RunOptions, source: str | tuple[str, ...], outputs: tuple[str, ...]) -> RunOptions:
    return msgspec.structs.replace(options, source=source, outputs=outputs)


def _listed(paths: Iterable[Path]) -> str:
    names = sorted(map(str, paths))
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
