"""Arms: hanging and swinging, or reaching for a point with the hand turned as wished, or between the two."""

from __future__ import annotations

import numpy as np

from lib.data.worker.anthropometry import Subject
from lib.data.worker.ik_tools import (
    Angles,
    base_to_world,
    bone_frame,
    fold,
    limit,
    norm,
    soft_limit,
    two_bones,
    unit,
)
from lib.data.worker.kinematics import (
    SIDE_SIGN,
    angles_yzx,
    angles_zxy,
    rotation_yzx,
    rotation_zxy,
    side_offset,
)
from lib.data.worker.script import Commands


def solve_arm(
    subject: Subject,
    side: str,
    commands: Commands,
    thorax: np.ndarray,
    thorax_origin: np.ndarray,
    swing: np.ndarray,
    angles: Angles,
) -> None:
    """Clavicle, shoulder, elbow, forearm and wrist: hanging and swinging, or reaching, or between."""
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
        angles[f"{side}_{name}"] = limit(subject, name, blended)


def _reach(
    subject: Subject, side: str, commands: Commands, thorax: np.ndarray, thorax_origin: np.ndarray
) -> dict[str, np.ndarray]:
    """Arm angles that bring the grip centre to its target, the hand turned as commanded, within limits."""
    sign = SIDE_SIGN[side]
    inverse = thorax.swapaxes(1, 2)
    target = base_to_world(commands, np.stack([commands[f"{side}_{axis}"] for axis in "xyz"], axis=1))
    grip_in_thorax = (inverse @ (target - thorax_origin)[..., None])[..., 0]
    hand_turn = rotation_yzx(
        commands.base[:, 2] + sign * commands[f"{side}_inward"], commands[f"{side}_pitch"], 0.0
    ) @ rotation_zxy(0.0, 0.0, sign * commands[f"{side}_roll"])
    hand_wish = inverse @ hand_turn
    out = {}
    # the shoulder blade follows: up with raised arms, forward with long reaches
    socket = side_offset(subject, "clavicle", side) + side_offset(subject, "shoulder", side)
    away = grip_in_thorax - socket
    raised = np.degrees(np.arccos(np.clip(-unit(away)[:, 1], -1.0, 1.0)))
    stretch = norm(away) / (subject.length("elbow") + subject.length("wrist"))
    out["clavicle_elevation"] = np.clip(0.2 * (raised - 45.0), 0.0, 24.0)
    ahead = np.clip(stretch - 0.5, 0.0, 0.6) / 0.6 * unit(away)[:, 0]
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
    nearest = np.sqrt(
        upper**2 + lower**2 + 2 * upper * lower * np.cos(np.radians(subject.limits["elbow_flexion"][1]))
    )
    hand = hand_wish
    for _ in range(3):
        line = grip_in_thorax - hand @ grip - shoulder
        span = np.maximum(_soft_span(norm(line), upper + lower), nearest + 1.0)
        elbow, off_line = two_bones(span, upper, lower)
        frame = bone_frame(unit(line), bulge, off_line, -1.0)
        flexion, abduction, rotation = angles_zxy(frame)
        flexion = np.where(flexion < -100.0, flexion + 360.0, flexion)
        out["shoulder_flexion"] = limit(subject, "shoulder_flexion", flexion)
        out["shoulder_abduction"] = limit(subject, "shoulder_abduction", -sign * abduction)
        out["shoulder_rotation"] = limit(subject, "shoulder_rotation", sign * rotation)
        out["elbow_flexion"] = elbow
        frame = rotation_zxy(
            out["shoulder_flexion"], -sign * out["shoulder_abduction"], sign * out["shoulder_rotation"]
        )
        forearm = frame @ rotation_zxy(elbow, 0.0, 0.0)
        wish = forearm.swapaxes(1, 2) @ hand_wish
        out["forearm_pronation"] = fold(subject, "forearm_pronation", sign * angles_yzx(wish)[0])
        turned = rotation_zxy(0.0, 0.0, sign * out["forearm_pronation"])
        long_axis = (turned.swapaxes(1, 2) @ wish)[..., 1]
        radial = np.degrees(np.arctan2(-long_axis[:, 0], long_axis[:, 1]))
        wrist = sign * np.degrees(np.arcsin(np.clip(long_axis[:, 2], -1.0, 1.0)))
        out["wrist_radial"] = soft_limit(subject, "wrist_radial", fold(subject, "wrist_radial", radial))
        out["wrist_flexion"] = soft_limit(subject, "wrist_flexion", fold(subject, "wrist_flexion", wrist))
        hand = forearm @ turned @ rotation_zxy(out["wrist_radial"], sign * out["wrist_flexion"], 0.0)
    return out


def _soft_span(span: np.ndarray, longest: float) -> np.ndarray:
    """Distance covered towards a target: slower before the arm is straight, so that no elbow snaps."""
    start, end = 0.94 * longest, 0.996 * longest
    beyond = np.maximum(span - start, 0.0) / (end - start)
    return np.minimum(span, start) + (end - start) * (1.0 - np.exp(-beyond))
