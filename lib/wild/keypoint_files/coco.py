"""COCO and COCO-WholeBody: annotations with images, or results with feet, face and hands beside the body."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lib.wild.keypoint_files.people_table import (
    KEYPOINT_READERS,
    PeopleTable,
    frame_numbers,
    integers,
    triplets,
)

PARTS = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")


@KEYPOINT_READERS.register("coco_wholebody")
class CocoWholeBody:
    """The parts of the whole body in the order of its 133 points."""

    title = "COCO-WholeBody JSON"

    @staticmethod
    def recognises(path: Path, content: Any) -> bool:
        """A dict with ``images`` and ``annotations``, or a list of people with ``foot_kpts``."""
        if isinstance(content, dict):
            return {"images", "annotations"} <= set(content)
        first = content[0] if isinstance(content, list) and content else None
        return isinstance(first, dict) and "foot_kpts" in first

    @staticmethod
    def read(path: Path, content: Any) -> PeopleTable:
        """People; the visibility 0, 1, 2 of annotations becomes the confidence 0, 0.5, 1."""
        is_annotation = isinstance(content, dict)
        people = content["annotations"] if is_annotation else content
        is_whole = bool(people) and PARTS[1] in people[0]
        parts = [
            triplets([person[part] for person in people], path) for part in (PARTS if is_whole else PARTS[:1])
        ]
        points = np.concatenate(parts, 1)
        names: list[str] = []
        if is_annotation and points.size and points[..., 2].max() > 1:
            points[..., 2] /= 2
        if is_annotation and not is_whole:
            names = next(
                (kind["keypoints"] for kind in content.get("categories", []) if "keypoints" in kind), []
            )
        images = [person["image_id"] for person in people]
        listed = list(images)
        if is_annotation:
            files = {image["id"]: image.get("frame_id", image["file_name"]) for image in content["images"]}
            images, listed = [files[image] for image in images], list(files.values())
        numbers, first = frame_numbers(listed, path) if listed else (np.zeros(0, int), 0)
        number_of = dict(zip(listed, numbers, strict=True))
        return PeopleTable(
            keypoints=points,
            frame=np.array([number_of[image] for image in images], object),
            ids=integers([person.get("track_id") for person in people]),
            first=first,
            last=max(numbers) if is_annotation and len(numbers) else None,
            joint_format="COCO-WholeBody-133" if is_whole else None,
            joint_names=names,
        )
