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

Letters: F frames, J joints, L limbs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from lib.data.motion import Motion
from lib.skeleton import Skeleton
from lib.wild.body_scale import SMOOTHING_S, weighted_median
from lib.wild.records import Flag
from lib.wild.rigid_solve import LimbProblem, to_camera
from lib.wild.slow_curve import slow_curve
from lib.wild.world import FOCAL_OF_IMAGE

RIGID_NOTE = "Limbs have one length throughout (--no_rigid leaves them as the model has them)."
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
    known = np.isfinite(lifted.joints_image).all(-1) & (flag != Flag.ABSENT)
    bound = known[:, limbs].all(-1)
    if not bound.any():
        return lifted, None
    seen = known & (flag == Flag.SEEN) & np.isfinite(lifted.joints_2d).all(-1)
    trust = np.where(seen, np.clip(np.nan_to_num(lifted.confidence), LEAST_TRUST, 1.0), LEAST_TRUST)
    focal = np.full(len(known), focal_px or FOCAL_OF_IMAGE * float(lifted.size_px[0].max()))
    model = np.where(known[..., None], lifted.joints_image, 0.0).astype(np.float64)
    pose = model.copy()
    pose[..., :2] = np.where(seen[..., None], lifted.joints_2d, model[..., :2])
    origin = np.zeros((len(pose), 1, 3))
    origin[..., :2] = lifted.size_px[:, None] / 2.0
    origin[..., 2:] = skeleton.root_of(model)[..., 2:]
    pose = np.where(known[..., None], pose - origin, 0.0)
    segments = [slice(int(start), int(stop)) for start, stop in lifted.videos]

    camera = to_camera(pose, focal)
    lengths, scale_px = limb_lengths(camera, trust, bound, skeleton, segments, fps=lifted.fps)
    shares = pose / scale_px[:, None, None]
    problem = LimbProblem(
        pose=shares,
        trust=trust,
        focal=focal / scale_px,
        limbs=limbs,
        lengths=np.nan_to_num(lengths, nan=1.0),
        bound=bound,
        size=_size(shares, known),
        fps=lifted.fps,
    )
    solved = np.empty_like(pose)
    for part in segments:
        for rows, kept in _chunks(part):
            poses = problem.rows(rows).solve()
            solved[kept] = poses[kept.start - rows.start : kept.stop - rows.start]
    solved *= scale_px[:, None, None]
    solved[..., 2:] -= skeleton.root_of(solved)[..., 2:]
    report = RigidReport(
        variation=(
            _variation(to_camera(model - origin, focal), limbs, bound),
            _variation(to_camera(solved, focal), limbs, bound),
        ),
        image_px=_spread(np.linalg.norm((solved - pose)[..., :2], axis=-1)[seen]),
        depth_px=_spread(np.abs(solved - pose)[..., 2][known]),
        lengths=lengths,
        scale_px=scale_px,
    )
    image = np.where(known[..., None], solved + origin, lifted.joints_image)
    return replace(lifted, joints_image=image), report


def limb_lengths(
    camera: np.ndarray,
    trust: np.ndarray,
    bound: np.ndarray,
    skeleton: Skeleton,
    segments: Sequence[slice],
    *,
    fps: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Lengths (L,) of a track's limbs, of median 1, and the px (F,) of that unit in each frame.

    camera (F,J,3) px in camera axes at the root's distance; trust (F,J); bound (F,L): where both ends are known. A
    limb that never is has no length (NaN). The scale is smooth within each segment.
    """
    start, end = skeleton.limb_idx.T
    between = camera[:, start] - camera[:, end]
    squares = np.maximum((between**2).sum(-1), 1e-12)
    across = (between[..., :2] ** 2).sum(-1) / squares
    weights = bound * np.minimum(trust[:, start], trust[:, end]) / (SIGHT**2 + 1.0 - across)
    log = np.log(squares) / 2.0  # a limb twice too long and one half as long are the same mistake
    mirror = skeleton.limb_flip_idx
    level = np.zeros(len(log))
    for _ in range(LENGTH_ROUNDS):
        of_frame = log - level[:, None]
        length = weighted_median(
            np.concatenate([of_frame, of_frame[:, mirror]]).T, np.concatenate([weights, weights[:, mirror]]).T
        )
        level = weighted_median(log - length, weights)
    total = weights.sum(-1)
    smooth = np.concatenate([slow_curve(level[part], total[part], SMOOTHING_S * fps) for part in segments])
    smooth[np.isnan(smooth)] = np.nanmedian(smooth)  # a stretch without any limb
    length = np.where(bound.any(0) | bound[:, mirror].any(0), length, np.nan)
    unit = np.nanmedian(length)
    return np.exp(length - unit), np.exp(smooth + unit)


def _size(pose: np.ndarray, known: np.ndarray) -> float:
    """Size of a person: half as much again as joints usually lie from their middle."""
    joints = np.where(known[..., None], pose, np.nan)[known.any(-1)]
    return max(
        1.5 * float(np.nanmedian(np.linalg.norm(joints - np.nanmean(joints, 1, keepdims=True), axis=-1))),
        1e-6,
    )


def _variation(camera: np.ndarray, limbs: np.ndarray, bound: np.ndarray) -> float:
    """Standard deviation over mean of limb lengths over time, mean of the limbs, apart from each frame's scale."""
    length = np.linalg.norm(camera[:, limbs[:, 0]] - camera[:, limbs[:, 1]], axis=-1)
    use = bound.any(-1)
    length = np.where(bound, length, np.nan)[use][:, bound.any(0)]
    length = length / np.nanmean(length, 0)
    length = length / np.nanmedian(length, 1)[:, None]
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
