"""Predictions of MMPose: one JSON for a video with all frames, those without people too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lib.errors import UserError
from lib.wild.keypoint_files.people_table import KEYPOINT_READERS, PeopleTable, integers, number_array


@KEYPOINT_READERS.register("mmpose")
class MMPose:
    """A list of frames, one frame's list of people, or a dict with the frames and the names of the joints."""

    title = "MMPose predictions JSON"

    @staticmethod
    def recognises(path: Path, content: Any) -> bool:
        """Frames have ``instances``, people ``keypoint_scores``."""
        if isinstance(content, dict):
            return "instance_info" in content
        first = content[0] if isinstance(content, list) and content else None
        return isinstance(first, dict) and ("instances" in first or "keypoint_scores" in first)

    @staticmethod
    def read(path: Path, content: Any) -> PeopleTable:
        """People with the joints' names where the file says them, and ids where a tracker gave them."""
        names: list[str] = []
        if isinstance(content, dict):
            by_number = content.get("meta_info", {}).get("keypoint_id2name", {})
            names = [by_number[number] for number in sorted(by_number, key=int)]
            content = content["instance_info"]
        elif content and "instances" not in content[0]:
            content = [{"instances": content}]
        numbers = [int(frame.get("frame_id", index)) for index, frame in enumerate(content)]
        people = [person for frame in content for person in frame["instances"]]
        xy = number_array([person["keypoints"] for person in people], path)
        if people and (xy.ndim != 3 or xy.shape[2] != 2):
            raise UserError(f"{path}: a person's keypoints must be a list of [x, y] in px, not of 3D points")
        scores = number_array([person.get("keypoint_scores") or [1] * xy.shape[1] for person in people], path)
        if scores.shape != xy.shape[:2]:
            raise UserError(
                f"{path}: a person must have one of the keypoint_scores for each of the keypoints"
            )
        return PeopleTable(
            keypoints=np.concatenate([xy, scores[..., None]], -1)
            if people
            else np.zeros((0, 0, 3), np.float32),
            frame=np.repeat(np.array(numbers, object), [len(frame["instances"]) for frame in content]),
            ids=integers([person.get("track_id") for person in people]),
            first=1
            if numbers and min(numbers) == 1
            else 0,  # MMPose's demo counts from 1, its inferencer from 0
            last=max(numbers, default=None),
            joint_names=names,
        )
