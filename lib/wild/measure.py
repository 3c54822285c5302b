"""How good a result in 3D is where no truth is known: constant limbs, equal sides, steadiness, and the way back to 2D.

None of these says much alone: a frozen pose has constant limbs, a smoothed one is steady. Together they do: limbs
must keep their lengths *while* the joints lie on the keypoints and move as these do.

Positions are (F,J,3) over all frames of a video in any unit, NaN where a joint is absent; keypoints (F,J,2) px.
Letters: F frames, J joints, L limbs, P pairs.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from lib.errors import UserError
from lib.skeleton import Skeleton
from lib.wild.camera_pitch import level_camera

Measures = dict[str, float | dict[str, float]]
CAMERAS = ("still", "each frame", "weak perspective")
FIT_ROUNDS = 10
NEED_A_PATH = (
    "reprojection_still_median",
    "reprojection_still_95",
    "acceleration_share",
    "acceleration_share_in_root",
    "acceleration_share_in_root_calm",
)
"""Measures through one still camera, which mean nothing for poses that do not tell where the person stands."""
WILDEST = 0.05  # share of frames left out where a detector's jumps are not to count


@dataclass(frozen=True, eq=False)
class Camera:
    """The camera that ``make_world`` assumes: looks down by pitch_deg, image centre in the middle of size_px."""

    focal_px: float
    pitch_deg: float
    size_px: tuple[float, float]


def measure_motion(
    positions: np.ndarray,
    keypoints: np.ndarray,
    camera: Camera,
    skeleton: Skeleton,
    fps: float,
    *,
    has_path: bool = True,
) -> Measures:
    """All measures of one person or hand by name; ``limbs`` and ``sides`` hold one number a limb.

    keypoints (F,J,2) px: the detector's own, NaN where it saw none. Positions that did not pass ``make_world``, such
    as another model's, are given in its axes (``level_camera``); without a path of the person (has_path) the measures
    of ``NEED_A_PATH`` are NaN.
    """
    variation = limb_length_variation(positions, skeleton)
    sides = side_symmetry(positions, skeleton)
    per_s2, sizes_per_s2 = jitter(positions, skeleton, fps)
    measures: Measures = {
        "frames": float(np.isfinite(positions).all(-1).any(-1).sum()),
        "limb_length_variation": _mean(variation),
        "side_difference": _mean(np.abs(list(sides.values()))),
        "jitter_per_s2": per_s2,
        "jitter_sizes_per_s2": sizes_per_s2,
    }
    image = {how: project(positions, keypoints, camera, how) for how in CAMERAS}
    for how, key in zip(CAMERAS, ("_still", "", "_weak"), strict=True):
        median, most = reprojection_error(image[how], keypoints)
        measures |= {f"reprojection{key}_median": median, f"reprojection{key}_95": most}
    ours, placed, theirs = (
        each - skeleton.root_of(each) for each in (image["still"], image["each frame"], keypoints)
    )
    measures |= {
        "acceleration_share": acceleration_share(image["still"], keypoints),
        "acceleration_share_in_root": acceleration_share(ours, theirs),
        "acceleration_share_in_root_calm": acceleration_share(ours, theirs, without_wildest=True),
        "acceleration_share_placed": acceleration_share(placed, theirs),
        "limbs": dict(zip(map("-".join, skeleton.limbs), map(float, variation), strict=True)),
        "sides": sides,
    }
    return measures if has_path else measures | dict.fromkeys(NEED_A_PATH, float("nan"))


def limb_length_variation(positions: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Standard deviation over mean of each limb's length over time (L,), NaN for a limb in less than two frames."""
    length = _lengths(positions, skeleton)
    with _quiet():
        variation = np.nanstd(length, 0) / np.nanmean(length, 0)
    return np.where(np.isfinite(length).sum(0) > 1, variation, np.nan)


