"""What a drawn camera, and a detector behind it, see of joints that move in the world.

F frames, J joints; world axes are right-handed with y up, in mm. Cameras and errors of detection are those of
the built-in worker motion.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lib.data.worker.camera import RANGES, Camera, CameraRanges, draw_camera, image_labels
from lib.data.worker.detector import CAPSULES, detect, hidden_by_body, hidden_by_objects
from lib.skeleton import Skeleton

# Recorded people walk through a room: cameras stand nearer than the worker's, in units of the path filmed.
DISTANCE = {"train": (1.2, 2.6), "validate": (1.3, 2.4), "test": (1.3, 2.4)}
STAND_IN = {"skull_base": "face"}  # the nearest point that formats without the first have
STATURE_OF_HEIGHT = 1.05  # stature against the height from the ankles to the top of the head


@dataclass(frozen=True, eq=False)
class Film:
    """One video: 2D joints and confidence as seen, and the 2.5D truth (px with the root at depth 0)."""

    camera: Camera
    joints_2d: np.ndarray  # (F, J, 2) px
    confidence: np.ndarray  # (F, J)
    joints_image: np.ndarray  # (F, J, 3) px
    factor_mm_per_px: np.ndarray  # (F,) depth of the root / focal length


def film(
    skeleton: Skeleton,
    joints_mm: np.ndarray,
    *,
    split: str,
    name: str,
    fps: float,
    detector: bool,
    generator: np.random.Generator,
    ranges: CameraRanges | None = None,
) -> Film:
    """Film world joints (F, J, 3) mm with a camera drawn for the split, which keeps them all in its image.

    Without ``detector`` the 2D joints are exact projections of confidence 1. ``ranges``: what the camera is
    drawn from, where it is not that of people who walk through a room.
    """
    ranges = ranges or replace(RANGES[split], distance=DISTANCE[split])
    some = joints_mm[:: max(1, len(joints_mm) // 200)]
    camera = draw_camera(generator, name, ranges, some.reshape(-1, 3))
    camera_mm = camera.to_camera(joints_mm)
    px, depth_mm = camera.project(camera_mm), camera_mm[..., 2]
    image, factor = image_labels(skeleton, camera_mm, px, camera.focal_px)
    seen, confidence = px, np.ones(depth_mm.shape)
    if detector:
        stature_mm = STATURE_OF_HEIGHT * float(np.median(np.ptp(joints_mm[..., 1], axis=1)))
        seen, confidence = detected(skeleton, px, depth_mm, stature_mm, factor, fps, generator)
    return Film(camera, seen, confidence, image, factor)


def detected(
    skeleton: Skeleton,
    px: np.ndarray,
    depth_mm: np.ndarray,
    stature_mm: float,
    factor_mm_per_px: np.ndarray,
    fps: float,
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """What the modelled detector gives for exact joints (F, J, 2) px of one video, whose depth (F, J) is in mm.

    Detected joints (F, J, 2) px and confidence (F, J); limbs hide what is behind them if the format holds their ends.
    """
    ends, radius_mm = [], []
    for *names, share in CAPSULES:
        pair = [skeleton.index_canonical(STAND_IN.get(name, name)) for name in names]
        if None not in pair:
            ends.append(pair)
            radius_mm.append(share * stature_mm)
    exact, depth, px_per_mm = px[None].astype(np.float32), depth_mm[None], 1 / factor_mm_per_px[None]
    hidden = np.zeros(depth.shape, bool)
    if ends:
        capsule = np.array(ends)
        hidden |= hidden_by_body(
            exact, depth, exact[:, :, capsule], depth[:, :, capsule], np.array(radius_mm), px_per_mm
        )
    stature_px = stature_mm * px_per_mm
    hidden |= hidden_by_objects(generator, exact, stature_px.mean(axis=1))
    seen, confidence = detect(generator, skeleton, exact, hidden, stature_px, fps)
    return seen[0], confidence[0]
