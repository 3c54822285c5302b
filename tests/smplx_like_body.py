"""A body in the shape of SMPL-X made from one in the shape of SMPL: 55 joints, other vertices, other shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import sparse

from lib.body import BodyModel

Arrays = dict[str, np.ndarray]
BODY_JOINTS = 22  # of both kinds: all but the hands


class SmplxLike(NamedTuple):
    """The new body, and how it goes back to the old one."""

    arrays: Arrays
    transfer: sparse.csr_array
    """(V, new V) gives the old vertices."""
    turn: np.ndarray
    offset: np.ndarray
    """``(old shape - offset) @ turn`` is the new shape: (B,B), (B,)."""


def make_smplx_like(
    old: Mapping[str, np.ndarray], seed: int = 0, *, foreign_mm: float = 0.0, joint_mm: float = 5.0
) -> SmplxLike:
    """Body of 55 joints in SMPL's layout.

    Every other vertex is moved along an edge, the centres of half the triangles are added, and all stand in
    another order. The mean body has another shape; joints lie ``joint_mm`` off, and a smooth displacement of
    ``foreign_mm`` (root mean square) is none of the old body's shapes.
    """
    rng = np.random.default_rng(seed)
    mix, transfer, faces = _other_vertices(old["f"].astype(np.int64), len(old["v_template"]), rng)

    def moved(array: np.ndarray) -> np.ndarray:
        return (mix @ array.reshape(len(array), -1)).reshape(-1, *array.shape[1:])

    num_betas = old["shapedirs"].shape[-1]
    turn = np.linalg.qr(rng.normal(size=(num_betas, num_betas)))[0]
    offset = rng.normal(0, 0.5, num_betas)
    template = moved(old["v_template"] + old["shapedirs"] @ offset)
    waves = np.sin(template @ rng.normal(0, 6, (3, 3)) + rng.uniform(0, 2 * np.pi, 3))
    template = template + 1e-3 * foreign_mm * np.sqrt(2 / 3) * waves
    weights, pieces, parents = _more_joints(moved(old["weights"]), template, old["kintree_table"][0])
    regressor = np.zeros((len(parents), len(template)))
    regressor[:BODY_JOINTS] = old["J_regressor"][:BODY_JOINTS] @ transfer
    for row in regressor[:BODY_JOINTS]:  # two vertices pull the joint some mm their way
        pair = rng.choice(len(template), 2, replace=False)
        pull = 1e-3 * joint_mm / np.linalg.norm(template[pair[0]] - template[pair[1]])
        row[pair] += [pull, -pull]
    for row, piece in zip(regressor[BODY_JOINTS:], pieces, strict=True):
        row[piece] = 1 / len(piece)
    posedirs = np.zeros((len(template), 3, 9 * (len(parents) - 1)))
    posedirs[..., : 9 * (BODY_JOINTS - 1)] = moved(old["posedirs"][..., : 9 * (BODY_JOINTS - 1)])
    arrays = {
        "v_template": template,
        "shapedirs": moved(old["shapedirs"]) @ turn,
        "posedirs": posedirs,
        "J_regressor": regressor,
        "weights": weights,
        "kintree_table": np.stack([parents, np.arange(len(parents))]).astype(np.uint32),
        "f": faces.astype(np.uint32),
    }
    return SmplxLike(arrays | _moved_keypoints(old, transfer), transfer, turn, offset)


def body_of(arrays: Mapping[str, np.ndarray], name: str) -> BodyModel:
    """The body with all its shape components."""
    return BodyModel(arrays, name=name, num_betas=arrays["shapedirs"].shape[-1])


def _other_vertices(
    faces: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[sparse.csr_array, sparse.csr_array, np.ndarray]:
    """New vertices (new V, V) from the old ones, the way back (V, new V), and the faces between the new."""
    movable = rng.random(count) < 0.5
    edges = faces[:, :2][movable[faces[:, 0]] & ~movable[faces[:, 1]]]
    edges = edges[np.unique(edges[:, 0], return_index=True)[1]]
    share = rng.uniform(0, 0.4, len(edges))
    toward = sparse.csr_array((share, edges.T), (count, count))
    left = 1 - toward.sum(1)
    slid = sparse.diags_array(left) + toward  # (1 - s) a + s b, with b where it was
    back = sparse.diags_array(1 / left) - sparse.diags_array(1 / left) @ toward
    split = faces[::2]
    centers = count + np.arange(len(split))
    corners = [np.stack([split[:, k], split[:, (k + 1) % 3], centers], 1) for k in range(3)]
    middles = sum(slid.tocsr()[split[:, k]] for k in range(3)) / 3
    order = rng.permutation(count + len(split))
    mix = sparse.vstack([slid, middles]).tocsr()[order]
    back = sparse.hstack([back, sparse.csr_array((count, len(split)))]).tocsr()[:, order]
    return mix, back, np.argsort(order)[np.concatenate([faces[1::2], *corners])]


def _more_joints(
    weights: np.ndarray, template: np.ndarray, parents: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Skinning (new V, 55), the vertices of each added joint, and the tree: jaw, eyes and fingers.

    They share the vertices of the head and of the hands between them.
    """
    head, hands = 15, ((20, 22), (21, 23))
    pieces, above = np.array_split(np.flatnonzero(weights[:, head] > 0.5), 4)[:3], [head] * 3
    taken = [(piece, head) for piece in pieces]
    for wrist, hand in hands:
        own = np.flatnonzero(weights[:, hand] > 0)
        for finger in np.array_split(own[np.argsort(template[own, 2])], 5):
            bones = np.array_split(finger[np.argsort(np.abs(template[finger, 0]))], 3)
            taken += [(bone, hand) for bone in bones]
            above += [wrist, *(BODY_JOINTS + len(above) + np.arange(2))]
    made = np.zeros((len(template), BODY_JOINTS + len(taken)))
    made[:, :BODY_JOINTS] = weights[:, :BODY_JOINTS]
    for joint, (piece, before) in enumerate(taken, BODY_JOINTS):
        made[piece, joint] = weights[piece, before]
        if before < BODY_JOINTS:
            made[piece, before] = 0
    tree = np.concatenate([parents[:BODY_JOINTS].astype(np.uint32).astype(np.int64), above])
    return made, [piece for piece, _ in taken], tree


def _moved_keypoints(old: Mapping[str, np.ndarray], transfer: sparse.csr_array) -> Arrays:
    if "keypoint_names" not in old:
        return {}
    names, size = old["keypoint_names"], (len(old["keypoint_names"]), transfer.shape[0])
    rows = sparse.csr_array((old["keypoint_values"], (old["keypoint_rows"], old["keypoint_columns"])), size)
    made = (rows @ transfer).tocoo()
    keys = {"rows": made.row, "columns": made.col, "values": made.data}
    return {"keypoint_names": names} | {f"keypoint_{key}": value for key, value in keys.items()}
