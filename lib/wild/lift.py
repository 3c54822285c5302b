"""2D motion to 3D, for videos of any length: scaling of the input, windows, blending, and the way back to pixels.

Letters: F frames, N windows, T frames of a window, J joints.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.interpolate import make_interp_spline

from lib.data.missing import fill_missing
from lib.data.motion import Motion
from lib.data.normalize import crop_box
from lib.errors import UserError
from lib.wild.lifter import Lifter, load_lifter
from lib.wild.windows import blend_weights, window_starts

__all__ = [
    "Lifter",
    "input_scaling",
    "lift",
    "load_lifter",
    "model_input",
    "predict_frames",
    "to_motionbert_units",
]

Progress = Callable[[int], None]


def input_scaling(keypoints: np.ndarray, kind: str, size_px: tuple[float, float]) -> tuple[np.ndarray, float]:
    """Centre (2,) px and half-length px by which a network sees pixels: x = (px - centre) / half.

    ``image`` divides by half the width of the image of size_px (width, height), ``pixel`` by half its shorter side;
    ``box`` by half the square box around all of one person's keypoints (F,J,3) x, y, confidence that were seen.
    Raises ``UserError`` for another kind, or where too few keypoints were seen to have a box.
    """
    width, height = size_px
    if kind == "box":
        box = crop_box(keypoints)
        if box is None:
            raise UserError(
                "fewer than four keypoints of the person were seen, or all at one point: there is no box to scale by"
            )
        return np.array(box[:2], np.float64), float(box[2]) / 2
    if kind not in ("image", "pixel"):
        raise UserError(f"input scale '{kind}' is not known; allowed: image, box, pixel")
    return np.array([width, height], np.float64) / 2, (width if kind == "image" else min(width, height)) / 2


def model_input(model: Lifter, motion: Motion) -> np.ndarray:
    """What the network sees of a motion (F,J,3): normalized x and y, and the confidence."""
    motion = fill_missing(motion, model.missing)
    center_px, half_px = _scaling_of_frames(model, motion)
    xy = (motion.joints_2d - center_px[:, None]) / half_px[:, None, None]
    if model.scale == "box":  # a point that was only guessed may lie outside the box
        xy = xy.clip(-1, 1)
    return np.concatenate([xy, motion.confidence[..., None]], axis=-1, dtype=np.float32, casting="same_kind")


def lift(model: Lifter, motion: Motion, *, progress: Progress | None = None) -> Motion:
    """The same frames with joints_image (F,J,3) px: x, y in the image and depth on the same scale, growing forward.

    Each video of ``motion.videos`` is lifted on its own, window after window, in memory that does not grow with its
    length. Root-relative models: the pose is set at the 2D root and depth is relative to the frame's root. Others
    predict where the person stands: depth is relative to the root in the video's first frame; subtract the root's
    for the pose. ``progress`` is called with numbers of frames that have been done, F in total.
    Raises ``UserError`` if the motion has another joint format than the model, or no frame rate where it is needed.
    """
    pose = predict_frames(model, motion, progress)
    motion_2d = fill_missing(motion, model.missing)
    center_px, half_px = _scaling_of_frames(model, motion_2d)
    pose = pose * half_px[:, None, None]
    pose[..., :2] += _origin(model, motion_2d, center_px)
    return replace(motion, joints_image=pose)


def predict_frames(model: Lifter, motion: Motion, progress: Progress | None = None) -> np.ndarray:
    """What the model says of each frame of a motion (F,...), blended from windows; errors as in ``lift``."""
    if motion.skeleton.name != model.skeleton.name:
        raise UserError(f"the model lifts {model.skeleton.name}, the motion is {motion.skeleton.name}")
    if model.fps is not None and motion.fps is None:
        raise UserError(
            f"the model is to run at {model.fps:g} frames/s, but the motion does not tell its own"
        )
    keypoints = model_input(model, motion)
    return np.concatenate(
        [_predict_video(model, keypoints[start:stop], motion.fps, progress) for start, stop in motion.videos]
    )


def to_motionbert_units(motion: Motion, model: Lifter, pixel: bool) -> np.ndarray:
    """A lifted motion as MotionBERT writes its ``X3D.npy``: (F,J,3) float32, x right, y down, z forward.

    These are the network's own normalized predictions; with ``pixel`` times half the image's shorter side, and x and
    y moved by half the image's size.
    """
    assert motion.joints_image is not None
    motion_2d = fill_missing(motion, model.missing)
    center_px, half_px = _scaling_of_frames(model, motion_2d)
    pose = motion.joints_image.astype(np.float64)
    # the pose's own root: smoothing moves it away from that of the keypoints
    pose[..., :2] -= model.skeleton.root_of(pose[..., :2]) if model.rootrel else center_px[:, None]
    pose /= half_px[:, None, None]
    if pixel:
        size_px = motion.size_px[:, None].astype(np.float64)
        pose *= size_px.min(-1, keepdims=True) / 2
        pose[..., :2] += size_px / 2
    return pose.astype(np.float32)


def _scaling_of_frames(model: Lifter, motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Centre (F,2) px and half-length (F,) px of each frame; frames of one source share a box, all their videos."""
    center_px, half_px = np.empty((motion.num_frames, 2)), np.empty(motion.num_frames)
    for code in np.unique(motion.source.codes):
        frames = np.flatnonzero(motion.source.codes == code)
        for size in np.unique(motion.size_px[frames], axis=0):
            same = frames[(motion.size_px[frames] == size).all(1)]
            center_px[same], half_px[same] = input_scaling(
                motion.keypoints[frames], model.scale, tuple(map(float, size))
            )
    return center_px, half_px


