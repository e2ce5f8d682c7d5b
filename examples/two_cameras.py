"""Two cameras in one program, with one network for both, and a model that is changed while they run.

python examples/two_cameras.py rtsp://door/1 rtsp://yard/1
"""

from __future__ import annotations

import asyncio
import sys

import streamseg


async def watch(name: str, source: str, model: streamseg.Model) -> None:
    with streamseg.open(source, model=model) as stream:
        count = 0
        async for shown in stream:
            print(f"{name}: {shown.segmentation.areas()[1]:.1%} {shown.segmentation.classes.names[1]}")
            count += 1
            if count == 10:
                stream.change(model="otsu", view="mask")
            if count == 30:
                break


async def main(door: str, yard: str) -> None:
    with streamseg.load("person-wide") as model:
        await asyncio.gather(watch("door", door, model), watch("yard", yard, model))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        print("usage: python examples/two_cameras.py SOURCE SOURCE", file=sys.stderr)
        sys.exit(2)
    asyncio.run(main(*sys.argv[1:]))
