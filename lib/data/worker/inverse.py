"""From commands to degrees of freedom: pelvis over planted feet, legs and arms by inverse kinematics, gaze.

F frames of one subject. Angles in degrees, lengths in mm.
"""

from __future__ import annotations

import numpy as np

from lib.data.worker.anthropometry import Subject
from lib.data.worker.arms import solve_arm
from lib.data.worker.feet import ankle_poses
from lib.data.worker.fingers import finger_angles
from lib.data.worker.ik_tools import (
    Angles,
    base_to_world,
    bone_frame,
    limit,
    norm,
    soft_limit,
    two_bones,
    unit,
)
from lib.data.worker.kinematics import (
    SIDE_SIGN,
    SIDES,
    angles_zxy,
    forward,
    local_rotation,
    rotation_zxy,
    side_offset,
)
from lib.data.worker.script import Commands

STRAIGHTEST_KNEE_DEG = 5.0  # standing; the pelvis sinks rather than lock the knee
HEIGHT_BLEND_MM = 12.0  # how gently commanded height and the legs' reach meet
GAIT_YAW_DEG, GAIT_LIST_DEG, SWAY_MM = 5.0, 3.0, 24.0
EYE_SHARE = 0.75  # the head does so much of a gaze movement, the eyes the rest
GAZE_DROP_DEG = 12.0  # resting line of sight under the head's horizontal


def solve(subject: Subject, commands: Commands) -> tuple[np.ndarray, np.ndarray]:
    """Pelvis positions (F,3) mm and degrees of freedom (D,F) that carry out the commands."""
    angles = Angles(commands.channels.shape[1])
    gait = _gait(subject, commands)
    _trunk(subject, commands, gait, angles)
    ankles = [
        ankle_poses(
            subject,
            commands.feet.place[number],
            commands.feet.yaw[number],
            commands.feet.pitch[number] - commands[f"{side}_heel_raise"],
        )
        for number, side in enumerate(SIDES)
    ]
    pelvis = _pelvis(subject, commands, gait, angles, [ankle for ankle, _, _ in ankles])
    rotation, origin = forward(subject, pelvis, angles.array, ("pelvis", "abdomen", "thorax"))
    for number, side in enumerate(SIDES):
        ankle, foot, toes = ankles[number]
        yaw = 0.7 * commands.feet.yaw[number] + 0.3 * angles["pelvis_yaw"]
        _leg(subject, side, rotation["pelvis"], pelvis, ankle, foot, yaw, angles)
        angles[f"{side}_toe_extension"] = toes
    _gaze(subject, commands, rotation["thorax"], origin["thorax"], angles)
    for side in SIDES:
        swing = (
            -SIDE_SIGN[side] * gait["lead"] * 0.55 * subject.habit["arm_swing"] * commands[f"{side}_swing"]
        )
        solve_arm(subject, side, commands, rotation["thorax"], origin["thorax"], swing, angles)
        for name, value in finger_angles(commands[f"{side}_grip"], commands[f"{side}_pinch"]).items():
            angles[f"{side}_{name}"] = value
    return pelvis, angles.array


def _gait(subject: Subject, commands: Commands) -> dict[str, np.ndarray]:
    """What the body makes of the steps: lead of the right foot (degrees of thigh swing), lean -1..1."""
    yaw = np.radians(commands.base[:, 2])
    apart = commands.feet.place[1] - commands.feet.place[0]
    ahead = apart[:, 0] * np.cos(yaw) - apart[:, 2] * np.sin(yaw)
    # only stepping swings arms and pelvis: a staggered stance does not
    moving = np.clip(2.2 * commands.feet.stepping.max(0), 0.0, 1.0)
    lead = np.degrees(np.arctan2(ahead, 0.53 * subject.stature_mm)) * moving
    lean = commands.feet.swing[0] - commands.feet.swing[1]  # > 0: the left foot swings, weight on the right
    return {"lead": lead, "lean": lean}


def _trunk(subject: Subject, commands: Commands, gait: dict[str, np.ndarray], angles: Angles) -> None:
    twist = np.clip(gait["lead"] / 22.0, -1.3, 1.3) * GAIT_YAW_DEG
    angles["pelvis_yaw"] = commands.base[:, 2] + commands["yaw"] + twist
    angles["pelvis_tilt"] = limit(subject, "pelvis_tilt", commands["tilt"])
    angles["pelvis_list"] = commands["list"] - GAIT_LIST_DEG * gait["lean"]
    angles["trunk_flexion"] = limit(subject, "trunk_flexion", commands["trunk_flexion"])
    lateral = commands["trunk_lateral"] + 0.8 * GAIT_LIST_DEG * gait["lean"]
    angles["trunk_lateral"] = limit(subject, "trunk_lateral", lateral)
    angles["trunk_rotation"] = limit(subject, "trunk_rotation", commands["trunk_rotation"] - 1.7 * twist)


