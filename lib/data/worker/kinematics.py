"""Degrees of freedom of the worker, and forward kinematics from them to segment frames.

F frames, S segments, D degrees of freedom.

Frames (ISB): every segment has x forward, y up (towards the proximal joint for limbs), z to the person's
right, and its origin in the proximal joint (pelvis: midway between the hips). At anatomical zero (upright,
arms hanging, palms facing the thighs, thumbs forward) all rotation matrices are the identity, on both sides;
only the thumbs carry a constant rest rotation. World axes are the same with y vertical. A rotation matrix
maps segment to world.

Signs: flexion, dorsiflexion, forward tilt, abduction, internal rotation, pronation, elevation, protraction,
radial deviation and inversion are positive; lateral bend and list are positive to the right, axial rotation
and yaw positive to the left. Mirrored poses therefore have equal side angles exchanged and the last two kinds
negated. Rotations are Rz(flexion) Rx(abduction) Ry(rotation) of the child in the parent; the pelvis in the
world is Ry(yaw) Rz(-tilt) Rx(list); the upper arm is taken in the thorax (the clavicle only moves the
shoulder centre).
"""

from __future__ import annotations

import numpy as np

from lib.data.worker.anthropometry import PHALANGES, THUMB_BONES, Subject

SIDES = ("left", "right")
SIDE_SIGN = {"left": -1.0, "right": 1.0}
FINGERS = ("thumb", "index", "middle", "ring", "pinky")

CENTRE_DOFS = (
    *("pelvis_yaw", "pelvis_tilt", "pelvis_list"),
    *("trunk_flexion", "trunk_lateral", "trunk_rotation"),
    *("neck_flexion", "neck_lateral", "neck_rotation"),
)
SIDE_DOFS = (
    *("clavicle_elevation", "clavicle_protraction"),
    *("shoulder_flexion", "shoulder_abduction", "shoulder_rotation"),
    *("elbow_flexion", "forearm_pronation", "wrist_flexion", "wrist_radial"),
    *("hip_flexion", "hip_abduction", "hip_rotation", "knee_flexion"),
    *("ankle_dorsiflexion", "ankle_inversion", "ankle_rotation", "toe_extension"),
)
FINGER_DOFS = (
    *(
        "thumb_metacarpal_flexion",
        "thumb_metacarpal_radial",
        "thumb_metacarpal_rotation",
        "thumb_proximal_flexion",
        "thumb_distal_flexion",
    ),
    *(
        f"{finger}_{dof}"
        for finger in FINGERS[1:]
        for dof in ("proximal_flexion", "proximal_radial", "intermediate_flexion", "distal_flexion")
    ),
)
DOF_NAMES = (*CENTRE_DOFS, *(f"{side}_{dof}" for side in SIDES for dof in (*SIDE_DOFS, *FINGER_DOFS)))
DOF_INDEX = {name: number for number, name in enumerate(DOF_NAMES)}

_BODY = {"abdomen": "pelvis", "thorax": "abdomen", "neck": "thorax", "head": "neck"}
_SIDE = {
    **{"clavicle": "thorax", "upper_arm": "clavicle", "forearm": "upper_arm", "hand": "forearm"},
    **{"thigh": "pelvis", "shank": "thigh", "foot": "shank", "toes": "foot"},
}
_HAND = {
    f"{finger}_{bone}": "hand" if number == 0 else f"{finger}_{bones[number - 1]}"
    for finger in FINGERS
    for bones in [THUMB_BONES if finger == "thumb" else PHALANGES]
    for number, bone in enumerate(bones)
}
# segment -> joint at its origin, as named by Subject.joints
ORIGIN_JOINT = {
    **{"abdomen": "lumbar", "thorax": "thoracic", "neck": "neck", "head": "head", "clavicle": "clavicle"},
    **{"upper_arm": "shoulder", "forearm": "elbow", "hand": "wrist", "thigh": "hip", "shank": "knee"},
    **{"foot": "ankle", "toes": "toes"},
    **{segment: segment for segment in _HAND},
}
PARENT: dict[str, str | None] = {
    "pelvis": None,
    **_BODY,
    **{
        f"{side}_{segment}": f"{side}_{parent}" if parent in _SIDE else parent
        for side in SIDES
        for segment, parent in _SIDE.items()
    },
    **{f"{side}_{segment}": f"{side}_{parent}" for side in SIDES for segment, parent in _HAND.items()},
}
SEGMENTS = tuple(PARENT)


