"""The words of the command line: commands, flags, and what help says about them."""

from __future__ import annotations

import argparse
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from streamseg import __version__
from streamseg.config import RunOptions
from streamseg.errors import printable, redact

_POSITIONAL = ("source", "outputs")
_EXAMPLES = """examples:
  streamseg run 0                                   webcam, in a window
  streamseg run 0 --view blur                       webcam with a blurred background
  streamseg run rtsp://camera/1 record.mp4          a network camera, recorded with its masks
  streamseg run dashcam.mp4 out.mp4 masks:labels    a file to a video and to label pictures
  streamseg run dashcam.mp4 - --model own.onnx      JSON lines on the standard output
  streamseg run test:// --model kmeans --set k=4    a generated scene, a classical method
  streamseg run --config configs/webcam.yaml        the same from a file

sources:  0  /dev/video0  rtsp://…  rtsps://…  http(s)://…  FILE  PICTURE  FOLDER  'GLOB'  test://  -
outputs:  window  FILE.mp4|mkv  'NAME-%Y%m%d-%H%M%S.mp4?segment=60&keep=7d'  'events:FOLDER?class=NAME'
          rtsp://…  hls:FOLDER  FILE.png|jpg  masks:FOLDER  FILE.jsonl  -  null
exit codes:  0 done or stopped, 1 a defect of streamseg, 2 wrong usage, file, model or configuration,
             3 source not reachable, 4 output not writable, 5 model cannot run here"""

