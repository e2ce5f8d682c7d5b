"""A GPU of NVIDIA's: its driver, memory there, and streamseg's own kernels; nothing is loaded where there is none."""
