"""The threads that a frame walks through, and how often the network runs."""
