"""Reader ``posetrack``: tracks of people with 2D keypoints from PoseTrack 2018's annotation files, no 3D."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from lib.data.motion import Motion
from lib.data.normalize import crop_scale, denormalize_2d
from lib.data.readers import register_reader
from lib.data.readers.clips import NOMINAL_SIZE_PX
from lib.errors import UserError
from lib.skeleton import Skeleton, conversion, load_skeleton

# MotionBERT's choice of tracks: 30 frames in which the root and on average 60 % of the joints are seen
MIN_FRAMES = 30
MIN_SEEN_SHARE = 0.6


@register_reader("posetrack")
def read_posetrack(
    skeleton: Skeleton,
    split: str,
    posetrack_root: str = "data/motion2d/posetrack18_annotations",
) -> Motion:
    """Motion without 3D of ``posetrack_root/split/*.json``, converted to the joint format.

    Each stretch of consecutive frames of one person is a video. The files do not tell the image size, so a
    track is scaled to its own box, as MotionBERT does: -1..1 once it is normalized. Joints that PoseTrack
    does not have get confidence 0.
    """
    folder = Path(posetrack_root) / split
    files = sorted(folder.glob("*.json"))
    if not files:
        raise UserError(f"0 clips from {folder}: there is no .json file in it (PoseTrack 2018 annotations)")
    to_format = conversion(load_skeleton("PoseTrack-17"), skeleton, allow_missing=True)
    tracks, sources = [], []
    for file in files:
        for name, track in _tracks(file):
            seen = track[..., 2] > 0
            if len(track) < MIN_FRAMES or seen.mean() < MIN_SEEN_SHARE:
                continue
            track = crop_scale(track)
            xy, confidence = to_format.apply(track[..., :2], track[..., 2])
            xy = np.where(confidence[..., None] > 0, xy, np.nan)
            if np.isnan(skeleton.root_of(xy)).any():
                continue  # labels relative to the root need the root in every frame
            tracks.append(np.concatenate([xy, confidence[..., None]], axis=-1).astype(np.float32))
            sources += [f"{file.stem}/{name}"] * len(track)
    if not tracks:
        raise UserError(f"0 clips from {folder}: no person is seen for {MIN_FRAMES} frames in a row")
    joined = np.concatenate(tracks)
    return Motion(
        joints_2d=denormalize_2d(joined[..., :2], NOMINAL_SIZE_PX),
        confidence=joined[..., 2],
        source=sources,
        camera="",
        action="",
        size_px=np.array(NOMINAL_SIZE_PX),
        skeleton=skeleton,
    )


def _tracks(file: Path) -> list[tuple[str, np.ndarray]]:
    """(name, x, y, visibility (T,17,3)) of each stretch of consecutive annotated frames of a person."""
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        # the place of an image among the annotated ones; its id alone may jump
        order = {image["id"]: place for place, image in enumerate(content["images"])}
        people: dict[int, dict[int, np.ndarray]] = defaultdict(dict)
        for note in content["annotations"]:
            place = order.get(note["image_id"])
            if place is not None:
                people[note["track_id"]][place] = np.array(note["keypoints"], float).reshape(-1, 3)
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{file} is no PoseTrack annotation file: {error!r}") from None
    found = []
    for person, frames in sorted(people.items()):
        places = np.array(sorted(frames))
        for number, run in enumerate(np.split(places, np.flatnonzero(np.diff(places) != 1) + 1)):
            found.append((f"{person}-{number}", np.stack([frames[place] for place in run])))
    return found
