"""The worker's posture as joint rotations of an SMPL body.

Worker axes: x forward, y up, z right, every segment the identity with arms hanging (``kinematics.py``). SMPL
axes: x left, y up, z forward, every joint the identity in its rest pose, the arms out to the sides. A joint of
the body turns like the segment that it moves, counted from the worker's own such posture. F frames, K joints.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lib.data.worker.anthropometry import reference_subject
from lib.data.worker.body_points import place_points
from lib.data.worker.kinematics import DOF_INDEX, DOF_NAMES, SIDES, forward, local_rotation
from lib.errors import UserError
from lib.geometry import axis_angle_to_matrix, matrix_to_axis_angle

SMPL_AXES = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
"""Worker axes to SMPL axes: SMPL's x is the worker's -z, its z the worker's x."""

# joint of the body (canonical name) -> segment of the worker that it moves
_CENTRE = {"pelvis_joint": "pelvis", "neck_joint": "neck", "skull_base": "head"}
_SIDE = {
    **{"collar": "clavicle", "shoulder": "upper_arm", "elbow": "forearm", "wrist": "hand"},
    **{
        "hand_joint": "middle_proximal",
        "hip": "thigh",
        "knee": "shank",
        "ankle": "foot",
        "toe_joint": "toes",
    },
}
# Share of the bend from pelvis to thorax that is done below each joint: SMPL's spine bends in three places,
# the worker's in two.
_SPINE = {"lower_spine_joint": 0.5, "middle_spine_joint": 0.85, "upper_spine_joint": 1.0}
# The forearm's skin turns with the hand only in part; all of it at the elbow would wring the elbow.
FOREARM_TWIST = 0.5
# The body has one joint for all fingers; it takes this share of the bend of the middle finger's knuckle.
FINGER_SHARE = 0.5
# A bone whose direction in the body's rest pose counts, by the joints at its ends: arms and legs hang as the
# worker's do although the body's rest pose holds them a little otherwise. Of a foot only the toe-out counts.
_BONES = {"shoulder": "elbow", "elbow": "wrist", "wrist": "hand_joint", "hip": "knee", "knee": "ankle"}
_FOOT = ("ankle", "toe_joint")

# the segments needed, parents first
SEGMENTS = (
    *("pelvis", "abdomen", "thorax", "neck", "head"),
    *(f"{side}_{part}" for side in SIDES for part in _SIDE.values()),
)


def body_pose(
    rest_joints: np.ndarray, names: Sequence[str], parents: np.ndarray, dofs: np.ndarray
) -> np.ndarray:
    """Rotations (F,K,3,3) of a body's joints in their parents; the first maps SMPL axes to the world.

    rest_joints (K,3) at rest, of any unit, their canonical ``names`` and ``parents``; dofs (D,F) in
    degrees as ``kinematics.forward`` takes them. A joint that no segment moves raises ``UserError``.
    """
    world = _segment_rotations(dofs)
    t_pose = _segment_rotations(t_pose_dofs())
    turned = {name: world[name] @ t_pose[name].swapaxes(1, 2) @ SMPL_AXES.T for name in world}
    if unknown := [name for name in names if name not in turned]:
        raise UserError(f"the built-in worker moves no joint {', '.join(unknown)} of this body")
    rest = _rest_corrections(rest_joints, list(names))
    joints = np.stack([turned[name] @ rest[name] for name in names], axis=1)
    local = joints.copy()
    local[:, 1:] = joints[:, parents[1:]].swapaxes(-1, -2) @ joints[:, 1:]
    return local


def _segment_rotations(dofs: np.ndarray) -> dict[str, np.ndarray]:
    """World rotation (F,3,3) of the segment behind each joint, by the joint's name."""
    nowhere = np.zeros((dofs.shape[1], 3))
    rotation, _ = forward(reference_subject(), nowhere, dofs, SEGMENTS)
    found = {name: rotation[segment] for name, segment in _CENTRE.items()}
    bend = matrix_to_axis_angle(rotation["pelvis"].swapaxes(1, 2) @ rotation["thorax"])
    for name, share in _SPINE.items():
        found[name] = rotation["pelvis"] @ axis_angle_to_matrix(share * bend)
    half_turned = dofs.copy()
    for side in SIDES:
        half_turned[DOF_INDEX[f"{side}_forearm_pronation"]] *= FOREARM_TWIST
    for side in SIDES:
        for joint, segment in _SIDE.items():
            found[f"{side}_{joint}"] = rotation[f"{side}_{segment}"]
        forearm = local_rotation(f"{side}_forearm", half_turned)
        found[f"{side}_elbow"] = rotation[f"{side}_upper_arm"] @ forearm
        curl = matrix_to_axis_angle(local_rotation(f"{side}_middle_proximal", dofs))
        found[f"{side}_hand_joint"] = rotation[f"{side}_hand"] @ axis_angle_to_matrix(FINGER_SHARE * curl)
    return found


def t_pose_dofs() -> np.ndarray:
    """Degrees of freedom (D,1) of standing upright, arms level to the sides, palms down."""
    dofs = np.zeros((len(DOF_NAMES), 1))
    for side in SIDES:
        dofs[DOF_INDEX[f"{side}_shoulder_abduction"]] = 90.0
    return dofs


def _rest_corrections(rest_joints: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
    """Rotation (3,3) in SMPL axes from the body's rest pose to the worker's, by joint."""
    rotation, origin = forward(reference_subject(), np.zeros((1, 3)), t_pose_dofs())
    points = place_points(reference_subject(), rotation, origin, tuple(names))[0] @ SMPL_AXES.T

    def bones(side: str, start: str, end: str) -> list[np.ndarray]:
        ends = names.index(f"{side}_{end}"), names.index(f"{side}_{start}")
        return [joints[ends[0]] - joints[ends[1]] for joints in (rest_joints, points)]

    found = dict.fromkeys(names, np.eye(3))
    for side in SIDES:
        for start, end in _BONES.items():
            found[f"{side}_{start}"] = _shortest_turn(*bones(side, start, end))
        level = [bone * [1.0, 0.0, 1.0] for bone in bones(side, *_FOOT)]
        for joint in _FOOT:
            found[f"{side}_{joint}"] = _shortest_turn(*level)
        found[f"{side}_hand_joint"] = found[f"{side}_wrist"]
    return found


def _shortest_turn(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Rotation (3,3) that takes the direction (3,) ``start`` to ``end`` the shortest way."""
    a, b = start / np.linalg.norm(start), end / np.linalg.norm(end)
    axis = np.cross(a, b)
    sine = np.linalg.norm(axis)
    angle = np.arctan2(sine, a @ b)
    return np.asarray(axis_angle_to_matrix(axis * (angle / sine if sine > 1e-9 else 1.0)))
