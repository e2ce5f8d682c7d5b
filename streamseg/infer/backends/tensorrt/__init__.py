"""TensorRT and TensorRT-RTX: engines built from ONNX files; nothing here is imported where neither is installed."""
