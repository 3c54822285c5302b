"""A lifted person in the world: metres, up is up, a path over the floor, feet on it; a hand alone without a floor.

Letters: F frames of the motion, J joints. Camera axes: x right, y down, z forward; world axes: x to the camera's
right, y up, z towards the camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from lib.data.motion import Motion
from lib.data.worker.anthropometry import DRILLIS_CONTINI
from lib.errors import UserError
from lib.skeleton import Skeleton
from lib.wild.body_scale import body_bones, body_scale
from lib.wild.camera_pitch import PitchEstimate, estimate_pitch, level_camera
from lib.wild.ground import find_feet, floor_height, foot_contacts
from lib.wild.hand_formats import is_one_hand
from lib.wild.records import Flag, WorldMotion

FOCAL_OF_IMAGE = 1.2  # focal length as a multiple of the longer image side, where it is not given
STATURE_RANGE_M = (0.4, 2.6)
HAND_RANGE_M = (0.05, 0.3)
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
    hand_length_m: float | None = None,
) -> WorldMotion:
    """World positions of a lifted motion (``joints_image`` filled) over all ``num_frames`` frames of its video.

    frames (F,): the video frame of each frame of the motion, rising; flag (F,J). Weak perspective: the distance is
    the focal length times metres per px, smoothed. Without a stature the unit is the person's own height, without a
    pitch it is estimated, without a focal length 1.2 times the longer image side is assumed. The person starts at X =
    Z = 0. A hand alone has no floor and tells no pitch: up is up in the image, and Y = 0 lies under it; its unit is
    its own length, metres follow from ``hand_length_m`` or from a stature. A joint that is ABSENT is NaN and tells
    nothing of scale, pitch, floor or contacts; so is a whole frame without its root. Impossible values raise
    ``UserError``.
    """
    check_body_and_camera(stature_m, pitch_deg, focal_px, hand_length_m)
    assert motion.joints_image is not None and motion.fps, "lift the motion first"
    skeleton, fps = motion.skeleton, float(motion.fps)
    is_hand = is_one_hand(skeleton)
    length_m = stature_m
    if is_hand:
        length_m = hand_length_m or (stature_m and stature_m * DRILLIS_CONTINI["hand"])
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
        scale = body_scale(rays_px, confidence[at], skeleton, segments, fps=fps, stature_m=length_m)
        camera = rays_px * scale[:, None, None]
        estimate = None
        if pitch_deg is None:
            estimate = estimate_pitch(camera, confidence[at], skeleton, fps=fps)
            pitch = estimate.pitch_deg or 0.0
        placed = level_camera(camera, pitch)
        placed, contact[at] = _set_on_floor(placed, confidence[at], skeleton, segments, fps, length_m or 1.0)
        placed = placed - skeleton.root_of(placed[:1]) * [1.0, 0.0, 1.0]  # starts at X = Z = 0
        root[at] = skeleton.root_of(placed)[:, 0]
        positions[at] = placed
        seen_once = known.any(0)
        notes = (
            *_scale_notes(skeleton, seen_once, length_m, stature_m),
            *([] if is_hand and not pitch_deg else _pitch_notes(pitch, estimate)),
            f"Focal length {focal:.0f} px, {'as given' if focal_px else 'assumed'}: the path towards and away from the "
            "camera grows with it.",
            *(_hand_notes(pitch_deg) if is_hand else _floor_notes(skeleton, seen_once)),
            *_absent_notes(skeleton, seen_once),
        )
    return WorldMotion(
        positions=positions,
        root=root,
        confidence=confidence,
        flag=whole_flag,
        time_s=np.arange(num_frames) / fps,
        units="arbitrary" if length_m is None else "m",
        skeleton=skeleton,
        foot_contact=contact,
        fps=fps,
        pitch_deg=float(pitch),
        notes=notes,
    )


def check_body_and_camera(
    stature_m: float | None,
    pitch_deg: float | None,
    focal_px: float | None,
    hand_length_m: float | None = None,
) -> None:
    """Refuse numbers that cannot be, such as a stature in cm, with ``UserError``; None is always allowed."""
    lengths = (("stature", stature_m, STATURE_RANGE_M), ("hand's length", hand_length_m, HAND_RANGE_M))
    for name, given_m, (low, high) in lengths:
        if given_m is not None and not low <= given_m <= high:
            meant = next((given_m / by for by in (100, 1000) if low <= given_m / by <= high), None)
            hint = f"; did you mean {meant:g}?" if meant else ""
            raise UserError(f"the {name} is {given_m:g} m: allowed are {low} to {high} metres{hint}")
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


def _scale_notes(
    skeleton: Skeleton, known: np.ndarray, length_m: float | None, stature_m: float | None
) -> list[str]:
    if is_one_hand(skeleton):
        whose, flag = "the hand's length", "--hand_length or --stature"
    else:
        whose, flag = "the person's height", "--stature"
    if length_m is not None and length_m == stature_m:
        return [f"Metres from a stature of {length_m:g} m and average body proportions."]
    if length_m is not None:
        by_stature = stature_m is not None and length_m == stature_m * DRILLIS_CONTINI["hand"]
        given = f", {DRILLIS_CONTINI['hand']:g} of the stature" if by_stature else ""
        return [f"Metres from a hand {length_m:.3f} m long{given}, and average proportions of fingers."]
    if known[body_bones(skeleton)[0]].all(-1).any():
        return [f"Units are arbitrary: 1 is {whose}, by average proportions; {flag} gives metres."]
    return [
        "Units are arbitrary: 1 is the length of all limbs seen together; no stature applies to these joints."
    ]


def _pitch_notes(pitch_deg: float, estimate: PitchEstimate | None) -> list[str]:
    roll = "Camera roll is taken as 0 deg."
    if estimate is None:
        return [f"Camera pitch {pitch_deg:.1f} deg, as given.", roll]
    if estimate.pitch_deg is None:
        return [
            f"Camera pitch taken as 0 deg: {estimate.num_frames} frames with the person upright do not tell it; "
            "--pitch gives it, positive where the camera looks down.",
            roll,
        ]
    return [
        f"Camera pitch {pitch_deg:.1f} deg, estimated from {estimate.num_frames} frames in which the person stands "
        "upright.",
        roll,
    ]


def _hand_notes(pitch_deg: float | None) -> list[str]:
    up = "" if pitch_deg else "Up is up in the image, as if the camera were level. "
    return [
        f"{up}A hand alone has no feet and no floor: Y = 0 lies under the lowest joint.",
        "The path is approximate: distance is judged by the hand's size in the image.",
    ]


def _floor_notes(skeleton: Skeleton, known: np.ndarray) -> list[str]:
    notes = [
        "Path, floor and foot contacts are approximate: distance is judged by the person's size in the image, the "
        "floor is taken as flat."
    ]
    feet = find_feet(skeleton)
    if feet is None or not any(known[foot.joints].any() for foot in feet):
        why = "The joints include no feet" if feet is None else "No foot was seen"
        notes.append(f"{why}: no foot contacts, and the floor lies under the lowest joint.")
    return notes


def _absent_notes(skeleton: Skeleton, known: np.ndarray) -> list[str]:
    absent = [joint for joint, is_known in zip(skeleton.joints, known, strict=True) if not is_known]
    more = f" and {len(absent) - NAMED} more" if len(absent) > NAMED else ""
    return [f"Seen in no frame, so without positions: {', '.join(absent[:NAMED])}{more}."] if absent else []
