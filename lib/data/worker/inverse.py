"""From commands to degrees of freedom: pelvis over planted feet, legs and arms by inverse kinematics, gaze.

F frames of one subject. Angles in degrees, lengths in mm.
"""

from __future__ import annotations

import numpy as np

from lib.data.worker.anthropometry import Subject
from lib.data.worker.feet import ankle_poses
from lib.data.worker.fingers import finger_angles
from lib.data.worker.kinematics import (
    DOF_INDEX,
    DOF_NAMES,
    SIDE_SIGN,
    SIDES,
    angles_yzx,
    angles_zxy,
    forward,
    local_rotation,
    rotation_yzx,
    rotation_zxy,
    side_offset,
)
from lib.data.worker.script import Commands

STRAIGHTEST_KNEE_DEG = 5.0  # standing; the pelvis sinks rather than lock the knee
HEIGHT_BLEND_MM = 12.0  # how gently commanded height and the legs' reach meet
GAIT_YAW_DEG, GAIT_LIST_DEG, SWAY_MM = 5.0, 3.0, 24.0
EYE_SHARE = 0.75  # the head does so much of a gaze movement, the eyes the rest
GAZE_DROP_DEG = 12.0  # resting line of sight under the head's horizontal


class _Angles:
    """Rows of the (D,F) array by name."""

    def __init__(self, num_frames: int) -> None:
        self.array = np.zeros((len(DOF_NAMES), num_frames))

    def __setitem__(self, name: str, value: np.ndarray | float) -> None:
        self.array[DOF_INDEX[name]] = value

    def __getitem__(self, name: str) -> np.ndarray:
        return self.array[DOF_INDEX[name]]


def solve(subject: Subject, commands: Commands) -> tuple[np.ndarray, np.ndarray]:
    """Pelvis positions (F,3) mm and degrees of freedom (D,F) that carry out the commands."""
    angles = _Angles(commands.channels.shape[1])
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
        swing = -SIDE_SIGN[side] * gait["lead"] * 0.55 * subject.habit["arm_swing"] * commands[f"{side}_swing"]
        _arm(subject, side, commands, rotation["thorax"], origin["thorax"], swing, angles)
        for name, value in finger_angles(commands[f"{side}_grip"], commands[f"{side}_pinch"]).items():
            angles[f"{side}_{name}"] = value
    return pelvis, angles.array


def _limit(subject: Subject, dof: str, value: np.ndarray) -> np.ndarray:
    low, high = subject.limits[dof]
    return np.clip(value, low, high)


def _gait(subject: Subject, commands: Commands) -> dict[str, np.ndarray]:
    """What the body does with the steps: lead of the right foot in degrees of thigh swing, sway and list -1..1."""
    yaw = np.radians(commands.base[:, 2])
    apart = commands.feet.place[1] - commands.feet.place[0]
    ahead = apart[:, 0] * np.cos(yaw) - apart[:, 2] * np.sin(yaw)
    travel = commands.feet.swing.max(0)
    # only stepping swings arms and pelvis: a staggered stance does not
    moving = np.convolve(travel, np.ones(41) / 41.0, mode="same") if len(travel) > 41 else travel
    moving = np.clip(2.2 * moving, 0.0, 1.0)
    lead = np.degrees(np.arctan2(ahead, 0.53 * subject.stature_mm)) * moving
    lean = commands.feet.swing[0] - commands.feet.swing[1]  # > 0: the left foot swings, weight on the right
    return {"lead": lead, "lean": lean}


def _trunk(subject: Subject, commands: Commands, gait: dict[str, np.ndarray], angles: _Angles) -> None:
    twist = np.clip(gait["lead"] / 22.0, -1.3, 1.3) * GAIT_YAW_DEG
    angles["pelvis_yaw"] = commands.base[:, 2] + commands["yaw"] + twist
    angles["pelvis_tilt"] = _limit(subject, "pelvis_tilt", commands["tilt"])
    angles["pelvis_list"] = commands["list"] - GAIT_LIST_DEG * gait["lean"]
    angles["trunk_flexion"] = _limit(subject, "trunk_flexion", commands["trunk_flexion"])
    lateral = commands["trunk_lateral"] + 0.8 * GAIT_LIST_DEG * gait["lean"]
    angles["trunk_lateral"] = _limit(subject, "trunk_lateral", lateral)
    angles["trunk_rotation"] = _limit(subject, "trunk_rotation", commands["trunk_rotation"] - 1.7 * twist)


