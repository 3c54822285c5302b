"""Every named point of the body as a fixed offset in a segment frame.

Names are those of configs/skeletons/_canonical.yaml.

Offsets are those of the reference person (1750 mm), right side, x forward, y up, z right, in mm. They stretch
with the subject's segments. Joint centres lie exactly where the VEHS marker rules put them (elbow midway
between the epicondyles, hip 50.8 mm inside the trochanter marker, and so on). Surface and face points are
approximate.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from lib.data.worker.anthropometry import HEEL_SOLE, Subject, reference_subject
from lib.data.worker.kinematics import PARENT, SEGMENTS, SIDE_SIGN, SIDES
from lib.errors import UserError

# name: (segment, joint the offset starts from or None for the segment's origin, offset mm)
Place = tuple[str, str | None, tuple[float, float, float]]

_CENTRE: dict[str, Place] = {
    # head, origin between skull and first vertebra
    "skull_base": ("head", None, (0, 0, 0)),
    "upper_neck": ("head", None, (2, -25, 0)),
    "nose": ("head", None, (114, 15, 0)),
    "face": ("head", None, (70, 0, 0)),
    "head_top": ("head", None, (5, 122, 0)),
    "head_vertex": ("head", None, (5, 161, 0)),
    "mid_forehead": ("head", None, (96, 90, 0)),
    "chin": ("head", None, (90, -66, 0)),
    "nose_bridge_0": ("head", None, (98, 48, 0)),
    "nose_bridge_1": ("head", None, (103, 38, 0)),
    "nose_bridge_2": ("head", None, (108, 28, 0)),
    "nose_bridge_3": ("head", None, (113, 18, 0)),
    "nose_base": ("head", None, (103, 3, 0)),
    "upper_lip": ("head", None, (100, -14, 0)),
    "upper_lip_inner": ("head", None, (98, -21, 0)),
    "lower_lip": ("head", None, (97, -38, 0)),
    "lower_lip_inner": ("head", None, (97, -28, 0)),
    # trunk
    "neck_joint": ("thorax", "neck", (-4, 8, 0)),
    "c7": ("thorax", "neck", (-47, 8, 0)),
    "c7_lower": ("thorax", "neck", (-68, -45, 0)),
    "suprasternal_notch": ("thorax", None, (86, 243, 0)),
    "xiphoid": ("thorax", None, (112, 85, 0)),
    "t8": ("thorax", None, (-72, 105, 0)),
    "mid_spine": ("abdomen", "thoracic", (15, 0, 0)),
    "lower_spine_joint": ("abdomen", None, (0, 105, 0)),
    "middle_spine_joint": ("thorax", None, (20, 76, 0)),
    "upper_spine_joint": ("thorax", None, (28, 132, 0)),
    "hip_center": ("pelvis", None, (0, 0, 0)),
    "pelvis_joint": ("pelvis", None, (2, 88, 0)),
}
_SIDE: dict[str, Place] = {
    "eye": ("head", None, (86, 49, 32)),
    "eye_inner": ("head", None, (85, 48, 17)),
    "eye_outer": ("head", None, (78, 48, 46)),
    "ear": ("head", None, (10, 35, 72)),
    "mouth_corner": ("head", None, (88, -25, 25)),
    "jaw_0": ("head", None, (18, 34, 70)),
    "jaw_1": ("head", None, (20, 16, 69)),
    "jaw_2": ("head", None, (24, -2, 67)),
    "jaw_3": ("head", None, (31, -20, 63)),
    "jaw_4": ("head", None, (43, -37, 56)),
    "jaw_5": ("head", None, (58, -50, 45)),
    "jaw_6": ("head", None, (74, -59, 31)),
    "jaw_7": ("head", None, (85, -65, 16)),
    "brow_0": ("head", None, (73, 62, 54)),
    "brow_1": ("head", None, (84, 69, 45)),
    "brow_2": ("head", None, (91, 71, 34)),
    "brow_3": ("head", None, (95, 69, 23)),
    "brow_4": ("head", None, (98, 65, 12)),
    "nostril_0": ("head", None, (96, 5, 15)),
    "nostril_1": ("head", None, (100, 3, 8)),
    "eyelid_0": ("head", None, (78, 48, 46)),
    "eyelid_1": ("head", None, (84, 54, 38)),
    "eyelid_2": ("head", None, (87, 54, 27)),
    "eyelid_3": ("head", None, (85, 47, 17)),
    "eyelid_4": ("head", None, (86, 43, 27)),
    "eyelid_5": ("head", None, (83, 43, 38)),
    "upper_lip_0": ("head", None, (95, -16, 14)),
    "upper_lip_1": ("head", None, (99, -12, 5)),
    "lower_lip_0": ("head", None, (92, -34, 15)),
    "lower_lip_1": ("head", None, (96, -38, 7)),
    "mouth_corner_inner": ("head", None, (89, -25, 21)),
    "upper_lip_inner_0": ("head", None, (95, -22, 9)),
    "lower_lip_inner_0": ("head", None, (94, -28, 9)),
    # shoulder and arm
    "collar": ("thorax", None, (22, 218, 78)),
    "shoulder": ("clavicle", "shoulder", (0, 0, 0)),
    "acromion": ("clavicle", "shoulder", (-6, 43, 2)),
    "acromion_front": ("clavicle", "shoulder", (50, 6, -4)),
    "acromion_back": ("clavicle", "shoulder", (-50, -6, 4)),
    "elbow": ("upper_arm", "elbow", (0, 0, 0)),
    "lateral_epicondyle": ("upper_arm", "elbow", (0, 0, 38)),
    "medial_epicondyle": ("upper_arm", "elbow", (0, 0, -38)),
    "wrist": ("forearm", "wrist", (0, 0, 0)),
    "hand_wrist": ("forearm", "wrist", (0, 0, 0)),
    "radial_styloid": ("forearm", "wrist", (29, 0, 0)),
    "ulnar_styloid": ("forearm", "wrist", (-29, 0, 0)),
    "hand_joint": ("hand", "middle_proximal", (0, 6, 0)),
    "thumb_point": ("thumb_proximal", "thumb_distal", (0, 4, 0)),
    "index_point": ("hand", "index_proximal", (2, -8, 4)),
    "pinky_point": ("hand", "pinky_proximal", (-3, -6, 4)),
    # pelvis and leg
    "asis": ("pelvis", None, (50, 72, 122)),
    "psis": ("pelvis", None, (-105, 86, 44)),
    "hip": ("pelvis", "hip", (0, 0, 0)),
    "knee": ("thigh", "knee", (0, 0, 0)),
    "medial_femoral_condyle": ("thigh", "knee", (0, 0, -51)),
    "lateral_femoral_condyle": ("thigh", "knee", (0, 0, 51)),
    "ankle": ("shank", "ankle", (0, 0, 0)),
    "medial_malleolus": ("shank", "ankle", (4, 3, -36)),
    "lateral_malleolus": ("shank", "ankle", (-4, -3, 36)),
    "heel": ("foot", None, (-64, -44, 0)),
    "heel_sole": ("foot", None, HEEL_SOLE),  # what touches the floor; not in the shared list of names
    "first_mtp": ("foot", "toes", (15, 3, -37)),
    "fifth_mtp": ("foot", "toes", (-15, -3, 37)),
    "foot_ball": ("foot", "toes", (0, 0, 0)),
    "toe_joint": ("foot", "toes", (6, 6, 0)),
    "big_toe": ("toes", None, (80, -1, -28)),
    "small_toe": ("toes", None, (34, -4, 40)),
    "toe_tip": ("toes", None, (80, -2, -12)),
}
_SAME_SEGMENT_MEANS = {
    "neck_base": ("c7", "suprasternal_notch"),
    "upper_thorax_center": ("c7_lower", "suprasternal_notch"),
    "ear_center": ("left_ear", "right_ear"),
    "posterior_pelvis": ("left_psis", "right_psis"),
    "pelvis": ("left_asis", "right_asis", "left_psis", "right_psis"),
    **{f"{side}_hand_center": (f"{side}_index_mcp", f"{side}_pinky_mcp") for side in SIDES},
}
_MEANS = {"shoulder_center": ("left_shoulder", "right_shoulder")}
TROCHANTER_MM = 50.8  # the marker lies two inches outside the hip centre along the line of the iliac spines
MARKER_DEPTH_MM = 9.0  # joint centre THORAX under the marker SS
HAND_OF_UNKNOWN_SIDE = "right"

_FINGER_JOINTS = {
    "thumb": {"cmc": "metacarpal", "mcp": "proximal", "ip": "distal", "tip": "tip"},
    **{
        finger: {"mcp": "proximal", "pip": "intermediate", "dip": "distal", "tip": "tip"}
        for finger in ("index", "middle", "ring", "pinky")
    },
}


def body_points(subject: Subject) -> dict[str, tuple[str, np.ndarray]]:
    """Segment and offset (3,) mm of every named point of a subject, except means over two segments."""
    points = {name: (place[0], _offset(subject, place)) for name, place in _CENTRE.items()}
    for finger, joints in _FINGER_JOINTS.items():
        before = "hand"
        for joint, bone in joints.items():
            for side in SIDES:
                offset = subject.joints[f"{finger}_{bone}"] * _mirror(side)
                points[f"{side}_{finger}_{joint}"] = (f"{side}_{before}", offset)
            before = f"{finger}_{bone}"
    for side in SIDES:
        for name, place in _SIDE.items():
            segment = place[0] if place[0] in PARENT else f"{side}_{place[0]}"
            points[f"{side}_{name}"] = (segment, _offset(subject, place) * _mirror(side))
        hip = points[f"{side}_hip"][1]
        outward = np.array([0.0, 0.0, TROCHANTER_MM * SIDE_SIGN[side]])
        points[f"{side}_greater_trochanter"] = ("pelvis", hip + outward)
    for name, parts in _SAME_SEGMENT_MEANS.items():
        points[name] = (points[parts[0]][0], np.mean([points[part][1] for part in parts], axis=0))
    notch, back = points["suprasternal_notch"][1], points["c7_lower"][1]
    points["thorax"] = ("thorax", notch + MARKER_DEPTH_MM * (back - notch) / np.linalg.norm(back - notch))
    return points


def canonical_point(name: str) -> str:
    """Name of the point that serves a canonical name: bare hand names are those of the right hand."""
    finger, _, joint = name.partition("_")
    if joint in _FINGER_JOINTS.get(finger, ()) or name == "hand_wrist":
        return f"{HAND_OF_UNKNOWN_SIDE}_{name}"
    return name


@lru_cache(maxsize=1)
def _segment_of() -> dict[str, str]:
    """Segment that carries each point."""
    return {name: segment for name, (segment, _) in body_points(reference_subject()).items()}


def point_names() -> tuple[str, ...]:
    """Names of all points that the worker has."""
    return (*_segment_of(), *_MEANS)


def needed_segments(names: tuple[str, ...]) -> tuple[str, ...]:
    """Segments, parents first, that the named points hang on; an unknown name raises ``UserError``."""
    if unknown := [name for name in names if name not in point_names()]:
        raise UserError(f"the built-in worker has no point for: {', '.join(unknown)}")
    needed = set()
    for name in names:
        for part in _MEANS.get(name, (name,)):
            segment: str | None = _segment_of()[part]
            while segment is not None:
                needed.add(segment)
                segment = PARENT[segment]
    return tuple(segment for segment in SEGMENTS if segment in needed)


def place_points(
    subject: Subject, rotation: dict[str, np.ndarray], origin: dict[str, np.ndarray], names: tuple[str, ...]
) -> np.ndarray:
    """World positions (F,K,3) mm of the named points, from rotations (F,3,3) and origins (F,3) by segment."""
    places = body_points(subject)
    columns: dict[str, list[int]] = {}
    for column, name in enumerate(names):
        if name not in _MEANS:
            columns.setdefault(places[name][0], []).append(column)
    frames = len(next(iter(origin.values())))
    out = np.empty((frames, len(names), 3))
    for segment, numbers in columns.items():
        offsets = np.stack([places[names[number]][1] for number in numbers], axis=1)
        out[:, numbers] = origin[segment][:, None] + (rotation[segment] @ offsets).swapaxes(1, 2)
    for column, name in enumerate(names):
        if name in _MEANS:
            out[:, column] = place_points(subject, rotation, origin, _MEANS[name]).mean(1)
    return out


def _offset(subject: Subject, place: Place) -> np.ndarray:
    segment, joint, offset = place
    scale = subject.scale[segment] if segment in subject.scale else subject.scale["hand"]
    start = subject.joints[joint] if joint else np.zeros(3)
    return start + np.array(offset, float) * scale


def _mirror(side: str) -> np.ndarray:
    return np.array([1.0, 1.0, SIDE_SIGN[side]])