def side_symmetry(positions: np.ndarray, skeleton: Skeleton) -> dict[str, float]:
    """By left limb, how much longer it is than its mirror image, as a share of both's mean; medians over time.

    Empty for a format of one side, such as a single hand.
    """
    with _quiet():
        length = np.nanmedian(_lengths(positions, skeleton), 0)
    result = {}
    for limb, mirror in enumerate(skeleton.limb_flip_idx):
        if mirror != limb and skeleton.limb_sides[limb] == "left":
            difference = 2 * (length[limb] - length[mirror]) / (length[limb] + length[mirror])
            result["-".join(skeleton.limbs[limb])] = float(difference)
    return result


def jitter(positions: np.ndarray, skeleton: Skeleton, fps: float) -> tuple[float, float]:
    """Mean acceleration of the joints relative to the root: in units/s^2, and in sizes/s^2.

    The size is the mean distance of the joints from their middle. NaN without three frames in a row.
    """
    positions = positions.astype(np.float64)
    acceleration = np.diff(positions - skeleton.root_of(positions), 2, axis=0) * fps**2
    with _quiet():
        mean = float(np.nanmean(np.linalg.norm(acceleration, axis=-1)))
        middle = np.nanmean(positions, 1, keepdims=True)
        size = float(np.nanmean(np.linalg.norm(positions - middle, axis=-1)))
    return mean, mean / size


def project(
    positions: np.ndarray, keypoints: np.ndarray, camera: Camera, how: str = "each frame"
) -> np.ndarray:
    """Positions of world axes in the image (F,J,2) px, from the place where they come nearest to the keypoints.

    The direction and focal length are the camera's. how: "still" seeks one place for the whole video; "each frame" one
    for each frame, as ``make_world`` may shift the floor under a person; "weak perspective" instead a scale and a
    shift for each frame. Least squares over joints known in both; NaN where too few are.
    """
    if how not in CAMERAS:
        raise UserError(f"camera '{how}' is not known; allowed: {', '.join(CAMERAS)}")
    # the inverse of the turn is its transpose
    turn = level_camera(np.eye(3), camera.pitch_deg)
    points = positions.astype(np.float64) @ turn.T
    seen = keypoints.astype(np.float64) - np.array(camera.size_px) / 2.0
    known = np.isfinite(points).all(-1) & np.isfinite(seen).all(-1)
    if how == "weak perspective":
        flat = _weak_perspective(points[..., :2], seen, known)
    elif how == "still":
        flat = _perspective(
            points.reshape(1, -1, 3), seen.reshape(1, -1, 2), known.reshape(1, -1), camera.focal_px
        )
    else:
        flat = _perspective(points, seen, known, camera.focal_px)
    return flat.reshape(seen.shape) + np.array(camera.size_px) / 2.0


def reprojection_error(image: np.ndarray, keypoints: np.ndarray) -> tuple[float, float]:
    """Median and 95th percentile of the distance between points in the image, as shares of the box of the keypoints.

    The box's side is the longer one of the frame's keypoints that are known.
    """
    distance = np.linalg.norm(image - keypoints, axis=-1) / box_sides(keypoints)[:, None]
    distance = distance[np.isfinite(distance)]
    if not len(distance):
        return float("nan"), float("nan")
    median, most = np.percentile(distance, [50, 95])
    return float(median), float(most)


def box_sides(keypoints: np.ndarray) -> np.ndarray:
    """Longer side (F,) px of the box around the keypoints of each frame, NaN without any."""
    with _quiet():
        return (np.nanmax(keypoints, 1) - np.nanmin(keypoints, 1)).max(-1)


