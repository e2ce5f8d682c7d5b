"""Objects that a person points at, followed through a video: no network, no training."""

from __future__ import annotations

from streamseg.infer.follow.follower import Follow, follow, follow_classes

__all__ = ["Follow", "follow", "follow_classes"]
