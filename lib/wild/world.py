"""A lifted person in the world: metres, up is up, a path over the floor, feet on it.

Letters: F frames of the motion, J joints. Camera axes: x right, y down, z forward; world axes: x to the camera's
right, y up, z towards the camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from lib.data.motion import Motion
from lib.errors import UserError
from lib.skeleton import Skeleton
from lib.wild.body_scale import body_bones, body_scale
from lib.wild.camera_pitch import PitchEstimate, estimate_pitch, level_camera
from lib.wild.ground import find_feet, floor_height, foot_contacts
from lib.wild.records import Flag, WorldMotion

FOCAL_OF_IMAGE = 1.2  # focal length as a multiple of the longer image side, where it is not given
STATURE_RANGE_M = (0.4, 2.6)
NAMED = 8  # joints in a note


def make_world(
    motion: Motion,
    frames: np.ndarray,
    flag: np.ndarray,
    *,
    num_frames: int,
    stature_m: float | None = None,
    pitch_deg: float | None = None,
    focal_px: float | None = None,
) -> WorldMotion:
    """World positions of a lifted motion (``joints_image`` filled) over all ``num_frames`` frames of its video.

    frames (F,): the video frame of each frame of the motion, rising; flag (F,J). Weak perspective: the distance is
    the focal length times metres per px, smoothed. Without a stature the unit is the person's own height, without
    a pitch it is estimated, without a focal length 1.2 times the longer image side is assumed. The person starts
    at X = Z = 0. A joint that is ABSENT is NaN and tells nothing of scale, pitch, floor or contacts; so is a whole
    frame without its root. Impossible values raise ``UserError``.
    """
    check_body_and_camera(stature_m, pitch_deg, focal_px)
    assert motion.joints_image is not None and motion.fps, "lift the motion first"
    skeleton, fps = motion.skeleton, float(motion.fps)
    known = np.isfinite(motion.joints_image).all(-1) & (flag != Flag.ABSENT)
    present = known[:, skeleton.root_weights > 0].all(-1)
    at = np.asarray(frames)[present]
    positions = np.full((num_frames, skeleton.num_joints, 3), np.nan, np.float32)
    root = np.full((num_frames, 3), np.nan, np.float32)
    confidence = np.zeros(positions.shape[:2], np.float32)
    whole_flag = np.full(positions.shape[:2], Flag.ABSENT, np.uint8)
    contact = np.zeros((num_frames, 2), bool)
    pitch, notes = pitch_deg or 0.0, ("The person is in no frame.",)
    if len(at):
        seen, known = motion.select(present), known[present]
        confidence[at] = np.where(known & np.isfinite(seen.confidence), seen.confidence, 0.0)
        whole_flag[at] = np.where(known, flag[present], Flag.ABSENT)
        segments = _segments(seen, at)
        image = np.where(known[..., None], seen.joints_image, np.nan).astype(np.float64)
        focal = focal_px or FOCAL_OF_IMAGE * float(seen.size_px[0].max())
        rays_px = _unproject(image, skeleton, seen.size_px[0] / 2.0, focal)
        scale = body_scale(rays_px, confidence[at], skeleton, segments, fps=fps, stature_m=stature_m)
        camera = rays_px * scale[:, None, None]
        estimate = None
        if pitch_deg is None:
            estimate = estimate_pitch(camera, confidence[at], skeleton, fps=fps)
            pitch = estimate.pitch_deg or 0.0
        placed = level_camera(camera, pitch)
        placed, contact[at] = _set_on_floor(placed, confidence[at], skeleton, segments, fps, stature_m or 1.0)
        placed = placed - skeleton.root_of(placed[:1]) * [1.0, 0.0, 1.0]  # starts at X = Z = 0
        root[at] = skeleton.root_of(placed)[:, 0]
        positions[at] = placed
        notes = _notes(skeleton, known.any(0), stature_m, pitch, estimate, focal, focal_px is not None)
    return WorldMotion(
        positions=positions,
        root=root,
        confidence=confidence,
        flag=whole_flag,
        time_s=np.arange(num_frames) / fps,
        units="arbitrary" if stature_m is None else "m",
        skeleton=skeleton,
        foot_contact=contact,
        fps=fps,
        pitch_deg=float(pitch),
        notes=notes,
    )


def check_body_and_camera(stature_m: float | None, pitch_deg: float | None, focal_px: float | None) -> None:
    """Refuse numbers that cannot be, such as a stature in cm, with ``UserError``; None is always allowed."""
    low, high = STATURE_RANGE_M
    if stature_m is not None and not low <= stature_m <= high:
        hint = f"; did you mean {stature_m / 100:g}?" if low <= stature_m / 100 <= high else ""
        raise UserError(f"the stature is {stature_m:g} m: allowed are {low} to {high} metres{hint}")
    if pitch_deg is not None and not -90.0 <= pitch_deg <= 90.0:
        raise UserError(
            f"the camera pitch is {pitch_deg:g} degrees: allowed are -90 to 90, positive where it looks down"
        )
    if focal_px is not None and not (np.isfinite(focal_px) and focal_px > 0):
        raise UserError(f"the focal length is {focal_px:g} px: it must be positive")


def _segments(motion: Motion, frames: np.ndarray) -> list[slice]:
    """Runs of neighbouring frames of one video part."""
    starts = np.zeros(len(frames), bool)
    starts[motion.videos[:, 0]] = True
    starts[1:] |= np.diff(frames) != 1
    bounds = [*np.flatnonzero(starts).tolist(), len(frames)]
    return [slice(start, stop) for start, stop in pairwise(bounds)]


def _unproject(image: np.ndarray, skeleton: Skeleton, centre_px: np.ndarray, focal_px: float) -> np.ndarray:
    """Joints (F,J,3) in camera axes and px at the person's distance, which is the focal length in these px.

    A joint nearer than the root looks larger and further from the image's centre than it is: x and y shrink by its
    distance. What is left is one factor a frame, metres per px.
    """
    depth_px = image[..., 2] - skeleton.root_of(image)[..., 2]
    nearness = np.maximum(1.0 + depth_px / focal_px, 0.1)
    across = (image[..., :2] - centre_px) * nearness[..., None]
    return np.concatenate([across, focal_px + depth_px[..., None]], axis=-1)


def _set_on_floor(
    positions: np.ndarray,
    confidence: np.ndarray,
    skeleton: Skeleton,
    segments: Sequence[slice],
    fps: float,
    stature: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Positions (F,J,3) with the floor at y = 0, and foot contacts (F,2)."""
    feet = find_feet(skeleton)
    shares = positions / stature
    floor = floor_height(shares, confidence, skeleton.root_of(shares)[:, 0], feet, segments, fps=fps)
    shares[..., 1] -= floor[:, None]
    return shares * stature, foot_contacts(shares, feet, segments, fps=fps)


