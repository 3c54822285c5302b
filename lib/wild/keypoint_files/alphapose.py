"""AlphaPose's results: one JSON for a video, a list with one entry for each person of each frame."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from lib.errors import UserError
from lib.wild.keypoint_files.people_table import (
    KEYPOINT_READERS,
    PeopleTable,
    frame_numbers,
    integers,
    triplets,
)

log = logging.getLogger(__name__)

# number of points -> format, and how many of the points belong to it
FORMATS = {
    17: ("COCO-17", 17),
    26: ("Halpe-26", 26),
    68: ("Halpe-26", 26),  # with hands
    136: ("Halpe-26", 26),  # with face and hands
    133: ("COCO-WholeBody-133", 133),
}


@KEYPOINT_READERS.register("alphapose")
class AlphaPose:
    """Also what other programs write as COCO results."""

    title = "AlphaPose JSON"

    @staticmethod
    def recognises(path: Path, content: Any) -> bool:
        """A list of people with ``image_id``, or a dict of images with people or bodies."""
        if isinstance(content, list) and content and isinstance(content[0], dict):
            return {"image_id", "keypoints"} <= set(content[0]) and "foot_kpts" not in content[0]
        return _by_image(content)

    @staticmethod
    def read(path: Path, content: Any) -> PeopleTable:
        """People with the ids of AlphaPose's tracking, if that was on."""
        if _by_image(content):
            raise UserError(
                f"{path}: AlphaPose wrote 18 points in OpenPose's old COCO order, which is not supported: "
                "run it without --format, which writes one list of people"
            )
        points = triplets([person["keypoints"] for person in content], path)
        frame, first = frame_numbers([person["image_id"] for person in content], path)
        joint_format, kept = FORMATS.get(points.shape[1], (None, points.shape[1]))
        if kept < points.shape[1]:
            log.info("%s: of %d points the %d of %s are used", path, points.shape[1], kept, joint_format)
        return PeopleTable(
            keypoints=points[:, :kept],
            frame=frame,
            first=first,
            ids=integers([person.get("idx") for person in content]),
            joint_format=joint_format,
            is_usual_only=True,
        )


def _by_image(content: Any) -> bool:
    if not isinstance(content, dict) or not content:
        return False
    images = [image for image in content.values() if isinstance(image, dict)]
    return len(images) == len(content) and all(set(image) & {"people", "bodies"} for image in images)