def _origin(model: Lifter, motion: Motion, center_px: np.ndarray) -> np.ndarray:
    """(F,1,2) px where the network's zero lies: at the 2D root, or at the centre of the scaling."""
    if model.rootrel:
        return motion.skeleton.root_of(motion.joints_2d.astype(np.float64))
    return center_px[:, None]


def _predict_video(
    model: Lifter, keypoints: np.ndarray, fps: float | None, progress: Progress | None
) -> np.ndarray:
    """Predictions (F,...) for one video's normalized keypoints (F,J,3), run at the model's frame rate."""
    num_frames = len(keypoints)
    if model.fps is None or model.fps == fps or num_frames == 1:
        return _predict_windows(model, keypoints, num_frames, progress)
    assert fps is not None
    count = max(2, round((num_frames - 1) * model.fps / fps) + 1)
    place = np.linspace(0, num_frames - 1, count)  # of the model's frames among the video's
    sampled = make_interp_spline(np.arange(num_frames), keypoints, k=1)(place).astype(np.float32)
    pose = _predict_windows(model, sampled, num_frames, progress)
    return make_interp_spline(place, pose, k=min(3, count - 1))(np.arange(num_frames)).astype(np.float32)


def _predict_windows(
    model: Lifter, keypoints: np.ndarray, num_reported: int, progress: Progress | None
) -> np.ndarray:
    """Predictions (F,...) for one video's normalized keypoints (F,J,3), blended from overlapping windows."""
    starts = window_starts(len(keypoints), model.clip_len, model.overlap)
    length = min(model.clip_len, len(keypoints))
    weights = blend_weights(starts, length)
    result = None
    before: tuple[int, np.ndarray] | None = None
    for first in range(0, len(starts), model.batch_size):
        batch = starts[first : first + model.batch_size]
        poses = model.predict(np.stack([keypoints[start : start + length] for start in batch]))
        if result is None:
            result = np.zeros((len(keypoints), *poses.shape[2:]), np.float32)
        for start, pose, weight in zip(batch, poses, weights[first:], strict=False):
            if not model.rootrel:
                before = start, _at_depth_of(before, start, pose)
                pose = before[1]
            result[start : start + length] += weight.reshape(-1, *[1] * (pose.ndim - 1)) * pose
        if progress is not None:
            done = [number * num_reported // len(starts) for number in (first, first + len(batch))]
            progress(done[1] - done[0])
    if not model.rootrel:
        result[..., 2] -= model.skeleton.root_of(result[:1])[..., 2]
    return result


def _at_depth_of(before: tuple[int, np.ndarray] | None, start: int, pose: np.ndarray) -> np.ndarray:
    """A window's poses (T,J,3) moved to the depth of the window before it.

    Where the person stands is predicted relative to each window's own first frame.
    """
    if before is None or before[0] + len(pose) <= start:
        return pose
    common = before[0] + len(pose) - start
    shift = (before[1][-common:, :, 2] - pose[:common, :, 2]).mean()
    return pose + np.array([0, 0, shift], np.float32)
