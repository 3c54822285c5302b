"""Pixels to the numbers a network sees, and back: divided by the image width, or cropped to a box.

Normalized = x / w * 2 - 1, y / w * 2 - h / w, z / w * 2 for an image of w x h px (the convention of
MotionBERT and VideoPose3D): x spans -1..1, y keeps the aspect ratio, depth has the scale of x.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch

Array = TypeVar("Array", np.ndarray, torch.Tensor)
_LEAST_SEEN = 4  # keypoints that make a box


def normalize_2d(x_px: Array, size_px: Any) -> Array:
    """Normalized (...,2) of px (...,2); size_px (2,) or with the first axes of x_px: (F,2) for (F,J,2)."""
    x_px, width, shift = _width_and_shift(x_px, size_px, channels=2)
    return x_px / width * 2 - shift


def denormalize_2d(x: Array, size_px: Any) -> Array:
    """Pixels (...,2) of normalized (...,2): the inverse of ``normalize_2d``."""
    x, width, shift = _width_and_shift(x, size_px, channels=2)
    return (x + shift) * width / 2


def normalize_3d(x_px: Array, size_px: Any) -> Array:
    """Normalized (...,3) of pixels with relative depth in pixels (...,3); size_px as in ``normalize_2d``."""
    x_px, width, shift = _width_and_shift(x_px, size_px, channels=3)
    return x_px / width * 2 - shift


def denormalize_3d(x: Array, size_px: Any) -> Array:
    """Pixels (...,3) of normalized (...,3): the inverse of ``normalize_3d``."""
    x, width, shift = _width_and_shift(x, size_px, channels=3)
    return (x + shift) * width / 2


def _width_and_shift(x: Array, size_px: Any, channels: int) -> tuple[Array, Array, Array]:
    assert x.shape[-1] == channels, f"{channels} channels expected, got {x.shape[-1]}"
    if isinstance(x, torch.Tensor):
        x = x if x.is_floating_point() else x.float()
        size = torch.as_tensor(size_px, dtype=x.dtype, device=x.device)
        stack = torch.stack
    else:
        x = np.asarray(x)
        x = x if np.issubdtype(x.dtype, np.floating) else x.astype(np.float32)
        size = np.asarray(size_px, dtype=x.dtype)
        stack = np.stack
    # the axes between a frame and its channels (joints, or frames of a clip) share one image size
    size = size.reshape(size.shape[:-1] + (1,) * (x.ndim - size.ndim) + (2,))
    width, height = size[..., 0], size[..., 1]
    shift = [width / width, height / width, width * 0][:channels]
    return x, width[..., None], stack(shift, -1)


def crop_box(x: np.ndarray) -> tuple[float, float, float] | None:
    """Centre x, centre y and side of the square box around all seen keypoints of (...,J,3) x, y, confidence.

    None where fewer than four keypoints are seen or all lie on one point.
    """
    seen = x[x[..., 2] != 0][:, :2]
    if len(seen) < _LEAST_SEEN:
        return None
    low, high = seen.min(axis=0), seen.max(axis=0)
    side = (high - low).max()
    return (*((low + high) / 2), side) if side > 0 else None


def crop_scale(x: np.ndarray, margin: float = 1.0) -> np.ndarray:
    """A whole track (...,J,3) of x, y, confidence scaled so that its box (times ``margin``) spans -1..1.

    The ``input_scale: box`` of MotionBERT's video input: one box for the whole track, points outside are
    clipped to its border, confidence is untouched; a track without a box is all zero.
    """
    x = np.asarray(x)
    if (box := crop_box(x)) is None:
        return np.zeros_like(x)
    center_x, center_y, side = box
    xy = (x[..., :2] - np.array([center_x, center_y], x.dtype)) / np.array(side * margin / 2, x.dtype)
    return np.concatenate([np.clip(xy, -1, 1), x[..., 2:]], axis=-1)


def crop_clips(x: torch.Tensor, seen: torch.Tensor, margin: torch.Tensor) -> torch.Tensor:
    """``crop_scale`` of each clip of a batch: x (N,T,J,C), C at least 2, seen (N,T,J) bool, margin (N,).

    Of the same device; channels after x, y are passed on. A new tensor.
    """
    xy = x[..., :2].flatten(1, 2)
    unseen = ~seen.flatten(1)[..., None]
    low = xy.masked_fill(unseen, torch.inf).amin(1)
    high = xy.masked_fill(unseen, -torch.inf).amax(1)
    side = (high - low).amax(-1)
    has_box = (side > 0) & (seen.flatten(1).sum(1) >= _LEAST_SEEN)
    center = torch.where(has_box[:, None], (low + high) / 2, 0)
    scale = torch.where(has_box, 2 / (torch.where(has_box, side, 1) * margin), 0)
    cropped = ((x[..., :2] - center[:, None, None]) * scale[:, None, None, None]).clamp(-1, 1)
    return torch.cat([cropped, x[..., 2:]], dim=-1)
