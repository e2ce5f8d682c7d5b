"""What only a GPU can show: the sections of `tools/gpu_probe.py`, each run in a process of its own."""
