"""A small body for tests in SMPL's layout: 24 joints, rings of vertices around the bones, any vertex count."""

from __future__ import annotations

import numpy as np

from lib.skeleton import load_skeleton

RING = 6  # vertices of a ring
LEAF_ENDS_M = {  # where the tube goes that starts at a joint without children
    "skull_base": (0.0, 0.20, 0.02),
    "left_hand_joint": (0.09, 0.0, 0.0),
    "right_hand_joint": (-0.09, 0.0, 0.0),
    "left_toe_joint": (0.0, -0.01, 0.08),
    "right_toe_joint": (0.0, -0.01, 0.08),
}
# x to the body's left, y up, z to the front; the left side, the right one is its mirror image
JOINTS_M = {
    "pelvis_joint": (0.0, 0.0, 0.0),
    "left_hip": (0.07, -0.08, 0.0),
    "lower_spine_joint": (0.0, 0.11, -0.02),
    "left_knee": (0.10, -0.46, 0.01),
    "middle_spine_joint": (0.0, 0.25, -0.02),
    "left_ankle": (0.09, -0.87, -0.03),
    "upper_spine_joint": (0.0, 0.31, 0.0),
    "left_toe_joint": (0.11, -0.92, 0.09),
    "neck_joint": (0.0, 0.52, -0.03),
    "left_collar": (0.08, 0.43, -0.01),
    "skull_base": (0.0, 0.59, 0.02),
    "left_shoulder": (0.19, 0.45, -0.02),
    "left_elbow": (0.45, 0.44, -0.04),
    "left_wrist": (0.70, 0.45, -0.04),
    "left_hand_joint": (0.79, 0.44, -0.05),
}


def make_example_body(
    num_vertices: int = 400, seed: int = 0, *, num_betas: int = 10, posedirs: bool = True
) -> dict[str, np.ndarray]:
    """Arrays of a body as an SMPL file has them, float64; at least 336 vertices.

    Shape component 0 is the size, the others are random; ``posedirs=False`` gives pose offsets of zero.
    """
    rng = np.random.default_rng(seed)
    skeleton = load_skeleton("SMPL-24")
    joints = np.array([_joint_m(name) for name in skeleton.canonical])
    parents = skeleton.parents
    tubes = [(parents[child], child, joints[child]) for child in range(len(joints)) if parents[child] >= 0]
    for name, offset in LEAF_ENDS_M.items():
        leaf = skeleton.canonical.index(name)
        tubes.append((leaf, leaf, joints[leaf] + offset))
    num_rings = np.full(len(tubes), num_vertices // RING // len(tubes))
    num_rings[: num_vertices // RING - num_rings.sum()] += 1
    assert num_rings.min() >= 2, f"{num_vertices} vertices are too few for {len(tubes)} tubes"

    vertices, weights, faces = [], [], []
    regressor = np.zeros((len(joints), num_vertices))
    around = np.arange(RING) * 2 * np.pi / RING
    for (start, end, end_m), rings in zip(tubes, num_rings, strict=True):
        axis = (end_m - joints[start]) / np.linalg.norm(end_m - joints[start])
        side = np.cross(axis, np.eye(3)[np.abs(axis).argmin()])
        side /= np.linalg.norm(side)
        circle = 0.05 * (np.cos(around)[:, None] * side + np.sin(around)[:, None] * np.cross(axis, side))
        regressor[start] = 0  # the first ring of the last tube that starts there surrounds the joint
        regressor[start, len(vertices) : len(vertices) + RING] = 1 / RING
        for ring, t in enumerate(np.linspace(0, 1, rings)):
            row = np.zeros(len(joints))
            row[start] = 1.0
            for neighbour, share in ((parents[start], 0.3 - t), (end, t - 0.7)):
                moved = max(0.0, share) / 0.6 if neighbour >= 0 else 0.0
                row[start] -= moved
                row[neighbour] += moved
            if ring:
                here, before = len(vertices), len(vertices) - RING
                for k in range(RING):
                    nxt = (k + 1) % RING
                    faces += [
                        [before + k, before + nxt, here + k],
                        [before + nxt, here + nxt, here + k],
                    ]
            vertices += list(joints[start] + t * (end_m - joints[start]) + circle)
            weights += [row] * RING
    while len(vertices) < num_vertices:  # what is left caps the last tube
        faces.append([len(vertices) - 2, len(vertices) - 1, len(vertices)])
        vertices.append(vertices[-1] + 0.005 * axis)
        weights.append(weights[-1])
    template = np.array(vertices)
    shapedirs = rng.normal(0, 0.002, (num_vertices, 3, num_betas))
    shapedirs[..., 0] = 0.03 * template
    offsets = rng.normal(0, 0.002, (num_vertices, 3, 9 * (len(joints) - 1))) if posedirs else 0.0
    return {
        "v_template": template,
        "shapedirs": shapedirs,
        "posedirs": np.zeros((num_vertices, 3, 9 * (len(joints) - 1))) + offsets,
        "J_regressor": regressor,
        "weights": np.array(weights),
        # the root's parent is 2 ** 32 - 1 in SMPL's files
        "kintree_table": np.stack([parents, np.arange(len(joints))]).astype(np.uint32),
        "f": np.array(faces, np.uint32),
    }


def _joint_m(name: str) -> np.ndarray:
    if name.startswith("right_"):
        return _joint_m(name.replace("right_", "left_")) * [-1, 1, 1]
    return np.array(JOINTS_M[name])


def as_smplx(arrays: dict[str, np.ndarray], num_betas: int = 400) -> dict[str, np.ndarray]:
    """The same surface with the 55 joints of SMPL-X: jaw, eyes and fingers in the place of the hands."""
    hands = {20: range(25, 40), 21: range(40, 55)}  # wrist -> five fingers of three joints
    parents = np.concatenate([arrays["kintree_table"][0][:22], np.full(33, 15)]).astype(np.uint32)
    regressor = np.zeros((55, len(arrays["weights"])))
    weights = np.zeros((len(arrays["weights"]), 55))
    regressor[:22], weights[:, :22] = arrays["J_regressor"][:22], arrays["weights"][:, :22]
    regressor[22:25] = arrays["J_regressor"][15]
    for wrist, fingers in hands.items():
        for number, joint in enumerate(fingers):
            parents[joint] = joint - 1 if number % 3 else wrist
        hand = wrist + 2
        regressor[list(fingers)] = arrays["J_regressor"][hand]
        weights[:, list(fingers)] = arrays["weights"][:, hand, None] / len(fingers)
    rng = np.random.default_rng(1)
    more = rng.normal(0, 0.002, (len(weights), 3, num_betas - arrays["shapedirs"].shape[-1]))
    return {
        **arrays,
        "shapedirs": np.concatenate([arrays["shapedirs"], more], axis=-1),
        "posedirs": rng.normal(0, 0.002, (len(weights), 3, 9 * 54)),
        "J_regressor": regressor,
        "weights": weights,
        "kintree_table": np.stack([parents, np.arange(55, dtype=np.uint32)]),
    }
