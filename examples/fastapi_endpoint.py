"""An image in, its masks out, over HTTP.

pip install fastapi uvicorn
uvicorn --app-dir examples fastapi_endpoint:app
curl --data-binary @photo.jpg 'localhost:8000/segment?image_id=7'
"""

from __future__ import annotations

import sys

import cv2
import numpy as np
from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from numpy.typing import NDArray

import streamseg

app = FastAPI()
model = streamseg.load("person")  # safe to call from any thread


@app.post("/segment")
async def segment(request: Request, image_id: int = 0) -> dict[str, object]:
    """COCO annotations of the picture in the body, and the share of each class."""
    encoded = np.frombuffer(await request.body(), np.uint8)
    return await run_in_threadpool(answer, encoded, image_id)


def answer(encoded: NDArray[np.uint8], image_id: int) -> dict[str, object]:
    image = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if encoded.size else None
    if image is None:
        raise HTTPException(400, "the body is no picture")
    result = model(image)
    return {**result.to_dict(), "annotations": result.to_coco(image_id)}


if __name__ == "__main__":
    print("usage: uvicorn --app-dir examples fastapi_endpoint:app", file=sys.stderr)
    sys.exit(2)
