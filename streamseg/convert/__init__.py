"""Makes model files: imports ONNX of others, checks what came of it, and makes small ones of large ones."""
