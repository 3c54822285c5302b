"""A check of mesh sets before training: does the body of the labels stand where the keypoints are?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from lib.data.checks import Finding, Sample, named
from lib.data.motion import Motion

if TYPE_CHECKING:
    from lib.body import BodyModel
    from lib.body_regressor import KeypointRegressor

MAX_DISTANCE = (0.06, 0.15)
"""Median distance of a keypoint from the body's as a share of the person's size in the image, from which on
there is a warning, and an error; perspective and the detector's errors account for a few hundredths."""


def check_body(motion: Motion, body: BodyModel, regressor: KeypointRegressor) -> Iterator[Finding]:
    """Keypoints that are another body's: joints in another order, sides exchanged, a pose in other axes.

    The body's joints are scaled and shifted onto the keypoints of each frame, seen along the camera's z axis.
    """
    sample = Sample(motion, rootrel=False, clip_len=None)
    part = sample.part
    with torch.no_grad():
        pose, shape = (torch.from_numpy(np.array(array)) for array in (part.smpl_pose, part.smpl_shape))
        joints = regressor.of(body, pose, shape)[..., :2].numpy()
    off = _distance(part.joints_2d, joints, sample.seen)
    flip = motion.skeleton.flip_idx
    off_flipped = _distance(part.joints_2d[:, flip], joints, sample.seen[:, flip])
    sources, flipped = sample.per_source(off), sample.per_source(off_flipped)
    far = {name: value for name, value in sources.items() if value > MAX_DISTANCE[0]}
    if not far:
        return
    if swapped := [name for name, value in far.items() if flipped.get(name, value) < value / 2]:
        text = f"left and right are exchanged between the keypoints and the body of {named(swapped)}"
        yield Finding("error", "body_swapped", text)
        return
    middle = float(np.nanmedian(off))
    yield Finding(
        "error" if middle > MAX_DISTANCE[1] else "warning",
        "body_against_2d",
        f"keypoints lie {max(far.values()):.0%} of the person's size from the joints of the body in {named(far)} "
        f"(median of all {middle:.0%}; {MAX_DISTANCE[0]:.0%} is usual): are the joints in another order, is the "
        "pose not in camera axes, or are the body model and its regressor others than those of the labels?",
    )


def _distance(joints_2d: np.ndarray, joints: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(S,J) distance of keypoints (S,J,2) from joints (S,J,2) scaled and shifted onto them, NaN where unseen.

    A share of the larger side of the box around the joints.
    """
    weight = seen[..., None] / np.maximum(seen.sum(1), 1)[:, None, None]
    keypoints = np.where(seen[..., None], joints_2d, 0)
    keypoints, joints = (array - (weight * array).sum(1, keepdims=True) for array in (keypoints, joints))
    scale = (weight * keypoints * joints).sum((1, 2)) / np.maximum((weight * joints**2).sum((1, 2)), 1e-12)
    off = np.linalg.norm(keypoints - scale[:, None, None] * joints, axis=-1)
    size = np.abs(scale) * np.ptp(joints, axis=1).max(-1)
    return np.where(seen, off / np.maximum(size, 1e-6)[:, None], np.nan)
