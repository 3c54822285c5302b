"""Errors of predicted poses: frames x joints x 3 arrays in, one value a frame out.

All take ``prediction`` and ``target`` (F,J,3) in the same unit (mm in every report), calculate in float64,
and return (F,) unless said otherwise. Frames that are not finite give NaN, so that an evaluation can leave
them out with ``np.nanmean`` and count them; they never stop it.

Shapes: F frames, J joints, V videos.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lib.errors import UserError
from lib.geometry import for_arrays, procrustes_align
from lib.skeleton import Skeleton


def joint_distances(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Distance (F,J) between predicted and true joints; ``UserError`` if the shapes differ."""
    prediction, target = _pair(prediction, target)
    return np.linalg.norm(prediction - target, axis=-1)


def mpjpe(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean distance over the joints (protocol 1)."""
    return joint_distances(prediction, target).mean(-1)


def p_mpjpe(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean distance after each frame is scaled, rotated and shifted to fit best (protocol 2).

    A prediction whose joints all coincide is shifted alone.
    """
    prediction, target = _pair(prediction, target)
    return mpjpe(procrustes_align(prediction, target), target)


def n_mpjpe(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean distance after each frame is scaled about the origin to fit best; a zero pose stays as it is."""
    prediction, target = _pair(prediction, target)
    power = np.square(prediction).sum((-2, -1))
    overlap = (prediction * target).sum((-2, -1))
    scale = np.divide(overlap, power, out=np.zeros_like(power), where=power != 0)
    return mpjpe(scale[:, None, None] * prediction, target)


def mpjve(prediction: np.ndarray, target: np.ndarray, videos: np.ndarray | None = None) -> np.ndarray:
    """Mean error of the joints' movement from the frame before, per frame step; NaN in a first frame.

    ``videos`` (V,2) holds each video's [start, stop) (``Motion.videos``); without it, all is one video.
    """
    return _difference_error(prediction, target, videos, order=1)


def acceleration_error(
    prediction: np.ndarray, target: np.ndarray, videos: np.ndarray | None = None
) -> np.ndarray:
    """Mean error of the joints' second difference around the frame, per frame step squared.

    NaN in the first and last frame of a video; ``videos`` as in ``mpjve``.
    """
    return _difference_error(prediction, target, videos, order=2)


def pck(prediction: np.ndarray, target: np.ndarray, threshold_mm: float = 150.0) -> np.ndarray:
    """Share (0 to 1) of joints at most ``threshold_mm`` away from the truth (Mehta et al., 3DV 2017)."""
    distances = joint_distances(prediction, target)
    return np.where(np.isnan(distances), np.nan, distances <= threshold_mm).mean(-1)


def auc(prediction: np.ndarray, target: np.ndarray, threshold_mm: float = 150.0) -> np.ndarray:
    """Mean PCK (0 to 1) over 31 even thresholds from 0 to ``threshold_mm`` (Mehta et al., 3DV 2017)."""
    steps = 30
    first_passed = np.ceil(joint_distances(prediction, target) / (threshold_mm / steps))
    return ((steps + 1 - first_passed).clip(0) / (steps + 1)).mean(-1)


def limb_length_error(prediction: np.ndarray, target: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Mean difference between predicted and true limb lengths; ``UserError`` for a format without limbs."""
    if len(skeleton.limb_idx) == 0:
        raise UserError(f"joint format {skeleton.name} has no limbs: their length has no error")
    start, end = skeleton.limb_idx.T
    lengths, true_lengths = (
        np.linalg.norm(joints[:, start] - joints[:, end], axis=-1) for joints in _pair(prediction, target)
    )
    return np.abs(lengths - true_lengths).mean(-1)


def depth_error(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean difference in depth (z) alone."""
    prediction, target = _pair(prediction, target)
    return np.abs(prediction[..., 2] - target[..., 2]).mean(-1)


@for_arrays
def mpve(prediction: Tensor, target: Tensor, shift: Tensor) -> Tensor:
    """Mean distance (F,) between predicted and true vertices (F,V,3), in their own precision.

    ``shift`` (F,1,3), predicted less true root, is taken off. Arrays of numpy, or tensors of any device.
    """
    means = []
    # A few frames, one coordinate at a time, stay in the processor's cache: several times as fast.
    for one, other, offset in zip(prediction.split(32), target.split(32), shift.split(32), strict=True):
        square = one.new_zeros(one.shape[:2])
        for axis in range(3):
            difference = (one[..., axis] - other[..., axis]).sub_(offset[..., axis])
            square.addcmul_(difference, difference)
        means.append(square.sqrt_().mean(-1))
    return torch.cat(means)


def _pair(prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64; ``UserError`` unless both are (F,J,3) of the same size."""
    prediction, target = np.asarray(prediction, np.float64), np.asarray(target, np.float64)
    if prediction.shape != target.shape or prediction.ndim != 3 or prediction.shape[-1] != 3:
        raise UserError(
            f"prediction {prediction.shape} and target {target.shape} must both be (frames, joints, 3)"
        )
    return prediction, target


def _difference_error(
    prediction: np.ndarray, target: np.ndarray, videos: np.ndarray | None, order: int
) -> np.ndarray:
    """Mean length of the error's difference of that order, the first one in each video's second frame."""
    prediction, target = _pair(prediction, target)
    num_frames = len(prediction)
    video = np.zeros(num_frames, int)
    if videos is not None:
        video = np.repeat(np.arange(len(videos)), np.diff(np.asarray(videos), axis=1)[:, 0])
        if len(video) != num_frames:
            raise UserError(f"videos hold {len(video)} frames, prediction and target {num_frames}")
    error = np.full(num_frames, np.nan)
    difference = np.linalg.norm(np.diff(prediction - target, n=order, axis=0), axis=-1).mean(-1)
    within = video[order:] == video[: num_frames - order]
    error[1 : 1 + len(difference)] = np.where(within, difference, np.nan)
    return error
