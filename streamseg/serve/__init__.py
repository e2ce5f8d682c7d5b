"""Many named streams in one process, on shared networks, seen over HTTP."""
