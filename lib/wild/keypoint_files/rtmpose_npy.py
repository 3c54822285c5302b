"""Arrays of keypoints, as scripts around RTMPose save them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lib.errors import UserError
from lib.wild.keypoint_files.people_table import KEYPOINT_READERS, PeopleTable


@KEYPOINT_READERS.register("rtmpose_npy")
class RTMPoseArray:
    """(frames, joints, 3) or, for several people, (frames, people, joints, 3); 2 columns count as confidence 1."""

    title = "RTMPose NPY"

    @staticmethod
    def recognises(path: Path, content: Any) -> bool:
        """Any array."""
        return isinstance(content, np.ndarray)

    @staticmethod
    def read(path: Path, content: Any) -> PeopleTable:
        """One row for each place of the array."""
        shape = content.shape
        if content.dtype.kind not in "fiu" or len(shape) not in (3, 4) or shape[-1] not in (2, 3):
            raise UserError(
                f"{path} is an array {shape} of {content.dtype}; keypoints are numbers (frames, joints, 3) or "
                "(frames, people, joints, 3) with x px, y px, confidence"
            )
        slots = 1 if len(shape) == 3 else shape[1]
        with np.errstate(over="ignore"):
            points = content.reshape(-1, *shape[-2:]).astype(np.float32)
        if shape[-1] == 2:
            points = np.concatenate([points, np.ones_like(points[..., :1])], -1)
        return PeopleTable(keypoints=points, frame=np.repeat(np.arange(shape[0]), slots), last=shape[0] - 1)
