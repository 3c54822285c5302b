"""Detections that this program has written itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lib.wild.keypoint_files.people_table import KEYPOINT_READERS, PeopleTable
from lib.wild.records import Detections


@KEYPOINT_READERS.register("detections")
class StoredDetections:
    """``detections.npz`` of an earlier run."""

    title = "this program's NPZ"

    @staticmethod
    def recognises(path: Path, content: Any) -> bool:
        """An npz that counts the people of each frame."""
        return isinstance(content, frozenset) and "people_per_frame" in content

    @staticmethod
    def read(path: Path, content: Any) -> PeopleTable:
        """What ``Detections.save`` wrote."""
        detections = Detections.load(path)
        counts = [len(people) for people in detections.people]
        return PeopleTable(
            keypoints=np.concatenate(detections.people),
            frame=np.repeat(np.arange(len(counts)), counts),
            ids=None if detections.ids is None else np.concatenate(detections.ids),
            sides=detections.sides and np.array([side for sides in detections.sides for side in sides]),
            last=len(counts) - 1,
            joint_format=detections.skeleton.name,
        )