# the lumbar spine takes this share of the trunk angles, the lower neck this share of the neck angles
ABDOMEN_SHARE = 0.55
NECK_SHARE = 0.5


def thumb_rest(side: str) -> np.ndarray:
    """Constant rotation (3,3) of the thumb's first bone in the hand: down, forward and to the palm."""
    down = np.array([0.66, -0.68, -0.32])
    curl = np.array([-0.62, -0.15, -0.77])  # where the tip goes when the thumb bends
    y_axis = -down / np.linalg.norm(down)
    z_axis = -(curl - (curl @ y_axis) * y_axis)
    z_axis /= np.linalg.norm(z_axis)
    rest = np.stack([np.cross(y_axis, z_axis), y_axis, z_axis], axis=1)
    mirror = np.diag([1.0, 1.0, SIDE_SIGN[side]])
    return mirror @ rest @ mirror


def rotation_zxy(
    z_deg: np.ndarray | float, x_deg: np.ndarray | float, y_deg: np.ndarray | float
) -> np.ndarray:
    """Rz Rx Ry (F,3,3) of angles (F,) in degrees; a plain 0.0 costs nothing."""
    (sz, cz), (sx, cx), (sy, cy) = (_sin_cos(angle) for angle in (z_deg, x_deg, y_deg))
    szsx, czsx = sz * sx, cz * sx
    entries = (
        *(cz * cy - szsx * sy, -sz * cx, cz * sy + szsx * cy),
        *(sz * cy + czsx * sy, cz * cx, sz * sy - czsx * cy),
        *(-cx * sy, sx, cx * cy),
    )
    shape = np.broadcast_shapes(np.shape(z_deg), np.shape(x_deg), np.shape(y_deg))
    matrix = np.empty((*shape, 9))
    for column, entry in enumerate(entries):
        matrix[..., column] = entry
    return matrix.reshape(*shape, 3, 3)


