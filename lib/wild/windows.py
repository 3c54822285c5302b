"""Overlapping windows over a long video, and the weights with which their predictions are blended.

Letters: F frames of a video, N windows, T frames of a window.
"""

from __future__ import annotations

import numpy as np


def window_starts(num_frames: int, clip_len: int, overlap: int) -> np.ndarray:
    """First frame (N,) of windows of ``clip_len`` frames that cover ``num_frames`` frames.

    They are spread evenly from the first frame to the last, with at least ``overlap`` frames in common; as many as
    that takes and no more. A video no longer than a window has one, of all its frames.
    """
    assert 0 <= overlap < clip_len and num_frames > 0
    room = max(num_frames - clip_len, 0)
    count = -(-room // (clip_len - overlap)) + 1
    return np.linspace(0, room, count).round().astype(np.int64)


def blend_weights(starts: np.ndarray, length: int) -> np.ndarray:
    """Weight (N,T) float32 of each frame of each window; the weights of a frame of the video sum to 1.

    From one window to the next the weight goes over along a raised cosine in the middle of what they have in common,
    so that a window's last frames, which know least of what comes after, weigh next to nothing. The first and the
    last frames of a video lie in one window and have its full weight.
    """
    frames = starts[:, None] + np.arange(length) + 0.5
    stride = np.diff(starts)
    common = length - stride
    width = np.minimum(common, stride)  # so that no frame is shared by three windows
    middle = starts[1:] + common / 2
    begin = middle - width / 2
    # share of the windows after each border: row k of `before` is the border in front of window k
    before = np.ones(frames.shape)
    before[1:] = _raised_cosine((frames[1:] - begin[:, None]) / np.maximum(width, 1e-9)[:, None])
    after = np.zeros(frames.shape)
    after[:-1] = _raised_cosine((frames[:-1] - begin[:, None]) / np.maximum(width, 1e-9)[:, None])
    return (before - after).astype(np.float32)


def _raised_cosine(x: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, smooth between."""
    return (1 - np.cos(np.pi * np.clip(x, 0, 1))) / 2
