"""Constant limb lengths for a lifted track: the detector's 2D kept, the model's depth moved as little as that takes.

Letters: F frames, J joints, L limbs. Camera axes: x right, y down, z forward.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_array

from lib.data.motion import Motion
from lib.skeleton import Skeleton
from lib.wild.records import Flag
from lib.wild.slow_curve import slow_curve
from lib.wild.world import FOCAL_OF_IMAGE

# What a deviation by one standard deviation is: shares of the person's size (the mean distance of joints from their
# middle), of the limb's length, of the scale.
IMAGE_SD = 0.015
DEPTH_SD = 0.12
LENGTH_SD = 0.01
LENGTH_FLOOR = 0.006
SCALE_SD = 0.05
DRIFT_SD_PER_S = 0.5  # change of the depth's correction within a second
SCALE_DRIFT_SD_PER_S = 0.5
LEAST_TRUST = 0.1  # of a joint that was interpolated or is not seen for sure, against 1
SIGHT = 0.2  # of the length of a limb, how well it is known where it lies across the view
SCALE_SMOOTHING_S = 0.2
DEBUG = 0
JUMP = 2.0
ROUNDS = 6
STEPS = 20  # Gauss-Newton, conjugate gradients
CHUNK = 512  # frames solved together: more do not fit the processor's cache
SHARED = 32  # frames by which chunks overlap


@dataclass(frozen=True)
class RigidReport:
    """What ``rigid_limbs`` changed: limb lengths vary by so much (standard deviation over mean, mean of limbs)."""

    variation_before: float
    variation_after: float
    moved_px: tuple[float, float]
    """Median and 95th percentile of the distance in the image from the keypoints that were seen."""
    depth_moved_px: tuple[float, float]
    lengths: np.ndarray
    """(L,) limb lengths, of which the median is 1."""

    def __str__(self) -> str:
        return (
            f"limb lengths vary by {self.variation_after:.1%} instead of {self.variation_before:.1%}; joints lie "
            f"{self.moved_px[0]:.1f} px (95 %: {self.moved_px[1]:.1f}) from their keypoints, depth moved by "
            f"{self.depth_moved_px[0]:.1f} px ({self.depth_moved_px[1]:.1f})"
        )


def rigid_limbs(
    lifted: Motion, flag: np.ndarray, *, focal_px: float | None = None
) -> tuple[Motion, RigidReport]:
    """The lifted motion with ``joints_image`` (F,J,3) px whose limbs keep their lengths.

    flag (F,J); joints_2d and confidence are the detector's.
    """
    assert lifted.joints_image is not None, "lift the motion first"
    skeleton = lifted.skeleton
    pose = lifted.joints_image.astype(np.float64)
    known = np.isfinite(pose).all(-1) & (flag != Flag.ABSENT)
    seen = known & (flag == Flag.SEEN)
    root_depth = np.nan_to_num(skeleton.root_of(pose)[..., 2:])
    pose[..., 2:] -= root_depth
    pose = np.where(np.isfinite(pose), pose, 0.0)
    trust = np.where(seen, np.clip(np.nan_to_num(lifted.confidence), LEAST_TRUST, 1.0), LEAST_TRUST)
    target = pose.copy()
    target[..., :2] = np.where(seen[..., None], lifted.joints_2d, pose[..., :2])
    centre = lifted.size_px[:, None] / 2.0
    focal = np.full(len(pose), focal_px) if focal_px else FOCAL_OF_IMAGE * lifted.size_px.max(-1).astype(float)
    segments = [slice(int(a), int(b)) for a, b in lifted.videos]
    fps = float(lifted.fps or 30.0)
    target[..., :2] -= centre

    start, end = skeleton.limb_idx.T
    pair = known[:, start] & known[:, end]
    camera = _to_camera(target, focal)
    lengths, scale = limb_lengths(camera, pair, trust, skeleton, segments, fps)
    solved = target.copy()
    for part in segments:
        for first, last, keep_first, keep_last in _chunks(part.start, part.stop):
            rows = slice(first, last)
            solved[keep_first:keep_last] = _solve(
                target[rows] / scale[rows, None, None],
                focal[rows] / scale[rows],
                trust[rows],
                pair[rows],
                lengths,
                skeleton.limb_idx,
                fps,
            )[keep_first - first : keep_last - first]
    solved *= scale[:, None, None]
    solved[..., 2:] -= skeleton.root_of(solved)[..., 2:]
    before, after = (
        _variation(_lengths(_to_camera(each, focal), skeleton), pair) for each in (target, solved)
    )
    moved = np.linalg.norm(solved[..., :2] - target[..., :2], axis=-1)[seen]
    depth = np.abs(solved - target)[..., 2][known]
    solved[..., :2] += centre
    solved[..., 2:] += root_depth
    report = RigidReport(
        before, after, tuple(np.percentile(moved, [50, 95])), tuple(np.percentile(depth, [50, 95])), lengths
    )
    result = np.where(known[..., None], solved, lifted.joints_image).astype(np.float32)
    return replace(lifted, joints_image=result), report


def _to_camera(pose: np.ndarray, focal: np.ndarray) -> np.ndarray:
    """Joints in camera axes and px at the root's distance, as ``make_world`` places them."""
    nearness = np.maximum(1.0 + pose[..., 2:] / focal[:, None, None], 0.1)
    return np.concatenate([pose[..., :2] * nearness, pose[..., 2:]], -1)


