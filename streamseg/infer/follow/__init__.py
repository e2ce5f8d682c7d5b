"""Objects that a person points at, followed through a video: no network, no training."""

from __future__ import annotations

from streamseg.infer.follow.follower import follow
from streamseg.infer.follow.settings import Follow, check_files, follow_classes

__all__ = ["Follow", "check_files", "follow", "follow_classes"]
