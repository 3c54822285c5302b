"""OpenPose: a folder with one JSON for each frame, or one such JSON."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import numpy as np

from lib.errors import UserError
from lib.wild.keypoint_files.people_table import KEYPOINT_READERS, PeopleTable, integers, triplets

log = logging.getLogger(__name__)

REFUSED = {18: "COCO", 15: "MPI", 19: "BODY_19", 23: "BODY_23"}


@KEYPOINT_READERS.register("openpose")
class OpenPose:
    """BODY_25 and BODY_25B, which have equally many points in different order."""

    title = "OpenPose folder"

    @staticmethod
    def recognises(path: Path, content: Any) -> bool:
        """A folder of ``*_keypoints.json``, or a dict with ``people``."""
        if content is None:
            return any(path.glob("*_keypoints.json"))
        return isinstance(content, dict) and isinstance(content.get("people"), list)

    @staticmethod
    def read(path: Path, content: Any) -> PeopleTable:
        """Bodies; hands and faces of their own networks are left out."""
        if content is not None:
            numbered = [(0, content)]
        else:
            files = _numbered_files(path)
            numbered = [(number, _read_frame(file)) for number, file in files]
        people = [(number, person) for number, frame in numbered for person in frame["people"]]
        people = [(number, person) for number, person in people if person["pose_keypoints_2d"]]
        points = triplets([person["pose_keypoints_2d"] for _, person in people], path)
        if points.shape[1] in REFUSED:
            raise UserError(
                f"{path}: OpenPose wrote {points.shape[1]} points of its model {REFUSED[points.shape[1]]}, which is "
                "not supported: run it with --model_pose BODY_25"
            )
        if any(person.get("hand_left_keypoints_2d") for _, person in people):
            log.info("%s: the points of hands and faces are left out", path)
        ids = integers([person.get("person_id") for _, person in people])
        return PeopleTable(
            keypoints=points,
            frame=np.array([number for number, _ in people], object),
            ids=ids if ids is not None and (ids >= 0).all() else None,
            first=1 if numbered[0][0] == 1 else 0,  # every frame has its file
            last=numbered[-1][0],
        )


def _numbered_files(folder: Path) -> list[tuple[int, Path]]:
    """Files of a folder with the frame numbers in their names, in order of the frames."""
    files = sorted(folder.glob("*_keypoints.json"))
    parts = [re.fullmatch(r"(.*?)(\d+)_keypoints\.json", file.name) for file in files]
    if not all(parts):
        return list(enumerate(files))
    videos = sorted({part[1] for part in parts if part})
    if len(videos) > 1:
        raise UserError(
            f"{folder} holds frames of {len(videos)} videos ('{videos[0]}...' and '{videos[1]}...'): "
            "give each a folder of its own"
        )
    return sorted((int(part[2]), file) for part, file in zip(parts, files, strict=True) if part)


def _read_frame(file: Path) -> dict[str, Any]:
    try:
        frame = json.loads(file.read_bytes())
        if isinstance(frame.get("people"), list):
            return frame  # type: ignore[no-any-return]
        problem = "it has no list of people"
    except (ValueError, RecursionError, AttributeError) as error:
        problem = str(error)
    raise UserError(f"{file} is no frame that OpenPose wrote whole: {problem}")