def _notes(
    skeleton: Skeleton,
    known: np.ndarray,
    stature_m: float | None,
    pitch_deg: float,
    estimate: PitchEstimate | None,
    focal_px: float,
    focal_given: bool,
) -> tuple[str, ...]:
    if stature_m is not None:
        scale = f"Metres from a stature of {stature_m:g} m and average body proportions."
    elif known[body_bones(skeleton)[0]].all(-1).any():
        scale = (
            "Units are arbitrary: 1 is the person's height, by average proportions; --stature gives metres."
        )
    else:
        scale = "Units are arbitrary: 1 is the length of all limbs seen together; no stature applies to these joints."
    if estimate is None:
        pitch = f"Camera pitch {pitch_deg:.1f} deg, as given."
    elif estimate.pitch_deg is None:
        pitch = (
            f"Camera pitch taken as 0 deg: {estimate.num_frames} frames with the person upright do not tell it; "
            "--pitch gives it, positive where the camera looks down."
        )
    else:
        pitch = (
            f"Camera pitch {pitch_deg:.1f} deg, estimated from {estimate.num_frames} frames in which the person "
            "stands upright."
        )
    notes: tuple[str, ...] = (
        scale,
        pitch,
        f"Focal length {focal_px:.0f} px, {'as given' if focal_given else 'assumed'}: the path towards and away "
        "from the camera grows with it.",
        "Camera roll is taken as 0 deg.",
        "Path, floor and foot contacts are approximate: distance is judged by the person's size in the image, "
        "the floor is taken as flat.",
    )
    feet = find_feet(skeleton)
    if feet is None or not any(known[foot.joints].any() for foot in feet):
        why = "The joints include no feet" if feet is None else "No foot was seen"
        notes += (f"{why}: no foot contacts, and the floor lies under the lowest joint.",)
    if not known.all():
        absent = [joint for joint, is_known in zip(skeleton.joints, known, strict=True) if not is_known]
        more = f" and {len(absent) - NAMED} more" if len(absent) > NAMED else ""
        notes += (f"Seen in no frame, so without positions: {', '.join(absent[:NAMED])}{more}.",)
    return notes
