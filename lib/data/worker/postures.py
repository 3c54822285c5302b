"""Balanced postures that bring the shoulders within reach of a target, found in the sagittal plane.

The search variable is a depth 0..1 from upright to as low as stoop (legs nearly straight) or squat (trunk
fairly upright) goes; at every depth the hips move back until the centre of mass stands over the feet.
"""

from __future__ import annotations

import numpy as np

from lib.data.worker.anthropometry import DRILLIS_CONTINI, SEGMENT_MASS, Subject
from lib.data.worker.inverse import STRAIGHTEST_KNEE_DEG, leg_span

Array = np.ndarray | float

DEPTHS = np.linspace(0.0, 1.0, 33)
STOOP_TRUNK_DEG, SQUAT_TRUNK_DEG = 112.0, 52.0  # inclination of the thorax at full depth
STOOP_KNEE_DEG, SQUAT_KNEE_DEG = 24.0, 122.0
STOOP_TILT_SHARE, SQUAT_TILT_SHARE = 0.5, 0.42  # pelvis part of that inclination
FLAT_DORSIFLEXION_DEG = 27.0  # beyond it the heels come off the floor
BALANCE_AHEAD = 0.19  # centre of mass before the ankles, fraction of foot length


def reach_posture(
    subject: Subject,
    ahead_mm: float,
    height_mm: float,
    squat: float = 0.0,
    aside_mm: float = 0.0,
    stretch: float = 0.93,
    load: float = 0.0,
) -> dict[str, float]:
    """Channels of the trunk and pelvis that let both grip centres reach a target before the body.

    Target: ``ahead_mm`` before the ankles, ``height_mm`` over the floor, hands ``aside_mm`` either side of
    the middle. squat 0..1 chooses the way down; ``stretch`` the share of the arm's length that may be used;
    ``load`` the mass in the hands as a fraction of body mass. Out of reach: the posture that comes nearest.
    """
    depth = DEPTHS
    knee = STRAIGHTEST_KNEE_DEG + depth * ((1.0 - squat) * STOOP_KNEE_DEG + squat * SQUAT_KNEE_DEG)
    incline = depth * ((1.0 - squat) * STOOP_TRUNK_DEG + squat * SQUAT_TRUNK_DEG)
    tilt = incline * ((1.0 - squat) * STOOP_TILT_SHARE + squat * SQUAT_TILT_SHARE)
    # no joint beyond its limit
    flexion = np.minimum(incline - tilt, subject.limits["trunk_flexion"][1] - 4.0)
    tilt = np.minimum(incline - flexion, subject.limits["pelvis_tilt"][1] - 4.0)
    hips_x, hips_y, raise_deg, thigh_deg = _balance(subject, knee, tilt, flexion, (ahead_mm, height_mm), load)
    shoulder_x, shoulder_y = shoulder_place(subject, hips_x, hips_y, tilt, flexion)
    across = aside_mm - abs(subject.joints["clavicle"][2] + subject.joints["shoulder"][2])
    distance = np.sqrt((ahead_mm - shoulder_x) ** 2 + (height_mm - shoulder_y) ** 2 + across**2)
    arm = subject.length("elbow") + subject.length("wrist") + 0.8 * abs(subject.grip_centre[1])
    allowed = tilt + thigh_deg < subject.limits["hip_flexion"][1] - 5.0
    near = np.flatnonzero((distance <= stretch * arm) & allowed)
    number = near[0] if len(near) else int(np.argmin(np.where(allowed, distance, np.inf)))
    habit = subject.habit
    upright = 1.0 - min(1.0, float(depth[number]) * 4.0)
    return {
        "forward": float(hips_x[number]),
        "height": float(hips_y[number]),
        "tilt": float(tilt[number]) + upright * habit["pelvis_tilt"],
        "trunk_flexion": float(flexion[number]) + upright * (habit["trunk_flexion"] - habit["pelvis_tilt"]),
        "both_heel_raise": float(raise_deg[number]),
    }


def _turn_forward(x: float, y: float, angle_deg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    angle = np.radians(angle_deg)
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def shoulder_place(subject: Subject, x: Array, y: Array, tilt: Array, flexion: Array) -> tuple[Array, Array]:
    """Shoulder x and height (mm) for hips at x, y and pelvis tilt and trunk flexion in degrees."""
    joints = subject.joints
    socket = joints["clavicle"] + joints["shoulder"]
    for offset, angle in (
        (joints["lumbar"], tilt),
        (joints["thoracic"], tilt + 0.55 * flexion),
        (socket, tilt + flexion),
    ):
        step_x, step_y = _turn_forward(offset[0], offset[1], angle)
        x, y = x + step_x, y + step_y
    return x, y


def _balance(
    subject: Subject,
    knee: np.ndarray,
    tilt: np.ndarray,
    flexion: np.ndarray,
    hands: tuple[float, float],
    load: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Hip x, hip height, heel raise and thigh inclination (each over depth) that balance over the feet."""
    thigh, shank = subject.length("knee"), subject.length("ankle")
    span = leg_span(subject, knee)
    ball = subject.joints["toes"][:2] * 1.0
    mass = {name: share for name, (share, _) in SEGMENT_MASS.items()}
    place = {name: along for name, (_, along) in SEGMENT_MASS.items()}
    arms, legs = 2 * (mass["upper_arm"] + mass["forearm"] + mass["hand"]), 2 * (mass["thigh"] + mass["shank"])
    goal = BALANCE_AHEAD * DRILLIS_CONTINI["foot_length"] * subject.stature_mm
    x, lift = np.zeros_like(knee), np.zeros_like(knee)
    for _ in range(6):
        # heel up by ``lift`` degrees about the ball moves the ankle forward and up
        moved_x, moved_y = _turn_forward(-ball[0], -ball[1], lift)
        ankle_x, ankle_y = ball[0] + moved_x, subject.ankle_height_mm + ball[1] + moved_y
        across = np.clip(x - ankle_x, -0.8 * span, 0.8 * span)
        y = ankle_y + np.sqrt(span**2 - across**2)
        # knee: off the hip-ankle line by the law of cosines, always to the front
        off = np.arccos(np.clip((shank**2 + span**2 - thigh**2) / (2 * shank * span), -1, 1))
        shank_lean = off + np.arcsin(across / span)  # forward lean of the shank from vertical
        lift = np.clip(lift + 0.7 * (np.degrees(shank_lean) - lift - FLAT_DORSIFLEXION_DEG), 0.0, 38.0)
        knee_x, knee_y = ankle_x + shank * np.sin(shank_lean), ankle_y + shank * np.cos(shank_lean)
        shoulder_x, _ = shoulder_place(subject, x, y, tilt, flexion)
        mass_x = (
            2 * mass["foot"] * 0.5 * goal
            + 2 * mass["shank"] * (knee_x + place["shank"] * (ankle_x - knee_x))
            + 2 * mass["thigh"] * (x + place["thigh"] * (knee_x - x))
            + mass["trunk"] * (0.5 * x + 0.5 * shoulder_x)
            + mass["head"] * (1.25 * shoulder_x - 0.25 * x)
            + arms * (0.5 * shoulder_x + 0.5 * np.minimum(hands[0], shoulder_x + 600.0))
            + load * hands[0]
        ) / (mass["trunk"] + mass["head"] + arms + legs + 2 * mass["foot"] + load)
        x = x - 0.9 * (mass_x - goal)
    thigh_deg = np.degrees(np.arctan2(knee_x - x, np.maximum(y - knee_y, 1.0)))
    return x, y, lift, thigh_deg