def _pelvis(
    subject: Subject,
    commands: Commands,
    gait: dict[str, np.ndarray],
    angles: _Angles,
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


def _two_bones(span: np.ndarray, upper: float, lower: float) -> tuple[np.ndarray, np.ndarray]:
    """Bend (F,) of the middle joint in degrees and the angle (F,) radians of the upper bone off the line."""
    cos_middle = (upper**2 + lower**2 - span**2) / (2 * upper * lower)
    cos_upper = (upper**2 + span**2 - lower**2) / (2 * upper * span)
    bend = 180.0 - np.degrees(np.arccos(np.clip(cos_middle, -1.0, 1.0)))
    return bend, np.arccos(np.clip(cos_upper, -1.0, 1.0))


def _soft_span(span: np.ndarray, longest: float) -> np.ndarray:
    """Distance the arm covers towards a target: slows down before it is straight, so that the elbow never snaps."""
    start, end = 0.94 * longest, 0.996 * longest
    beyond = np.maximum(span - start, 0.0) / (end - start)
    return np.minimum(span, start) + (end - start) * (1.0 - np.exp(-beyond))


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9)


def _bone_frame(line: np.ndarray, bulge: np.ndarray, off_line: np.ndarray, hinge_sign: float) -> np.ndarray:
    """Frame (F,3,3) of the upper bone of two: the middle joint bulges from the line (F,3) towards ``bulge`` (F,3).

    hinge_sign 1 for a knee (the bone below bends back), -1 for an elbow (it bends forward).
    """
    bulge = _unit(bulge - (bulge * line).sum(-1, keepdims=True) * line)
    along = np.cos(off_line)[:, None] * line + np.sin(off_line)[:, None] * bulge
    y_axis = -along
    z_axis = hinge_sign * np.cross(line, bulge)
    return np.stack([np.cross(y_axis, z_axis), y_axis, z_axis], axis=-1)


def _leg(
    subject: Subject,
    side: str,
    pelvis_rotation: np.ndarray,
    pelvis: np.ndarray,
    ankle: np.ndarray,
    foot: np.ndarray,
    knee_yaw: np.ndarray,
    angles: _Angles,
) -> None:
    thigh, shank = subject.length("knee"), subject.length("ankle")
    away = ankle - pelvis - pelvis_rotation @ side_offset(subject, "hip", side)
    span = np.clip(np.linalg.norm(away, axis=1), 1.0, leg_span(subject, 0.5))
    knee, off_line = _two_bones(span, thigh, shank)
    yaw = np.radians(knee_yaw)
    knee_forward = np.stack([np.cos(yaw), np.zeros_like(yaw), -np.sin(yaw)], axis=1)
    thigh_frame = _bone_frame(_unit(away), knee_forward, off_line, 1.0)
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


def _base_to_world(commands: Commands, points: np.ndarray) -> np.ndarray:
    """Points (F,3) of the base frame in the world."""
    turned = rotation_zxy(0.0, 0.0, commands.base[:, 2]) @ points[..., None]
    world = turned[..., 0]
    world[:, 0] += commands.base[:, 0]
    world[:, 2] += commands.base[:, 1]
    return world


def _gaze(subject: Subject, commands: Commands, thorax: np.ndarray, origin: np.ndarray, angles: _Angles) -> None:
    """Neck angles: towards the gaze point by its weight, else upright by habit."""
    neck = origin + thorax @ (subject.joints["neck"] + subject.joints["head"])
    target = _base_to_world(commands, np.stack([commands[f"gaze_{axis}"] for axis in "xyz"], axis=1))
    seen = (thorax.swapaxes(1, 2) @ (target - neck)[..., None])[..., 0]
    level = np.hypot(seen[:, 0], seen[:, 2])
    turn = np.degrees(np.arctan2(-seen[:, 2], np.maximum(seen[:, 0], 0.2 * level)))
    down = np.degrees(np.arctan2(-seen[:, 1], level)) - GAZE_DROP_DEG
    weight, habit = EYE_SHARE * commands["gaze"], subject.habit["neck_flexion"]
    flexion = _soft_limit(subject, "neck_flexion", weight * down + (1.0 - commands["gaze"]) * habit)
    angles["neck_flexion"] = flexion
    angles["neck_rotation"] = _soft_limit(subject, "neck_rotation", weight * turn)


def _soft_limit(subject: Subject, dof: str, value: np.ndarray) -> np.ndarray:
    """Value that approaches its limit smoothly instead of stopping dead."""
    low, high = subject.limits[dof]
    bound = np.where(value > 0, high, -low)
    return bound * np.tanh(value / bound)


def _arm(
    subject: Subject,
    side: str,
    commands: Commands,
    thorax: np.ndarray,
    thorax_origin: np.ndarray,
    swing: np.ndarray,
    angles: _Angles,
) -> None:
    """Clavicle, shoulder, elbow, forearm and wrist: hanging and swinging, or reaching for the target, or between."""
    weight = np.clip(commands[f"{side}_ik"], 0.0, 1.0)
    free = {
        "shoulder_flexion": commands[f"{side}_arm_flexion"]
        + swing
        + 0.92 * (angles["pelvis_tilt"] + angles["trunk_flexion"]),
        "shoulder_abduction": commands[f"{side}_arm_abduction"],
        "shoulder_rotation": np.zeros_like(weight),
        "elbow_flexion": commands[f"{side}_elbow"] + 0.5 * np.maximum(swing, 0.0),
        "forearm_pronation": commands[f"{side}_pronation"],
        "wrist_flexion": commands[f"{side}_wrist"],
        "wrist_radial": np.zeros_like(weight),
        "clavicle_elevation": np.zeros_like(weight),
        "clavicle_protraction": np.zeros_like(weight),
    }
    if weight.any():
        reaching = _reach(subject, side, commands, thorax, thorax_origin)
    else:
        reaching = free
    for name, value in free.items():
        blended = value + weight * (reaching[name] - value)
        if name == "forearm_pronation":
            blended = blended + commands[f"{side}_twist"]
        angles[f"{side}_{name}"] = _limit(subject, name, blended)