_IMPORT_FLAGS = {
    "name": "what --model will call it; default: the file's name",
    "classes": "names separated by commas, or a .txt file with one a line",
    "colours": "one '#rrggbb' for each class, separated by commas",
    "background": "number of the class that overlays leave undrawn",
    "normalise": "what the model was trained on: imagenet, 0..1, -1..1 or none",
    "mean": "instead: numbers in 0..255, separated by commas",
    "std": "instead: numbers in 0..255, separated by commas",
    "colour": "channel order the model was trained on: rgb, bgr or grey",
    "fit": "letterbox, stretch or crop; default stretch",
    "layout": "NCHW or NHWC",
    "output": "name of the output to use",
    "role": "what that output holds: labels, logits or probability",
    "height": "pixels, where the model leaves it free",
    "width": "pixels, where the model leaves it free",
    "stride": "free sides are rounded to a multiple of this",
    "licence": "of the weights, shown by `streamseg models`",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        super().error(printable(redact(message)))  # which repeats the word it does not know, perhaps a URL


def parser() -> argparse.ArgumentParser:
    """The whole command line; `streamseg completion` is made from it."""
    top: argparse.ArgumentParser = _Parser(
        prog="streamseg", description="Live video segmentation: masks over every frame."
    )
    top.add_argument("--version", action="version", version=f"streamseg {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    run = _command(commands, "run", "segment a camera, stream, file or pictures")
    run.formatter_class = argparse.RawDescriptionHelpFormatter
    run.epilog = _EXAMPLES
    _add_run_options(run)
    _add_serve_options(_command(commands, "serve", "run many streams as a service, seen over HTTP"))
    models = _command(commands, "models", "list what --model can name")
    models.add_argument("--json", action="store_true", help="as JSON")
    doctor = _command(commands, "doctor", "show what this machine has and what run would use")
    doctor.add_argument("--json", action="store_true", help="as JSON")
    _add_import_options(_command(commands, "import", "make a fast, self-describing model of any ONNX file"))
    _add_training_options(commands)
    _add_build_options(_command(commands, "build", "build a TensorRT engine, for a GPU that need not be here"))
    _add_tune_options(_command(commands, "tune", "find the quickest way to run a model here, and remember it"))
    _add_bench_options(_command(commands, "bench", "compare speeds: the tutorial's loop, other programs, the floor"))
    _add_eval_options(_command(commands, "eval", "score a model on labelled pictures, as it will run"))
    _add_compare_options(_command(commands, "compare", "run a model on two backends, or two models, and compare"))
    completion = _command(commands, "completion", "print the completion script of a shell")
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    return top


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The words as options, `command` among them.

    Like parse_args, but outputs may also stand after flags: `run FILE --model NAME OUT`.
    """
    line = parser()
    arguments, rest = line.parse_known_args(argv)
    unknown = [word for word in rest if word.startswith("-") and word != "-"]
    if unknown or (rest and not hasattr(arguments, "outputs")):
        line.error(f"unrecognised: {' '.join(unknown or rest)}")
    if rest:
        arguments.outputs += rest
    return arguments


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    summary: str,
) -> argparse.ArgumentParser:
    made = commands.add_parser(name, help=summary, description=summary)
    made.set_defaults(command=name)
    made.add_argument("--debug", action="store_true", help="show every log line, and where an error comes from")
    return made


def _add_run_options(run: argparse.ArgumentParser) -> None:
    """A flag for each field of RunOptions; values stay text, the config module checks them."""
    run.add_argument("source", nargs="?", help="where frames come from, see below")
    run.add_argument("outputs", nargs="*", metavar="output", help="where the result goes; default: a window")
    run.add_argument("--config", type=Path, metavar="FILE.yaml", help="read options from a file; flags go before it")
    run.add_argument(
        "--trust-engine",
        action="store_true",
        help="run a TensorRT engine that somebody else built; it can run any code",
    )
    run.add_argument("--explain", action="store_true", help="say how often the network runs, and why")
    run.add_argument("--quiet", action="store_true", help="no progress, no summary")
    for name, kind in typing.get_type_hints(RunOptions, include_extras=True).items():
        if name in _POSITIONAL:
            continue
        base, meta = kind.__origin__, kind.__metadata__[-1]
        flag = "--" + name.replace("_", "-")
        if name == "settings":
            run.add_argument("--set", dest=name, action="append", metavar="KEY=VALUE", help=meta.description)
        elif base is bool or bool in typing.get_args(base):
            run.add_argument(flag, action=argparse.BooleanOptionalAction, help=meta.description)
        else:
            flags = (flag, "--show") if name == "view" else (flag,)
            run.add_argument(*flags, metavar=name.upper(), help=meta.description.replace("%", "%%"))


def _add_serve_options(serve: argparse.ArgumentParser) -> None:
    serve.add_argument("--config", type=Path, metavar="SITE.yaml", required=True, help="names the streams")
    serve.add_argument("--listen", metavar="ADDRESS:PORT", default="127.0.0.1:8090", help="default: %(default)s")
    serve.add_argument("--token-file", type=Path, metavar="FILE", help="who looks must know it; or $STREAMSEG_TOKEN")
    serve.add_argument("--no-auth", action="store_true", help="let other machines look without a token")
    serve.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a further name of this machine; repeatable"
    )
    serve.add_argument("--log", choices=("text", "json"), default="text", help="form of the log lines")


def _add_import_options(command: argparse.ArgumentParser) -> None:
    """A flag for what the file cannot tell; anything left out is guessed, or asked for in the error."""
    command.add_argument("model", type=Path, help="any semantic segmentation ONNX file")
    command.add_argument("target", type=Path, nargs="?", help="where to write it; default: among your models")
    for flag, text in _IMPORT_FLAGS.items():
        command.add_argument(f"--{flag}", metavar=flag.upper(), help=text)


def _add_training_options(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    train = _command(commands, "train", "train a network on your pictures, or go on with an interrupted training")
    train.add_argument("plan", type=Path, nargs="?", help="YAML file; see configs/train/ and docs/training.md")
    train.add_argument("--data", metavar="FOLDER", help="where the pictures lie, instead of the plan's data.root")
    train.add_argument("--out", type=Path, metavar="FOLDER", help="for checkpoints, curves and model: training/NAME")
    train.add_argument("--list", action="store_true", help="name the architectures")
    export = _command(commands, "export", "make a model of a training's checkpoint")
    export.add_argument("checkpoint", type=Path, help="best.pt or last.pt of a training")
    export.add_argument("target", type=Path, help="FILE.onnx")
    export.add_argument("--pictures", type=Path, metavar="FOLDER", help="compare PyTorch and ONNX Runtime on these")
    export.add_argument("--plan", type=Path, help="size, licence and summary from this plan, not the checkpoint's")
    quantise = _command(commands, "quantise", "make a model of 8-bit integers: smaller, and often quicker")
    quantise.add_argument("model", help="a name from `streamseg models`, or a file MODEL.onnx")
    quantise.add_argument("pictures", type=Path, help="folder of pictures like those it will see")
    quantise.add_argument("target", type=Path, help="FILE.onnx")
    quantise.add_argument(
        "--for", dest="runtime", choices=("cpu", "tensorrt"), default="cpu", help="the runtime that it is to suit"
    )


def _add_build_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", help="a name from `streamseg models`, or a file MODEL.onnx")
    command.add_argument(
        "--for", dest="target", metavar="ARCHITECTURE", help="of the GPU, which need not be here: sm86"
    )
    command.add_argument("--precision", choices=("fp32", "fp16"), default="fp16", help="of what is not in 8 bits")
    command.add_argument("--out", type=Path, metavar="FOLDER", help="default: streamseg/engines in your cache folder")


def _add_tune_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", help="a name from `streamseg models`, or a file MODEL.onnx")
    command.add_argument("--for", dest="goal", choices=("live", "file"), help="only for such sources; default: both")
    command.add_argument("--pictures", metavar="SOURCE", help="folder or clip like what it will see; default: a scene")
    command.add_argument(
        "--with",
        dest="others",
        type=Path,
        action="append",
        default=[],
        metavar="FILE.onnx",
        help="the same network in 8 bits, to be tried too; MODEL-int8.onnx beside the model is",
    )
    command.add_argument(
        "--least", type=float, default=0.99, metavar="SHARE", help="of the pixels must get the same label: 0.99"
    )
    command.add_argument("--seconds", type=float, default=20.0, help="how long to measure: 20")
    command.add_argument("--json", action="store_true", help="as JSON")


def _add_bench_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", nargs="?", default="street", help="a network with labels out; default: street")
    command.add_argument("--clip", type=Path, metavar="FILE", help="video to read; default: 720p H.264")
    command.add_argument("--rounds", type=int, default=5, help="turns of each loop: 5")
    command.add_argument("--seconds", type=float, default=2.0, help="of each turn: 2")
    command.add_argument(
        "--inference", type=Path, metavar="PYTHON", help="an interpreter that has Roboflow's inference, to compare with"
    )
    command.add_argument("--json", action="store_true", help="as JSON")
    command.add_argument("--plot", type=Path, metavar="FILE.png", help="also as a picture; needs matplotlib")


def _add_eval_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", help="a name from `streamseg models`, or a file MODEL.onnx")
    command.add_argument("pictures", type=Path, help="folder of pictures")
    command.add_argument(
        "masks",
        type=Path,
        help="folder of masks of the same names: class ids, 255 is void; for objects their numbers, or COCO's JSON",
    )
    command.add_argument("--only", metavar="PATTERN", default="*", help="pictures of these names: '*[05].jpg'")
    command.add_argument("--parts", metavar="CLASS", help="also compare the connected parts of a class, as cells are")
    command.add_argument(
        "--video", action="store_true", help="the pictures are a video's frames: also how steady it is"
    )
    command.add_argument("--ids", action="append", default=[], metavar="OLD=NEW", help="rename an id of the masks")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.add_argument("--sheet", type=Path, metavar="FILE.png", help="write the worst pictures side by side")


def _add_compare_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("models", nargs="+", metavar="model", help="a name or a file MODEL.onnx; or two of them")
    command.add_argument(
        "--backends",
        metavar="A,B",
        help="one for each, such as ort-cpu,ort-cpu:fp16 (the default for one model) or ort-cpu,tensorrt",
    )
    command.add_argument("--pictures", metavar="SOURCE", default="test://?frames=20", help="a folder, a clip, a scene")
    command.add_argument("--layers", action="store_true", help="also where in the network the first frame differs")
    command.add_argument(
        "--least", type=float, default=0.99, metavar="SHARE", help="of equal labels, 0 to 1; below it exit code 1"
    )
    command.add_argument("--json", action="store_true", help="as JSON")