def acceleration_share(image: np.ndarray, keypoints: np.ndarray, *, without_wildest: bool = False) -> float:
    """Variance of the acceleration of projected points, as a share of that of the keypoints.

    1 for a result that moves as the detector's points do, jitter included; far less for a frozen or smoothed one, more
    for one that shakes more. Points count where they are known in three frames in a row. without_wildest leaves out
    the 5 % of frames in which the keypoints accelerate most, which are often jumps of the detector.
    """
    ours, theirs = (np.diff(each.astype(np.float64), 2, axis=0) for each in (image, keypoints))
    known = np.isfinite(ours).all(-1) & np.isfinite(theirs).all(-1)
    squares_ours, squares_theirs = (_deviations(each, known) for each in (ours, theirs))
    if without_wildest and known.any():
        used = known.any(-1)
        calm = squares_theirs <= np.percentile(squares_theirs[used], 100 * (1 - WILDEST))
        squares_ours, squares_theirs = squares_ours[used & calm], squares_theirs[used & calm]
    total = squares_theirs.sum()
    return float(squares_ours.sum() / total) if total > 0 else float("nan")


def _deviations(acceleration: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Squared differences from each joint's mean, summed within frames."""
    counts = np.maximum(known.sum(0), 1)[:, None]
    values = np.where(known[..., None], acceleration, 0.0)
    return (np.where(known[..., None], values - values.sum(0) / counts, 0.0) ** 2).sum((1, 2))


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def _lengths(positions: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    start, end = skeleton.limb_idx.T
    return np.linalg.norm(positions[:, start].astype(np.float64) - positions[:, end], axis=-1)


def _perspective(points: np.ndarray, seen: np.ndarray, known: np.ndarray, focal: float) -> np.ndarray:
    """Projections (N,P,2) of points (N,P,3), each of the N sets moved to where it fits what was seen best."""
    enough = known.sum(-1) >= 3
    mask = (known & enough[:, None])[..., None]
    points, seen = np.where(mask, points, 0.0), np.where(mask, seen, 0.0)
    # u (Z + tz) = f (X + tx) is linear in t; then Gauss-Newton on the distance in the image
    rows = _jacobian(np.ones(seen.shape[:2]), seen, focal) * mask[..., None]
    right = (seen * points[..., 2:] - focal * points[..., :2]) * mask
    place = _least_squares(rows, right)
    for _ in range(FIT_ROUNDS):
        moved = points + place[:, None]
        depth = np.maximum(moved[..., 2], 1e-6 * focal)
        flat = focal * moved[..., :2] / depth[..., None]
        place = place + _least_squares(_jacobian(depth, flat, focal) * mask[..., None], (seen - flat) * mask)
    moved = points + place[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        flat = focal * moved[..., :2] / moved[..., 2:]
    return np.where(mask, flat, np.nan)


def _jacobian(depth: np.ndarray, flat: np.ndarray, focal: float) -> np.ndarray:
    """(N,P,2,3): change of the image (N,P,2) with the place."""
    rows = np.zeros((*flat.shape, 3))
    rows[..., 0, 0] = rows[..., 1, 1] = focal / depth
    rows[..., 2] = -flat / depth[..., None]
    return rows


def _least_squares(rows: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solutions (N,3) of rows (N,P,2,3) @ x = right (N,P,2)."""
    square = np.einsum("npik,npil->nkl", rows, rows)
    square += 1e-12 * np.trace(square, axis1=1, axis2=2)[:, None, None] * np.eye(3) + 1e-30 * np.eye(3)
    return np.linalg.solve(square, np.einsum("npik,npi->nk", rows, right)[..., None])[..., 0]


def _weak_perspective(points: np.ndarray, seen: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Points (F,J,2) scaled and shifted in each frame to where they fit what was seen (F,J,2) best."""
    mask = (known & (known.sum(-1) >= 2)[:, None])[..., None]
    with _quiet():
        middle, aim = (np.nanmean(np.where(mask, each, np.nan), 1, keepdims=True) for each in (points, seen))
    ours, theirs = np.where(mask, points - middle, 0.0), np.where(mask, seen - aim, 0.0)
    scale = (ours * theirs).sum((1, 2)) / np.maximum((ours**2).sum((1, 2)), 1e-30)
    return np.where(mask, scale[:, None, None] * ours + aim, np.nan)


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings of means over frames without anybody."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield
