"""Live video segmentation: cameras, streams and files in, masks over every frame out."""
