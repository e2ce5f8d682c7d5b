"""Blurs the background of a webcam, in a window."""

import streamseg

streamseg.open(0, "window", view="blur", size=(1280, 720), fps=30).run()
