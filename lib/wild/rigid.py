"""Constant limb lengths for a lifted track: the detector's 2D kept, the model's depth moved as little as that takes.

A model lifts every frame by itself or nearly so, and its limbs grow and shrink by a tenth. Bones do not. Here each
track gets one set of lengths; then all frames are solved together for the poses that keep them (``rigid_solve``).

Camera: that of ``make_world``, a pinhole with its centre in the middle of the image, the root of each frame at the
distance that is the focal length in px of that frame. What is left open is one scale a frame, which is slow.

Lengths: what the lifted limb measures over the frame's scale, the weighted median of all frames and of a limb with its
mirror image. A model shrinks the depth that it does not know, so limbs that point at the camera come out short: a
frame counts the more the further its limb lies across the view, where the 2D tells the length. A limb that never lies
across the view gets the model's length, with the model's bias; nothing here can tell it better. Limbs that are links
over soft tissue are held as well, and are no more constant than the body is.

What it is worth depends on the model: where its depth is good to a tenth of the person, constant limbs bring poses
nearer to the truth; a model that does not know depth at all is only bent, and gets worse.

Arrays of doubles are made of a chunk of frames at a time: those of an hour of video would take gigabytes.

Letters: F frames, J joints, L limbs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from lib.data.motion import Motion
from lib.skeleton import Skeleton
from lib.wild.body_scale import SMOOTHING_S, weighted_median
from lib.wild.records import Flag
from lib.wild.rigid_solve import LimbProblem, to_camera
from lib.wild.slow_curve import slow_curve
from lib.wild.world import FOCAL_OF_IMAGE

RIGID_NOTE = (
    "Limbs are held to one length as far as the 2D allows (--no_rigid leaves them as the model has them)."
)
LEAST_TRUST = 0.1  # in a joint that was interpolated or not seen for sure, against 1
SIGHT = 0.2  # of limb lengths: least share of the model's depth in them, so that none counts without bound
LENGTH_ROUNDS = 10
CHUNK = 512  # frames solved together: more leave the processor's cache
SHARED = 32  # frames that neighbouring chunks have in common


@dataclass(frozen=True, eq=False)
class RigidReport:
    """What ``rigid_limbs`` did; as text one line for the log.

    variation: of the limb lengths over time, (before, after), standard deviation over mean, mean of the limbs;
    image_px and depth_px: how far joints that were seen lie from their keypoints, and from the model's depth (median,
    95 %); lengths (L,), NaN for a limb that was never seen, and scale_px (F,), the px of their unit in each frame.
    """

    variation: tuple[float, float]
    image_px: tuple[float, float]
    depth_px: tuple[float, float]
    lengths: np.ndarray
    scale_px: np.ndarray

    def __str__(self) -> str:
        (before, after), image, depth = self.variation, self.image_px, self.depth_px
        return (
            f"limb lengths vary by {after:.1%} over time, {before:.1%} before; joints lie {image[0]:.1f} px "
            f"(95 % under {image[1]:.1f}) from their keypoints and {depth[0]:.1f} px (95 % under {depth[1]:.1f}) from "
            "the model's depth"
        )


def rigid_limbs(
    lifted: Motion, flag: np.ndarray, *, focal_px: float | None = None
) -> tuple[Motion, RigidReport | None]:
    """A lifted track with limbs of constant length: the motion with another ``joints_image`` (F,J,3) px.

    lifted: what ``lift`` returns for one person, with the keypoints it was made from (joints_2d, confidence) and a
    frame rate; flag (F,J): where these come from; focal_px as for ``make_world``. Joints that are ABSENT stay as
    they are. A track without a limb that was ever seen is returned as it is, with None.
    """
    assert lifted.joints_image is not None and lifted.fps, "lift the motion first"
    skeleton, limbs = lifted.skeleton, lifted.skeleton.limb_idx
    segments = [slice(int(start), int(stop)) for start, stop in lifted.videos]
    focal = focal_px or FOCAL_OF_IMAGE * float(lifted.size_px[0].max())
    log, weights = np.empty((2, len(flag), len(limbs)))
    for rows in _parts(len(flag)):
        frames = _frames(lifted, flag, rows, focal)
        camera = to_camera(frames.pose, frames.focal)
        log[rows], weights[rows] = limb_sights(camera, frames.trust, frames.bound, skeleton)
    if not weights.any():
        return lifted, None
    lengths, scale_px = limb_lengths(log, weights, skeleton, segments, fps=lifted.fps)
    del log, weights  # an hour of video fills memory otherwise

    size = _size(
        _reach(_frames(lifted, flag, rows, focal), scale_px[rows, None, None]) for rows in _parts(len(flag))
    )
    image = lifted.joints_image.copy()
    off_px, off_depth_px, before, after = [], [], [], []
    for rows, kept in (chunk for part in segments for chunk in _chunks(part)):
        frames, scale = _frames(lifted, flag, rows, focal), scale_px[rows]
        problem = LimbProblem(
            pose=frames.pose / scale[:, None, None],
            trust=frames.trust,
            focal=frames.focal / scale,
            limbs=limbs,
            lengths=np.nan_to_num(lengths, nan=1.0),
            bound=frames.bound,
            size=size,
            fps=lifted.fps,
        )
        own = slice(kept.start - rows.start, kept.stop - rows.start)
        solved = problem.solve()[own] * scale[own, None, None]
        solved[..., 2:] -= skeleton.root_of(solved)[..., 2:]
        frames = _Frames(*(values[own] for values in frames))
        off = (solved - frames.pose).astype(np.float32)
        off_px.append(np.linalg.norm(off[..., :2], axis=-1)[frames.seen])
        off_depth_px.append(np.abs(off[..., 2])[frames.known])
        before.append(_lengths(frames.model - frames.origin, frames, limbs))
        after.append(_lengths(solved, frames, limbs))
        image[kept] = np.where(frames.known[..., None], solved + frames.origin, image[kept])
    report = RigidReport(
        variation=(_variation(before), _variation(after)),
        image_px=_spread(np.concatenate(off_px)),
        depth_px=_spread(np.concatenate(off_depth_px)),
        lengths=lengths,
        scale_px=scale_px,
    )
    return replace(lifted, joints_image=image), report


class _Frames(NamedTuple):
    """Some frames F of a lifted track: joints (F,J) that are known, and seen, and the trust in them; limbs (F,L) with
    both ends known; focal (F,); the model's joints (F,J,3) px, their origin (F,1,3) in the middle of the image at the
    root's depth, and the joints from there with the keypoints of those that were seen.
    """

    known: np.ndarray
    seen: np.ndarray
    trust: np.ndarray
    bound: np.ndarray
    focal: np.ndarray
    model: np.ndarray
    origin: np.ndarray
    pose: np.ndarray


def _frames(lifted: Motion, flag: np.ndarray, rows: slice, focal: float) -> _Frames:
    image, keypoints, flag = lifted.joints_image[rows], lifted.joints_2d[rows], flag[rows]
    known = np.isfinite(image).all(-1) & (flag != Flag.ABSENT)
    seen = known & (flag == Flag.SEEN) & np.isfinite(keypoints).all(-1)
    model = np.where(known[..., None], image, 0.0).astype(np.float64)
    origin = np.zeros((len(model), 1, 3))
    origin[..., :2] = lifted.size_px[rows, None] / 2.0
    origin[..., 2:] = lifted.skeleton.root_of(model)[..., 2:]
    pose = model.copy()
    pose[..., :2] = np.where(seen[..., None], keypoints, model[..., :2])
    return _Frames(
        known=known,
        seen=seen,
        trust=np.where(seen, np.clip(np.nan_to_num(lifted.confidence[rows]), LEAST_TRUST, 1.0), LEAST_TRUST),
        bound=known[:, lifted.skeleton.limb_idx].all(-1),
        focal=np.full(len(model), focal),
        model=model,
        origin=origin,
        pose=np.where(known[..., None], pose - origin, 0.0),
    )


def limb_sights(
    camera: np.ndarray, trust: np.ndarray, bound: np.ndarray, skeleton: Skeleton
) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of the limb lengths (F,L) px, and how much each counts.

    camera (F,J,3) px in camera axes at the root's distance; trust (F,J) over 0; bound (F,L): where both ends are known.
    """
    start, end = skeleton.limb_idx.T
    between = camera[:, start] - camera[:, end]
    squares = np.maximum((between**2).sum(-1), 1e-12)
    across = (between[..., :2] ** 2).sum(-1) / squares
    weights = bound * np.minimum(trust[:, start], trust[:, end]) / (SIGHT**2 + 1.0 - across)
    return np.log(squares) / 2.0, weights  # twice too long and one half as long are the same mistake