def _reach(
    subject: Subject, side: str, commands: Commands, thorax: np.ndarray, thorax_origin: np.ndarray
) -> dict[str, np.ndarray]:
    """Arm angles that bring the grip centre to its target with the hand turned as commanded, within the limits."""
    sign = SIDE_SIGN[side]
    inverse = thorax.swapaxes(1, 2)
    target = _base_to_world(commands, np.stack([commands[f"{side}_{axis}"] for axis in "xyz"], axis=1))
    grip_in_thorax = (inverse @ (target - thorax_origin)[..., None])[..., 0]
    hand_turn = rotation_yzx(
        commands.base[:, 2] + sign * commands[f"{side}_inward"], commands[f"{side}_pitch"], 0.0
    ) @ rotation_zxy(0.0, 0.0, sign * commands[f"{side}_roll"])
    hand_wish = inverse @ hand_turn
    out = {}
    # the shoulder blade follows: up with raised arms, forward with long reaches
    socket = side_offset(subject, "clavicle", side) + side_offset(subject, "shoulder", side)
    away = grip_in_thorax - socket
    raised = np.degrees(np.arccos(np.clip(-_unit(away)[:, 1], -1.0, 1.0)))
    stretch = np.linalg.norm(away, axis=1) / (subject.length("elbow") + subject.length("wrist"))
    out["clavicle_elevation"] = np.clip(0.2 * (raised - 45.0), 0.0, 24.0)
    ahead = np.clip(stretch - 0.5, 0.0, 0.6) / 0.6 * _unit(away)[:, 0]
    out["clavicle_protraction"] = 16.0 * ahead
    girdle = rotation_zxy(0.0, -sign * out["clavicle_elevation"], sign * out["clavicle_protraction"])
    shoulder = side_offset(subject, "clavicle", side) + girdle @ side_offset(subject, "shoulder", side)
    # elbows hang; above the shoulders they point forward and out
    high = np.clip((raised - 70.0) / 80.0, 0.0, 1.0)[:, None]
    outward = np.clip(0.35 + commands[f"{side}_elbow_out"], 0.0, 1.6)[:, None]
    hanging = np.array([-0.35, -1.0, 0.0]) + outward * np.array([0.0, 0.25, sign])
    lifted = np.array([0.75, -0.15, 0.0]) + (0.35 + outward) * np.array([0.0, 0.0, 0.7 * sign])
    bulge = (1.0 - high) * hanging + high * lifted
    grip = subject.grip_centre * np.array([1.0, 1.0, sign])
    upper, lower = subject.length("elbow"), subject.length("wrist")
    nearest = np.sqrt(upper**2 + lower**2 + 2 * upper * lower * np.cos(np.radians(subject.limits["elbow_flexion"][1])))
    hand = hand_wish
    for _ in range(3):
        line = grip_in_thorax - hand @ grip - shoulder
        span = np.maximum(_soft_span(np.linalg.norm(line, axis=1), upper + lower), nearest + 1.0)
        elbow, off_line = _two_bones(span, upper, lower)
        frame = _bone_frame(_unit(line), bulge, off_line, -1.0)
        flexion, abduction, rotation = angles_zxy(frame)
        flexion = np.where(flexion < -100.0, flexion + 360.0, flexion)
        out["shoulder_flexion"] = _limit(subject, "shoulder_flexion", flexion)
        out["shoulder_abduction"] = _limit(subject, "shoulder_abduction", -sign * abduction)
        out["shoulder_rotation"] = _limit(subject, "shoulder_rotation", sign * rotation)
        out["elbow_flexion"] = elbow
        frame = rotation_zxy(
            out["shoulder_flexion"], -sign * out["shoulder_abduction"], sign * out["shoulder_rotation"]
        )
        forearm = frame @ rotation_zxy(elbow, 0.0, 0.0)
        pronation, radial, wrist = angles_yzx(forearm.swapaxes(1, 2) @ hand_wish)
        out["forearm_pronation"] = _limit(subject, "forearm_pronation", sign * pronation)
        out["wrist_radial"] = _limit(subject, "wrist_radial", radial)
        out["wrist_flexion"] = _limit(subject, "wrist_flexion", sign * wrist)
        hand = (
            forearm
            @ rotation_zxy(0.0, 0.0, sign * out["forearm_pronation"])
            @ rotation_zxy(out["wrist_radial"], sign * out["wrist_flexion"], 0.0)
        )
    return out