def angles_zxy(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Angles (F,) in degrees of Rz Rx Ry = matrix (F,3,3); x within +-90."""
    z = np.arctan2(-matrix[..., 0, 1], matrix[..., 1, 1])
    x = np.arcsin(np.clip(matrix[..., 2, 1], -1.0, 1.0))
    y = np.arctan2(-matrix[..., 2, 0], matrix[..., 2, 2])
    return np.degrees(z), np.degrees(x), np.degrees(y)


def rotation_yzx(
    y_deg: np.ndarray | float, z_deg: np.ndarray | float, x_deg: np.ndarray | float
) -> np.ndarray:
    """Ry Rz Rx (F,3,3) of angles (F,) in degrees."""
    return rotation_zxy(0.0, 0.0, np.asarray(y_deg)) @ rotation_zxy(z_deg, np.asarray(x_deg), 0.0)


def angles_yzx(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Angles (F,) in degrees of Ry Rz Rx = matrix (F,3,3); z within +-90."""
    y = np.arctan2(-matrix[..., 2, 0], matrix[..., 0, 0])
    z = np.arcsin(np.clip(matrix[..., 1, 0], -1.0, 1.0))
    x = np.arctan2(-matrix[..., 1, 2], matrix[..., 1, 1])
    return np.degrees(y), np.degrees(z), np.degrees(x)


def side_offset(subject: Subject, joint: str, side: str | None) -> np.ndarray:
    """Offset (3,) of a joint in its parent segment, with z negated on the left side."""
    offset = subject.joints[joint]
    return offset * np.array([1.0, 1.0, SIDE_SIGN[side]]) if side else offset


def local_rotation(segment: str, dofs: np.ndarray) -> np.ndarray:
    """Rotation (F,3,3) of a segment in its parent (pelvis: in the world; upper arm: in the thorax).

    dofs (D,F) in degrees, rows in the order of ``DOF_NAMES``.
    """

    def dof(name: str) -> np.ndarray:
        return dofs[DOF_INDEX[name]]

    if segment == "pelvis":
        return rotation_yzx(dof("pelvis_yaw"), -dof("pelvis_tilt"), dof("pelvis_list"))
    if segment in _BODY:
        region, share = {
            "abdomen": ("trunk", ABDOMEN_SHARE),
            "thorax": ("trunk", 1.0),
            "neck": ("neck", NECK_SHARE),
            "head": ("neck", 1.0),
        }[segment]
        flexion, lateral, rotation = (
            share * dof(f"{region}_{kind}") for kind in ("flexion", "lateral", "rotation")
        )
        return rotation_zxy(-flexion, lateral, rotation)
    side, part = segment.split("_", 1)
    sign = SIDE_SIGN[side]

    def of_side(name: str) -> np.ndarray:
        return dofs[DOF_INDEX[f"{side}_{name}"]]

    if part == "clavicle":
        return rotation_zxy(
            0.0, -sign * of_side("clavicle_elevation"), sign * of_side("clavicle_protraction")
        )
    if part in ("upper_arm", "thigh"):
        joint = "shoulder" if part == "upper_arm" else "hip"
        flexion, abduction, rotation = (
            of_side(f"{joint}_{kind}") for kind in ("flexion", "abduction", "rotation")
        )
        return rotation_zxy(flexion, -sign * abduction, sign * rotation)
    if part == "forearm":
        return rotation_zxy(of_side("elbow_flexion"), 0.0, sign * of_side("forearm_pronation"))
    if part == "hand":
        return rotation_zxy(of_side("wrist_radial"), sign * of_side("wrist_flexion"), 0.0)
    if part == "shank":
        return rotation_zxy(-of_side("knee_flexion"), 0.0, 0.0)
    if part == "foot":
        inversion, rotation = sign * of_side("ankle_inversion"), sign * of_side("ankle_rotation")
        return rotation_zxy(of_side("ankle_dorsiflexion"), inversion, rotation)
    if part == "toes":
        return rotation_zxy(of_side("toe_extension"), 0.0, 0.0)
    flexion = sign * of_side(f"{part}_flexion")
    if part == "thumb_metacarpal":
        turn = sign * of_side("thumb_metacarpal_rotation")
        return thumb_rest(side) @ rotation_zxy(of_side("thumb_metacarpal_radial"), flexion, turn)
    radial = of_side(f"{part}_radial") if f"{side}_{part}_radial" in DOF_INDEX else 0.0
    return rotation_zxy(radial, flexion, 0.0)


def forward(
    subject: Subject, pelvis_mm: np.ndarray, dofs: np.ndarray, segments: tuple[str, ...] = SEGMENTS
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Segment rotations (F,3,3) and origins (F,3) mm in the world, each by segment name.

    pelvis_mm (F,3): midpoint of the hip centres; dofs (D,F) in degrees; ``segments`` in an order that has
    parents first (any prefix-closed part of ``SEGMENTS``).
    """
    rotation: dict[str, np.ndarray] = {}
    origin: dict[str, np.ndarray] = {}
    for segment in segments:
        local, parent = local_rotation(segment, dofs), PARENT[segment]
        if parent is None:
            rotation[segment], origin[segment] = local, pelvis_mm
            continue
        side, part = segment.split("_", 1) if segment.startswith(SIDES) else (None, segment)
        # thorax and head angles are those against pelvis and thorax: the segment between only bends the line
        base = {"thorax": "pelvis", "head": "thorax", "upper_arm": "thorax"}.get(part, parent)
        rotation[segment] = rotation[base] @ local
        origin[segment] = origin[parent] + rotation[parent] @ side_offset(subject, ORIGIN_JOINT[part], side)
    return rotation, origin


_SWAP = np.array(
    [
        DOF_INDEX[
            name.replace("left_", "right_", 1)
            if name.startswith("left_")
            else name.replace("right_", "left_", 1)
        ]
        for name in DOF_NAMES
    ]
)
_MIRROR_SIGN = np.array(
    [
        -1.0 if name in CENTRE_DOFS and name.endswith(("yaw", "list", "lateral", "rotation")) else 1.0
        for name in DOF_NAMES
    ]
)


def mirror_dofs(dofs: np.ndarray) -> np.ndarray:
    """Degrees of freedom (D,...) of the pose mirrored in the plane of world x and y."""
    return dofs[_SWAP] * _MIRROR_SIGN.reshape(-1, *[1] * (dofs.ndim - 1))


def _sin_cos(angle_deg: np.ndarray | float) -> tuple[np.ndarray | float, np.ndarray | float]:
    if isinstance(angle_deg, float) and angle_deg == 0.0:
        return 0.0, 1.0
    radians = np.radians(angle_deg)
    return np.sin(radians), np.cos(radians)
