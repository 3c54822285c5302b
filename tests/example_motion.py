"""Small motions for tests: a random but plausible person, with 2D and 3D that agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lib.data.motion import Motion
from lib.skeleton import Skeleton


def example_motion(
    skeleton: Skeleton,
    lengths: tuple[int, ...] = (30, 45),
    *,
    size_px: tuple[int, int] = (1920, 1080),
    seed: int = 0,
    with_3d: bool = True,
) -> Motion:
    """Videos of these lengths, named video0, video1, ...; the root at depth 0, 4 mm a pixel."""
    rng = np.random.default_rng(seed)
    num_frames = sum(lengths)
    pose = rng.normal(0, 100, (1, skeleton.num_joints, 3)) + rng.normal(
        0, 8, (num_frames, skeleton.num_joints, 3)
    )
    image = pose + np.array([size_px[0] / 2, size_px[1] / 2, 0])
    image = image - np.array([0, 0, 1]) * skeleton.root_of(image)
    factor = np.full(num_frames, 4.0)
    motion = Motion(
        joints_2d=image[..., :2] + rng.normal(0, 1, image[..., :2].shape),
        confidence=rng.uniform(0.5, 1, image.shape[:2]),
        joints_image=image,
        joints_mm=image * factor[:, None, None],
        factor_mm_per_px=factor,
        source=np.repeat([f"video{number}" for number in range(len(lengths))], lengths),
        camera="front",
        action=np.repeat([f"action{number % 2}" for number in range(len(lengths))], lengths),
        fps=30.0,
        size_px=np.array(size_px),
        skeleton=skeleton,
    )
    return motion if with_3d else replace(motion, joints_image=None, joints_mm=None, factor_mm_per_px=None)


def as_split(motion: Motion) -> dict:
    """The motion as one split of a data pickle."""
    return {
        "joint_2d": motion.joints_2d,
        "confidence": motion.confidence,
        "joint3d_image": motion.joints_image,
        "joints_2.5d_image": motion.joints_mm,
        "2.5d_factor": motion.factor_mm_per_px,
        "camera_name": np.asarray(motion.camera),
        "source": list(np.asarray(motion.source)),
        "action": np.asarray(motion.action),
    }