def limb_lengths(
    log: np.ndarray,
    weights: np.ndarray,
    skeleton: Skeleton,
    segments: Sequence[slice],
    *,
    fps: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Lengths (L,) of a track's limbs, of median 1, and the px (F,) of that unit in each frame.

    log, weights (F,L): all ``limb_sights`` of the track. A limb that never counts has no length (NaN). The scale is
    smooth within each segment.
    """
    mirror = skeleton.limb_flip_idx
    level, length = np.zeros(len(log)), np.zeros(log.shape[1])
    for _ in range(LENGTH_ROUNDS):
        for pair in zip(range(len(mirror)), mirror, strict=True):
            values = np.concatenate([log[:, limb] - level for limb in pair])
            length[pair[0]] = weighted_median(values[None], weights.T[pair, :].reshape(1, -1))[0]
        for rows in _parts(len(log)):
            level[rows] = weighted_median(log[rows] - length, weights[rows])
    total = weights.sum(-1)
    smooth = np.concatenate([slow_curve(level[part], total[part], SMOOTHING_S * fps) for part in segments])
    smooth[np.isnan(smooth)] = np.nanmedian(smooth)  # a stretch without any limb
    used = (weights > 0).any(0)
    length = np.where(used | used[mirror], length, np.nan)
    unit = np.nanmedian(length)
    return np.exp(length - unit), np.exp(smooth + unit)


def _reach(frames: _Frames, scale_px: np.ndarray) -> np.ndarray:
    """How far each known joint lies from the middle of those of its frame, over the scale (F,1,1)."""
    joints = np.where(frames.known[..., None], frames.pose / scale_px, np.nan)[frames.known.any(-1)]
    reach = np.linalg.norm(joints - np.nanmean(joints, 1, keepdims=True), axis=-1)
    return reach[np.isfinite(reach)]


def _size(reach: Iterable[np.ndarray]) -> float:
    """Size of a person: half as much again as joints usually lie from their middle."""
    return max(1.5 * float(np.median(np.concatenate(list(reach)))), 1e-6)


def _lengths(pose: np.ndarray, frames: _Frames, limbs: np.ndarray) -> np.ndarray:
    """Limb lengths (F,L) of poses as those of the frames, NaN where they are not known."""
    camera = to_camera(pose, frames.focal)
    length = np.linalg.norm(camera[:, limbs[:, 0]] - camera[:, limbs[:, 1]], axis=-1)
    return np.where(frames.bound, length, np.nan).astype(np.float32)


def _variation(lengths: Sequence[np.ndarray]) -> float:
    """Standard deviation over mean of limb lengths over time, mean of the limbs, apart from each frame's scale."""
    length = np.concatenate(lengths)
    known = np.isfinite(length)
    length = length[known.any(-1)][:, known.any(0)].astype(np.float64)
    length /= np.nanmean(length, 0)
    length /= np.nanmedian(length, 1)[:, None]
    return float(np.mean(np.nanstd(length, 0) / np.nanmean(length, 0)))


def _spread(values: np.ndarray) -> tuple[float, float]:
    """Median and 95th percentile, 0 of nothing."""
    median, most = np.percentile(values, [50, 95]) if len(values) else (0.0, 0.0)
    return float(median), float(most)


def _chunks(part: slice) -> Iterator[tuple[slice, slice]]:
    """Frames to solve together, and those of them to keep."""
    cuts = [*range(part.start, max(part.stop - SHARED, part.start + 1), CHUNK), part.stop]
    for start, stop in pairwise(cuts):
        yield slice(max(part.start, start - SHARED), min(part.stop, stop + SHARED)), slice(start, stop)


def _parts(frames: int) -> Iterator[slice]:
    """All frames, a few at once."""
    return (slice(start, min(start + CHUNK, frames)) for start in range(0, frames, CHUNK))
