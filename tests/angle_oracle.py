"""Joint angles by other ways than ``lib.angles``: from segment axes, from what was commanded, and by ergo3d.

Nothing here sees a joint format, but for ergo3d, which takes points. Letters: F frames.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from lib.data.worker import WorkerTruth
from lib.data.worker.anthropometry import Subject
from lib.data.worker.body_points import body_points
from lib.data.worker.kinematics import DOF_NAMES, PARENT, SIDE_SIGN, SIDES, forward
from lib.skeleton import Skeleton

UP = np.array([0.0, 1.0, 0.0])
Angles = dict[str, np.ndarray]


def dot(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one * other).sum(-1)


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector, axis=-1, keepdims=True)


def across(vector: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Unit vector of the part of a vector at right angles to a unit axis."""
    return unit(vector - dot(vector, axis)[..., None] * axis)


def turn_deg(vector: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Angle of a vector's part in the plane of two unit axes, from the first towards the second."""
    return np.degrees(np.arctan2(dot(vector, end), dot(vector, start)))


def between_deg(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip(dot(unit(one), unit(other)), -1.0, 1.0)))


class Segments:
    """A person's segment axes and lines between landmarks, (F,3) in the world, from rotations (F,3,3) alone."""

    def __init__(self, subject: Subject, rotation: dict[str, np.ndarray]) -> None:
        self.subject, self.rotation, self.places = subject, rotation, body_points(subject)
        _, origins = forward(subject, np.zeros((1, 3)), np.zeros((len(DOF_NAMES), 1)))
        self.rest = {segment: origin[0] for segment, origin in origins.items()}

    def at_rest(self) -> Segments:
        """The same person at anatomical zero."""
        return Segments(self.subject, {segment: np.eye(3)[None] for segment in self.rotation})

    def axis(self, segment: str, axis: str) -> np.ndarray:
        return self.rotation[segment][:, :, "xyz".index(axis)]

    def _origin(self, segment: str) -> np.ndarray:
        """Proximal joint from the middle of the hips: the bones before it, each turned with its segment."""
        parent = PARENT[segment]
        if parent is None:
            return np.zeros_like(self.axis(segment, "x"))
        return self._origin(parent) + self.rotation[parent] @ (self.rest[segment] - self.rest[parent])

    def place(self, *landmarks: str) -> np.ndarray:
        """Mean of landmarks from the middle of the hips."""
        places = [self.places[name] for name in landmarks]
        return np.mean(
            [self._origin(segment) + self.rotation[segment] @ offset for segment, offset in places], axis=0
        )

    def line(self, start: str, end: str) -> np.ndarray:
        return self.place(end) - self.place(start)


SHOULDERS, HIPS = ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")


