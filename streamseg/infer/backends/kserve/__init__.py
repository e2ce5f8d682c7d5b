"""Networks that other machines run, asked by the Open Inference Protocol v2 of KServe, Triton and OpenVINO's server."""