def _pelvis(
    subject: Subject,
    commands: Commands,
    gait: dict[str, np.ndarray],
    angles: Angles,
    ankles: list[np.ndarray],
) -> np.ndarray:
    """Pelvis place (F,3): over the base as commanded, as high as commanded or as the legs allow."""
    yaw = np.radians(commands.base[:, 2])
    ahead, right = commands["forward"], commands["right"] + SWAY_MM * gait["lean"]
    pelvis = np.stack(
        [
            commands.base[:, 0] + ahead * np.cos(yaw) + right * np.sin(yaw),
            np.zeros_like(yaw),
            commands.base[:, 1] - ahead * np.sin(yaw) + right * np.cos(yaw),
        ],
        axis=1,
    )
    rotation = local_rotation("pelvis", angles.array)
    longest = leg_span(subject, STRAIGHTEST_KNEE_DEG)
    heights = [commands["height"]]
    for side, ankle in zip(SIDES, ankles, strict=True):
        hip = rotation @ side_offset(subject, "hip", side)
        away = pelvis + hip - ankle
        drop = np.sqrt(np.maximum(longest**2 - away[:, 0] ** 2 - away[:, 2] ** 2, 1.0))
        heights.append(ankle[:, 1] + drop - hip[:, 1])
    # soft minimum, so that no corner shows where one bound takes over from another
    stacked = np.stack(heights)
    lowest = stacked.min(0)
    pelvis[:, 1] = lowest - HEIGHT_BLEND_MM * np.log(np.exp((lowest - stacked) / HEIGHT_BLEND_MM).sum(0))
    return pelvis


def leg_span(subject: Subject, knee_flexion_deg: float | np.ndarray) -> float | np.ndarray:
    """Distance from hip to ankle at a knee flexion."""
    thigh, shank = subject.length("knee"), subject.length("ankle")
    return np.sqrt(thigh**2 + shank**2 + 2 * thigh * shank * np.cos(np.radians(knee_flexion_deg)))


def _leg(
    subject: Subject,
    side: str,
    pelvis_rotation: np.ndarray,
    pelvis: np.ndarray,
    ankle: np.ndarray,
    foot: np.ndarray,
    knee_yaw: np.ndarray,
    angles: Angles,
) -> None:
    thigh, shank = subject.length("knee"), subject.length("ankle")
    away = ankle - pelvis - pelvis_rotation @ side_offset(subject, "hip", side)
    span = np.clip(norm(away), 1.0, leg_span(subject, 0.5))
    knee, off_line = two_bones(span, thigh, shank)
    yaw = np.radians(knee_yaw)
    knee_forward = np.stack([np.cos(yaw), np.zeros_like(yaw), -np.sin(yaw)], axis=1)
    thigh_frame = bone_frame(unit(away), knee_forward, off_line, 1.0)
    flexion, abduction, rotation = angles_zxy(pelvis_rotation.swapaxes(1, 2) @ thigh_frame)
    sign = SIDE_SIGN[side]
    angles[f"{side}_hip_flexion"] = flexion
    angles[f"{side}_hip_abduction"] = -sign * abduction
    angles[f"{side}_hip_rotation"] = sign * rotation
    angles[f"{side}_knee_flexion"] = knee
    shank_frame = thigh_frame @ rotation_zxy(-knee, 0.0, 0.0)
    dorsiflexion, inversion, rotation = angles_zxy(shank_frame.swapaxes(1, 2) @ foot)
    angles[f"{side}_ankle_dorsiflexion"] = dorsiflexion
    angles[f"{side}_ankle_inversion"] = sign * inversion
    angles[f"{side}_ankle_rotation"] = sign * rotation


def _gaze(
    subject: Subject, commands: Commands, thorax: np.ndarray, origin: np.ndarray, angles: Angles
) -> None:
    """Neck angles: towards the gaze point by its weight, else upright by habit."""
    neck = origin + thorax @ (subject.joints["neck"] + subject.joints["head"])
    target = base_to_world(commands, np.stack([commands[f"gaze_{axis}"] for axis in "xyz"], axis=1))
    seen = (thorax.swapaxes(1, 2) @ (target - neck)[..., None])[..., 0]
    level = np.hypot(seen[:, 0], seen[:, 2])
    turn = np.degrees(np.arctan2(-seen[:, 2], np.maximum(seen[:, 0], 0.2 * level)))
    down = np.degrees(np.arctan2(-seen[:, 1], level)) - GAZE_DROP_DEG
    weight, habit = EYE_SHARE * commands["gaze"], subject.habit["neck_flexion"]
    flexion = soft_limit(subject, "neck_flexion", weight * down + (1.0 - commands["gaze"]) * habit)
    angles["neck_flexion"] = flexion
    angles["neck_lateral"] = commands["neck_lateral"]
    angles["neck_rotation"] = soft_limit(subject, "neck_rotation", weight * turn)