def by_definition(body: Segments) -> Angles:
    """Every angle by its definition, degrees; zeros are the caller's business except those of trunk and chest."""
    rest = body.at_rest()

    def upright(low: str, high: str, to_right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x and y of the frame on a trunk line, turned so that the line is vertical at rest."""
        line = unit(body.line(low, high))
        front = np.cross(line, across(to_right, line))
        lean = rest.line(low, high)[0]
        sine, cosine = lean[:2] / np.hypot(*lean[:2])
        return sine * line + cosine * front, cosine * line - sine * front

    shoulders = body.line(*SHOULDERS)
    trunk = upright("pelvis", "c7", shoulders)[1]
    head_x, head_y, head_z = (body.axis("head", axis) for axis in "xyz")
    up = np.broadcast_to(UP, trunk.shape)
    right = across(body.axis("pelvis", "z"), up)
    front = np.cross(up, right)
    neck = unit(body.place("ear_center") - body.place(*SHOULDERS))
    neck_right = across(shoulders, neck)
    back = unit(body.place(*SHOULDERS) - body.place(*HIPS))
    back_right = across(body.axis("pelvis", "z"), back)
    found = {
        "neck_flexion": turn_deg(-trunk, -head_y, head_x),
        "neck_lateral": turn_deg(-trunk, -head_y, head_z),
        "neck_rotation": turn_deg(head_z, neck_right, np.cross(neck, neck_right)),
        "back_flexion": turn_deg(trunk, up, front),
        "back_lateral": turn_deg(trunk, up, right),
        "back_rotation": turn_deg(shoulders, back_right, np.cross(back, back_right)),
        "trunk_inclination": between_deg(trunk, up),
        "trunk_flexion": turn_deg(trunk, up, front),
        "trunk_lateral": 90 - between_deg(trunk, right),
        "head_inclination": between_deg(head_y, up),
        "head_flexion": turn_deg(head_y, up, np.cross(up, across(head_z, up))),
    }
    notch = unit(body.line("pelvis", "c7_lower"))
    chest_x, chest_y = upright("pelvis", "c7_lower", np.cross(body.line("c7_lower", "thorax"), notch))
    for side in SIDES:
        found |= {f"{side}_{name}": angle for name, angle in _of_side(body, side, chest_x, chest_y).items()}
    return found


def _of_side(body: Segments, side: str, chest_x: np.ndarray, chest_y: np.ndarray) -> Angles:
    sign = SIDE_SIGN[side]
    outward = sign * np.cross(chest_x, chest_y)
    upper, fore, hand, thigh, shank = (
        tuple(body.axis(f"{side}_{segment}", axis) * (sign if axis == "z" else 1) for axis in "xyz")
        for segment in ("upper_arm", "forearm", "hand", "thigh", "shank")
    )
    pelvis = tuple(body.axis("pelvis", axis) * (sign if axis == "z" else 1) for axis in "xyz")
    arm, leg = -upper[1], -thigh[1]
    arm_front = across(body.line(f"{side}_acromion_back", f"{side}_acromion_front"), upper[1])
    fore_out, leg_out = across(upper[2], fore[1]), across(pelvis[2], thigh[1])
    return {
        "shoulder_raise": turn_deg(body.line("thorax", f"{side}_shoulder"), outward, chest_y),
        "shoulder_elevation": between_deg(arm, -chest_y),
        "shoulder_flexion": turn_deg(arm, -chest_y, chest_x),
        "shoulder_abduction": turn_deg(arm, -chest_y, outward),
        "shoulder_horizontal_abduction": turn_deg(arm, outward, chest_x),
        "shoulder_rotation": turn_deg(upper[2], sign * np.cross(arm_front, upper[1]), arm_front),
        "elbow_flexion": between_deg(arm, -fore[1]),
        "wrist_flexion": turn_deg(fore[1], hand[1], -hand[2]),
        "wrist_deviation": turn_deg(fore[1], hand[1], hand[0]),
        "forearm_pronation": turn_deg(fore[0], sign * np.cross(fore[1], fore_out), -fore_out),
        "hip_flexion": turn_deg(leg, -pelvis[1], pelvis[0]),
        "hip_abduction": 90 - between_deg(leg, pelvis[2]),
        "hip_rotation": turn_deg(thigh[2], leg_out, sign * np.cross(thigh[1], leg_out)),
        "knee_flexion": between_deg(leg, -shank[1]),
        "ankle_flexion": between_deg(-shank[1], body.line(f"{side}_heel", f"{side}_foot_ball")),
    }


# our name -> degree of freedom of the worker; sided names without their side
COMMANDED = {
    **{name: name for name in ("neck_flexion", "neck_lateral", "neck_rotation")},
    "back_rotation": "trunk_rotation",
    **{name: name for name in ("shoulder_rotation", "elbow_flexion", "forearm_pronation", "wrist_flexion")},
    **{name: name for name in ("hip_flexion", "hip_abduction", "hip_rotation", "knee_flexion")},
    "shoulder_raise": "clavicle_elevation",
    "wrist_deviation": "wrist_radial",
    "ankle_flexion": "ankle_dorsiflexion",
    "thumb_mcp_flexion": "thumb_proximal_flexion",
    "thumb_ip_flexion": "thumb_distal_flexion",
    **{
        f"{finger}_{ours}": f"{finger}_{theirs}"
        for finger in ("index", "middle", "ring", "pinky")
        for ours, theirs in {
            **{"mcp_flexion": "proximal_flexion", "spread": "proximal_radial"},
            **{"pip_flexion": "intermediate_flexion", "dip_flexion": "distal_flexion"},
        }.items()
    },
}


def by_anatomy(body: Segments, truth: WorkerTruth, frames: slice) -> Angles:
    """Angles between neighbouring segments, degrees: as commanded, or by the axes of the thorax."""
    found = {}
    for ours, theirs in COMMANDED.items():
        for name in (theirs, *(f"{side}_{theirs}" for side in SIDES)):
            if name in truth.dof_names:
                found[name.replace(theirs, ours)] = truth.dof(name)[frames]
    chest_x, chest_y, chest_z = (body.axis("thorax", axis) for axis in "xyz")
    up = np.broadcast_to(UP, chest_y.shape)
    right = across(body.axis("pelvis", "z"), up)
    found |= {
        "trunk_inclination": between_deg(chest_y, up),
        "trunk_lateral": 90 - between_deg(chest_y, right),
        "back_lateral": turn_deg(chest_y, up, right),
        **dict.fromkeys(("trunk_flexion", "back_flexion"), turn_deg(chest_y, up, np.cross(up, right))),
    }
    for side in SIDES:
        arm, outward = -body.axis(f"{side}_upper_arm", "y"), SIDE_SIGN[side] * chest_z
        found |= {
            f"{side}_shoulder_elevation": between_deg(arm, -chest_y),
            f"{side}_shoulder_flexion": turn_deg(arm, -chest_y, chest_x),
            f"{side}_shoulder_abduction": turn_deg(arm, -chest_y, outward),
            f"{side}_shoulder_horizontal_abduction": turn_deg(arm, outward, chest_x),
        }
    return found


NO_ZERO = ("elbow_flexion", "knee_flexion", "inclination", "elevation", "horizontal_abduction")


def references(truth: WorkerTruth, people: dict[str, Subject]) -> tuple[Angles, Angles]:
    """Both references (F,), person by person."""
    parts: tuple[list[Angles], list[Angles]] = ([], [])
    names = np.asarray(truth.subject)
    changes = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1), len(names)]
    for start, end in pairwise(changes):
        frames = slice(int(start), int(end))
        body = Segments(people[names[start]], {name: truth.segment(name)[frames] for name in truth.segments})
        found, zero = by_definition(body), by_definition(body.at_rest())
        parts[0].append(
            {
                name: angle if name.endswith(NO_ZERO) else wrap_deg(angle - zero[name])
                for name, angle in found.items()
            }
        )
        parts[1].append(by_anatomy(body, truth, frames))
    first, second = (
        {name: np.concatenate([part[name] for part in some]) for name in some[0]} for some in parts
    )
    return first, second


def wrap_deg(angle: np.ndarray) -> np.ndarray:
    return (angle + 180) % 360 - 180


def by_ergo3d(points: dict[str, np.ndarray]) -> Angles:
    """Angles by the package ergo3d from points (F,3) by their VEHS names, degrees, with this project's signs and zeros.

    Left sides are right sides of the mirrored pose: the package has no left-handed frames.
    """
    import ergo3d

    def point(name: str) -> ergo3d.NpPoints:
        return ergo3d.NpPoints(np.asarray(points[name], float))

    def middle(one: str, other: str) -> ergo3d.Point:
        return ergo3d.Point.mid_point(point(one), point(other))

    def measure(plane, origin, axis, sequence, vector, planes):
        frame = ergo3d.CoordinateSystem3D()
        frame.set_by_plane(plane, origin, axis, sequence=sequence)
        angles = ergo3d.JointAngles()
        angles.get_flex_abd(frame, vector, plane_seq=planes)
        return np.degrees(angles.flexion), np.degrees(angles.abduction)

    def rotation(*names: str) -> np.ndarray:
        return np.degrees(ergo3d.JointAngles().get_rot(*map(point, names)))

    vector = ergo3d.Point.vector
    pelvis, ear = point("PELVIS"), middle("REAR", "LEAR")
    flexion, lateral = measure(
        ergo3d.Plane(point("REAR"), point("LEAR"), point("HDTP")), ear, point("HDTP"), "yxz",
        vector(point("C7"), pelvis), ["xy", "yz"],
    )  # fmt: skip
    found = {
        "neck_flexion": flexion + 90,
        "neck_lateral": -(lateral + 180),
        "neck_rotation": -rotation("LEAR", "REAR", "LSHOULDER", "RSHOULDER") - 180,
        "right_elbow_flexion": 180 - np.degrees(
            ergo3d.Point.angle(*(vector(point("RELBOW"), point(end)).xyz for end in ("RSHOULDER", "RWRIST")))
        ),
        "right_knee_flexion": 180 - np.degrees(
            ergo3d.Point.angle(*(vector(point("RKNEE"), point(end)).xyz for end in ("RHIP", "RANKLE")))
        ),
    }  # fmt: skip
    level, up = ergo3d.Plane(), ergo3d.Point.create_const_vector(0, 1000, 0, examplePt=pelvis)
    level.set_by_vector(pelvis, up)
    # the public definition runs its axis from PELVIS to the right hip alone, so that a mirrored pose differs
    right = level.project_point(ergo3d.Point.translate_point(pelvis, vector(point("LHIP"), point("RHIP"))))
    flexion, lateral = measure(level, pelvis, right, "zyx", vector(pelvis, point("C7")), ["xy", "yz"])
    found |= {"back_flexion": -(flexion - 90), "back_lateral": lateral}
    found["back_rotation"] = -rotation("RSHOULDER", "LSHOULDER", "RHIP", "LHIP") - 180
    trunk = vector(point("C7_d"), pelvis)
    flat = ergo3d.Plane()
    flat.set_by_vector(point("C7_d"), trunk, direction=-1)
    front = flat.project_point(point("THORAX"))
    arm = vector(point("RSHOULDER"), point("RELBOW"))
    frame = (flat, point("C7_d"), front, "xyz", arm)
    flexion, abduction = measure(*frame, ["xy", "yz"])
    found |= {
        "right_shoulder_flexion": flexion + 90,
        "right_shoulder_abduction": -(abduction - 180),
        "right_shoulder_elevation": np.degrees(ergo3d.Point.angle(arm.xyz, trunk.xyz)),
        "right_shoulder_horizontal_abduction": -(measure(*frame, ["xy", "xz"])[1] - 90),
        "right_shoulder_rotation": rotation("RAP_b", "RAP_f", "RME", "RLE") - 90,
    }
    flexion, deviation = measure(
        ergo3d.Plane(point("RMCP2"), point("RWRIST"), point("RMCP5")), point("RWRIST"), point("RHAND"), "yxz",
        vector(point("RWRIST"), point("RELBOW")), ["xy", "yz"],
    )  # fmt: skip
    found |= {"right_wrist_flexion": -flexion - 90, "right_wrist_deviation": -(deviation + 180)}
    if "RRS" in points:
        found["right_forearm_pronation"] = rotation("RRS", "RUS", "RLE", "RME") + 90
    return {name: wrap_deg(angle) for name, angle in found.items()}


def ergo3d_of(truth: WorkerTruth, skeleton: Skeleton) -> Angles:
    """``by_ergo3d`` of both sides."""
    joints = {
        name: truth.point(canonical)
        for name, canonical in zip(skeleton.joints, skeleton.canonical, strict=True)
    }
    found = by_ergo3d(joints)
    mirrored = {
        skeleton.joints[other]: joints[name] * [1.0, 1.0, -1.0]
        for name, other in zip(skeleton.joints, skeleton.flip_idx, strict=True)
    }
    left = {
        name.replace("right", "left"): angle for name, angle in by_ergo3d(mirrored).items() if "right" in name
    }
    return found | left
