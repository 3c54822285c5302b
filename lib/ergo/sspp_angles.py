"""The 42 angles of a 3DSSPP JOA line from the 39 points of a LOC line.

F frames. Order, zeros and limits are in ``configs/ergo/sspp_angles.yaml``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from lib.anatomy import mirror_name, read_yaml
from lib.ergo.sspp_points import CONFIG_DIR, NUM_POINTS, point_names
from lib.errors import UserError

NUM_ANGLES = 42
UPRIGHT_DEG = 90.0


@lru_cache(maxsize=1)
def angle_rules() -> dict[str, Any]:
    """Content of sspp_angles.yaml."""
    return read_yaml(CONFIG_DIR / "sspp_angles.yaml")


@lru_cache(maxsize=1)
def joa_names() -> tuple[str, ...]:
    """Names of the 42 angles in the order of a JOA line, for instance ``left_hand_horizontal``."""
    rules = angle_rules()
    sided = (
        f"{side}_{segment}_{angle}"
        for side in rules["sides"]
        for segment, rule in rules["segments"].items()
        for angle in rule["angles"]
    )
    return (*sided, *rules["center"])


def joa_angles(points: np.ndarray) -> np.ndarray:
    """Angles (F,42) in whole degrees of points (F,39,3), any unit, z up; int64.

    Which way the person faces does not matter. NaN among the points raises ``UserError``: leave such frames out.
    """
    points = np.asarray(points, np.float64)
    if points.ndim != 3 or points.shape[1:] != (NUM_POINTS, 3):
        raise UserError(f"JOA angles need points (frames, {NUM_POINTS}, 3), given {points.shape}")
    if not np.isfinite(points).all():
        raise UserError(
            "JOA angles need every point in every frame: leave the frames out in which one is not known"
        )
    rules = angle_rules()
    at = {name: points[:, number] for number, name in enumerate(point_names())}
    made: dict[str, np.ndarray] = _center_angles(at)
    floor_axes = _level_axes(_mid(at, "hip_joint", right_less_left=True))
    axes = {"floor": floor_axes, "trunk": _trunk_axes(at)}
    for side in rules["sides"]:
        for segment, rule in rules["segments"].items():
            start, end = (rule[end] if side == "left" else mirror_name(rule[end]) for end in ("from", "to"))
            local = np.einsum("fij,fj->fi", axes[rule.get("axes", "floor")], at[end] - at[start])
            made |= {
                f"{side}_{segment}_{kind}": value for kind, value in _limb_angles(local, side, rule).items()
            }
    angles_deg = np.stack([made[name] for name in joa_names()], axis=1)
    limits = np.array([rules["limits_deg"].get(name, rules["all_within_deg"]) for name in joa_names()])
    return np.rint(np.clip(angles_deg, -limits, limits)).astype(np.int64)


def _limb_angles(vector: np.ndarray, side: str, rule: dict[str, Any]) -> dict[str, np.ndarray]:
    """Horizontal and vertical angle (F,) of a vector (F,3) in x right, y forward, z up."""
    rules = angle_rules()
    outward = vector[:, 0] if side == "right" else -vector[:, 0]
    level = np.hypot(vector[:, 0], vector[:, 1])
    vertical = np.degrees(np.arctan2(vector[:, 2], level))
    horizontal = np.degrees(np.arctan2(vector[:, 1], outward))
    hangs = np.abs(vertical) > 90.0 - rules["vertical_within_deg"]
    horizontal = np.where(hangs, rules["vertical_horizontal_deg"], horizontal)
    vertical = vertical - rule.get("vertical_zero_deg", 0.0)
    return {"horizontal": horizontal, "vertical": vertical, "rotation": np.zeros_like(vertical)}


def _center_angles(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Angles (F,) of head, neck, trunk and pelvis in degrees."""
    hips = _mid(at, "hip_joint", right_less_left=True)
    shoulders = _mid(at, "shoulder_joint", right_less_left=True)
    ears = at["right_head"] - at["left_head"]
    level = _level_axes(hips)
    trunk = np.einsum("fij,fj->fi", level, _mid(at, "shoulder_joint") - _mid(at, "hip_joint"))
    head = np.einsum("fij,fj->fi", level, at["top_head"] - at["head_origin"])
    trunk_flexion, head_flexion = (np.degrees(np.arctan2(up[:, 2], up[:, 1])) for up in (trunk, head))
    trunk_lateral, head_lateral = (_to_the_right_deg(up) for up in (trunk, head))
    trunk_axis = _mid(at, "shoulder_joint") - _mid(at, "hip_joint")
    head_turn = _turn_deg(shoulders, ears, at["top_head"] - at["head_origin"])
    half_lateral = (head_lateral - trunk_lateral) / 2.0
    return {
        "head_flexion": head_flexion,
        "upper_neck_flexion": head_flexion,
        "upper_neck_rotation": head_turn / 2.0,
        "upper_neck_lateral": half_lateral,
        "lower_neck_flexion": (trunk_flexion + head_flexion) / 2.0,
        "lower_neck_rotation": head_turn / 2.0,
        "lower_neck_lateral": half_lateral,
        "trunk_flexion": trunk_flexion,
        "trunk_rotation": _turn_deg(hips, shoulders, trunk_axis),
        "trunk_lateral": trunk_lateral,
        "pelvis_rotation": np.zeros(len(hips)),
        "pelvis_lateral": -np.degrees(np.arctan2(hips[:, 2], np.hypot(hips[:, 0], hips[:, 1]))),
    }


def _mid(at: dict[str, np.ndarray], joint: str, right_less_left: bool = False) -> np.ndarray:
    """Midway between a pair of points (F,3), or the vector from the left to the right one."""
    left, right = at[f"left_{joint}"], at[f"right_{joint}"]
    return right - left if right_less_left else (left + right) / 2.0


def _level_axes(right: np.ndarray) -> np.ndarray:
    """Axes (F,3,3) as rows: the level part of ``right`` (F,3), forward, up."""
    x = _unit(right * np.array([1.0, 1.0, 0.0]))
    z = np.broadcast_to(np.array([0.0, 0.0, 1.0]), x.shape)
    return np.stack([x, np.cross(z, x), z], axis=1)


def _trunk_axes(at: dict[str, np.ndarray]) -> np.ndarray:
    """Axes (F,3,3) of the trunk as rows: right, forward, up along the trunk."""
    z = _unit(_mid(at, "shoulder_joint") - _mid(at, "hip_joint"))
    shoulders = _mid(at, "shoulder_joint", right_less_left=True)
    x = _unit(shoulders - (shoulders * z).sum(-1, keepdims=True) * z)
    return np.stack([x, np.cross(z, x), z], axis=1)


def _to_the_right_deg(up: np.ndarray) -> np.ndarray:
    """Angle (F,) of a vector (F,3) out of the sagittal plane, positive to the right."""
    return np.degrees(np.arctan2(up[:, 0], np.hypot(up[:, 1], up[:, 2])))


def _turn_deg(start: np.ndarray, end: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Angle (F,) from one vector (F,3) to another about an axis that points up, positive to the left."""
    axis = _unit(axis)
    start, end = (vector - (vector * axis).sum(-1, keepdims=True) * axis for vector in (start, end))
    return np.degrees(np.arctan2((np.cross(start, end) * axis).sum(-1), (start * end).sum(-1)))


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1; one of no length stays 0."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length < 1e-9, np.inf, length)