def _lengths(camera: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    start, end = skeleton.limb_idx.T
    return np.linalg.norm(camera[:, start] - camera[:, end], axis=-1)


def _variation(lengths, pair):
    """Mean over limbs of the standard deviation over mean of lengths (F,L) relative to the frame's scale."""
    logs = np.where(pair, np.log(np.maximum(lengths, 1e-9)), np.nan)
    logs = logs - np.nanmedian(logs, 0)
    logs = logs - np.nanmedian(logs, 1)[:, None]
    return float(np.nanmean(np.nanstd(logs, 0)))


def limb_lengths(camera, pair, trust, skeleton, segments, fps):
    """Lengths (L,) of limbs, median 1, and scale (F,) px of that unit."""
    start, end = skeleton.limb_idx.T
    between = camera[:, start] - camera[:, end]
    across = np.linalg.norm(between[..., :2], axis=-1)
    whole = np.maximum(np.linalg.norm(between, axis=-1), 1e-6)
    log = np.log(whole)
    # a limb across the view is as long as it looks; one along it is as long as the model believes
    sight = 1.0 / (SIGHT**2 + 1.0 - (across / whole) ** 2)
    weight = pair * np.minimum(trust[:, start], trust[:, end]) * sight
    other = skeleton.limb_flip_idx
    level = np.zeros(len(log))
    length = np.zeros(len(start))
    for _ in range(10):
        length = weighted_median(
            np.concatenate([log - level[:, None], (log - level[:, None])[:, other]]).T,
            np.concatenate([weight, weight[:, other]]).T,
        )
        level = weighted_median(log - length, weight)
    seen = weight.sum(-1)
    smooth = np.concatenate([slow_curve(level[p], seen[p], SCALE_SMOOTHING_S * fps) for p in segments])
    smooth[~np.isfinite(smooth)] = np.nanmedian(smooth)
    middle = np.median(length)
    return np.exp(length - middle), np.exp(smooth + middle)


def weighted_median(values, weights):
    order = np.argsort(values, axis=1)
    below = np.cumsum(np.take_along_axis(weights, order, 1), axis=1)
    middle = (below < 0.5 * below[:, -1:]).sum(axis=1)
    return np.take_along_axis(np.take_along_axis(values, order, 1), middle[:, None], 1)[:, 0]


def _chunks(start, stop):
    bounds = [*range(start, stop, CHUNK), stop]
    if len(bounds) > 2 and bounds[-1] - bounds[-2] < SHARED:
        del bounds[-2]
    for a, b in pairwise(bounds):
        yield max(start, a - SHARED), min(stop, b + SHARED), a, b


def _solve(target, focal, trust, pair, lengths, limb_idx, fps):
    num_frames, num_joints, _ = target.shape
    x0 = np.ascontiguousarray(target.transpose(1, 2, 0))  # (J,3,F)
    size = 1.5 * np.median(np.linalg.norm(target - target.mean(1, keepdims=True), axis=-1))
    start, end = limb_idx.T
    ones = np.ones(len(start))
    rows = np.arange(len(start))
    B = csr_array(
        (np.r_[ones, -ones], (np.r_[rows, rows], np.r_[start, end])), shape=(len(start), num_joints)
    )
    Bt = csr_array(B.T)
    absB = abs(Bt)
    w_limb = pair.T / ((LENGTH_SD * lengths) ** 2 + (LENGTH_FLOOR * size) ** 2)[:, None]
    w = np.empty_like(x0)
    w[:, :2] = (trust.T**2)[:, None] / (IMAGE_SD * size) ** 2
    w_depth = 1.0 / (DEPTH_SD * size) ** 2
    w_drift = 1.0 / (DRIFT_SD_PER_S / fps * size) ** 2
    w_scale = 1.0 / SCALE_SD**2
    w_sdrift = (fps / SCALE_DRIFT_SD_PER_S) ** 2
    x = x0.copy()
    sigma = np.zeros(num_frames)

    def rough(v, weight=1.0):  # D^T D v
        out = np.zeros_like(v)
        step = np.diff(v, axis=-1) * weight
        out[..., 1:] += step
        out[..., :-1] -= step
        return out

    ends = np.full(num_frames, 2.0)
    ends[0] -= 1
    ends[-1] -= 1

    def points(v):
        near = np.maximum(1 + v[:, 2] / focal, 0.1)
        return np.stack([v[:, 0] * near, v[:, 1] * near, v[:, 2]], 1), near

    def cost(x, sigma):
        P, _ = points(x)
        b = (B @ P.reshape(num_joints, -1)).reshape(-1, 3, num_frames)
        res = np.sqrt((b**2).sum(1)) - lengths[:, None] * np.exp(sigma)
        return (
            (w_limb * res**2).sum()
            + (w * (x - x0) ** 2).sum()
            + (wd * np.diff(x[:, 2] - x0[:, 2]) ** 2).sum()
            + w_scale * (sigma**2).sum()
            + w_sdrift * (np.diff(sigma) ** 2).sum()
        )

    for _ in range(ROUNDS):
        P, near = points(x)
        b = (B @ P.reshape(num_joints, -1)).reshape(-1, 3, num_frames)
        length = np.maximum(np.sqrt((b**2).sum(1)), 1e-9)
        want = lengths[:, None] * np.exp(sigma)
        n = b / length[:, None]
        residual = length - want
        huber = np.minimum(1.0, 2 * DEPTH_SD * size / np.maximum(np.abs(x[:, 2] - x0[:, 2]), 1e-9))
        w[:, 2] = w_depth * huber
        jump = np.abs(np.diff(x[:, 2] - x0[:, 2], axis=-1))
        wd = w_drift * np.minimum(1.0, JUMP / np.sqrt(w_drift) / np.maximum(jump, 1e-9))

        def chain(v):  # dP from dx
            return np.stack(
                [
                    v[:, 0] * near + x[:, 0] / focal * v[:, 2],
                    v[:, 1] * near + x[:, 1] / focal * v[:, 2],
                    v[:, 2],
                ],
                1,
            )

        def chain_t(g):
            return np.stack(
                [g[:, 0] * near, g[:, 1] * near, g[:, 2] + (x[:, 0] * g[:, 0] + x[:, 1] * g[:, 1]) / focal], 1
            )

        def apply(v, s):
            d = (B @ chain(v).reshape(num_joints, -1)).reshape(-1, 3, num_frames)
            stretch = w_limb * ((n * d).sum(1) - want * s)
            out = chain_t((Bt @ (n * stretch[:, None]).reshape(len(start), -1)).reshape(-1, 3, num_frames))
            out += w * v
            out[:, 2] += rough(v[:, 2], wd)
            return out, -(want * stretch).sum(0) + w_scale * s + w_sdrift * rough(s)

        # gradient
        pull = w_limb * residual
        g = chain_t((Bt @ (n * pull[:, None]).reshape(len(start), -1)).reshape(-1, 3, num_frames))
        g += w * (x - x0)
        g[:, 2] += rough(x[:, 2] - x0[:, 2], wd)
        gs = -(want * pull).sum(0) + w_scale * sigma + w_sdrift * rough(sigma)
        # diagonal
        n2 = (w_limb[:, None] * n**2).reshape(len(start), -1)
        nx = (absB @ n2).reshape(-1, 3, num_frames)
        diag = nx.copy()
        diag[:, :2] *= near[:, None] ** 2
        diag += w
        diag[:, 2, 1:] += wd
        diag[:, 2, :-1] += wd
        sdiag = (w_limb * want**2).sum(0) + w_scale + w_sdrift * ends
        # CG
        v, s = np.zeros_like(x), np.zeros(num_frames)
        r, rs = -g, -gs
        z, zs = r / diag, rs / sdiag
        p, ps = z.copy(), zs.copy()
        rho = (r * z).sum() + (rs * zs).sum()
        for _ in range(STEPS):
            if rho <= 0:
                break
            hp, hps = apply(p, ps)
            alpha = rho / ((p * hp).sum() + (ps * hps).sum())
            v += alpha * p
            s += alpha * ps
            r -= alpha * hp
            rs -= alpha * hps
            z, zs = r / diag, rs / sdiag
            old, rho = rho, (r * z).sum() + (rs * zs).sum()
            p = z + rho / old * p
            ps = zs + rho / old * ps
        step, now = 1.0, cost(x, sigma)
        while step > 0.02 and cost(x + step * v, sigma + step * s) > now:
            step *= 0.5
        x = x + step * v
        sigma = sigma + step * s
        if DEBUG: print(step, now)
    return x.transpose(2, 0, 1)
