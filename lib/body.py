"""Bodies that pose and shape move: SMPL, SMPL-H, SMPL-X, and the free body that ships.

Letters: N bodies, V vertices, K joints, B shape components, P pose components (nine for each joint but the
root). Lengths are metres; x to the body's left, y up, z to the front.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lib.body_skinning import ArrayModule, JointTree, SkinnedPoints, full_precision
from lib.errors import UserError
from lib.geometry import axis_angle_to_matrix
from lib.skeleton import load_skeleton
from lib.smpl_files import find_smpl, gender_of, read_smpl

FREE_BODY = Path(__file__).resolve().parent.parent / "data" / "body" / "free_body.npz"
_HAND = [
    f"{finger}_{part}" for finger in ("index", "middle", "pinky", "ring") for part in ("mcp", "pip", "dip")
]
_HAND += ["thumb_cmc", "thumb_mcp", "thumb_ip"]


class BodyModel(ArrayModule):
    """A body in float32, from arrays as ``read_smpl`` gives them; no checkpoint holds it.

    Of the shape components the first ``num_betas`` are used. Raises ``UserError`` where the arrays do not fit
    each other or are no SMPL, SMPL-H or SMPL-X.
    """

    def __init__(
        self, arrays: Mapping[str, np.ndarray], *, name: str, gender: str = "neutral", num_betas: int = 10
    ) -> None:
        super().__init__()
        _check_shapes(arrays, name)
        self.name, self.gender = name, gender
        self.num_vertices, self.num_joints = arrays["weights"].shape
        self.kind, self.joint_names = _kind_and_joint_names(self.num_joints, name)
        self.faces = arrays["f"].astype(np.int64)
        """(F,3)"""
        self.parents = arrays["kintree_table"][0].astype(np.int64)
        """(K,) parent of each joint, -1 for the root."""
        self.parents[0] = -1  # 2 ** 32 - 1 in the files
        _check_tree(self.parents, name)
        self.keypoints = _keypoints(arrays)
        """Canonical name -> numbers and weights of the vertices that make the point; of the body's own."""
        self.joint_regressor = arrays["J_regressor"].astype(np.float64)
        """(K,V) the joints of the unposed body from its vertices."""
        template = arrays["v_template"].astype(np.float64)
        shapedirs = np.moveaxis(arrays["shapedirs"][..., :num_betas], -1, 0).astype(np.float64)
        self.num_betas = len(shapedirs)
        self.hold("joint_template", self.joint_regressor @ template)
        self.hold("joint_shapedirs", self.joint_regressor @ shapedirs)
        posedirs = arrays.get("posedirs")
        if posedirs is not None:
            posedirs = posedirs.transpose(2, 1, 0) if posedirs.any() else None
        self.tree = JointTree(self.parents)
        # coordinates before vertices: template (3,V), shapedirs (B,3,V), posedirs (P,3,V) or None, weights (K,V)
        self.vertices = SkinnedPoints(template.T, shapedirs.transpose(0, 2, 1), posedirs, arrays["weights"].T)

    def forward(
        self, pose: Tensor, shape: Tensor, vertex_ids: Sequence[int] | Tensor | None = None
    ) -> Tensor:
        """Vertices (...,V,3) in metres, or only those of ``vertex_ids``.

        ``pose`` (...,K*3) axis-angle or (...,K,3,3) rotations, each relative to the parent joint; ``shape``
        (...,B). Raises ``UserError`` for other sizes.
        """
        if vertex_ids is not None:
            vertex_ids = torch.as_tensor(vertex_ids, device=self.joint_template.device)
        return self.move(self.vertices, pose, shape, vertex_ids)

    @full_precision
    def joints(self, pose: Tensor, shape: Tensor) -> Tensor:
        """Joints (...,K,3) of the posed body in metres; arguments as in ``forward``."""
        leading, rotations, shape = self._flat(pose, shape)
        return self.tree(rotations, self._rest_joints(shape))[1].reshape(*leading, self.num_joints, 3)

    @full_precision
    def move(self, points: SkinnedPoints, pose: Tensor, shape: Tensor, ids: Tensor | None = None) -> Tensor:
        """Points (...,V,3) that hang on this body, in metres; arguments as in ``forward``."""
        leading, rotations, shape = self._flat(pose, shape)
        rest = self._rest_joints(shape)
        world, joints = self.tree(rotations, rest)
        shift = joints[..., None] - world @ rest[..., None]
        components = rotations[:, 1:] - torch.eye(3, dtype=rotations.dtype, device=rotations.device)
        transforms = torch.cat([world, shift], dim=-1)
        moved = points(transforms, components.flatten(1), shape, ids)
        return moved.reshape(*leading, *moved.shape[1:])

    def rotations(self, pose: Tensor) -> Tensor:
        """``pose`` as rotations (...,K,3,3); rotations stay as they are."""
        if pose.shape[-3:] == (self.num_joints, 3, 3):
            return pose
        if pose.shape[-1] != self.num_joints * 3:
            wanted = f"(..., {self.num_joints * 3}) axis-angle or (..., {self.num_joints}, 3, 3) rotations"
            raise UserError(f"body {self.name} takes a pose {wanted}, given {tuple(pose.shape)}")
        return axis_angle_to_matrix(pose.unflatten(-1, (self.num_joints, 3)))

    def _rest_joints(self, shape: Tensor) -> Tensor:
        return self.joint_template + (shape @ self.joint_shapedirs.flatten(1)).unflatten(-1, (-1, 3))

    def _flat(self, pose: Tensor, shape: Tensor) -> tuple[torch.Size, Tensor, Tensor]:
        """Leading dimensions, rotations (N,K,3,3), shape (N,B)."""
        if shape.shape[-1] != self.num_betas:
            raise UserError(
                f"body {self.name} has {self.num_betas} shape components, given {tuple(shape.shape)}"
            )
        rotations = self.rotations(pose.to(self.joint_template))
        leading = rotations.shape[:-3]
        shape = shape.to(self.joint_template).expand(*leading, -1).reshape(-1, self.num_betas)
        return leading, rotations.reshape(-1, self.num_joints, 3, 3), shape


def load_body(path: str | Path | None = None, *, gender: str = "neutral", num_betas: int = 10) -> BodyModel:
    """Body model from a file, from a folder of official files, or (None) the free body that ships.

    In a folder ``gender`` (neutral, female, male) chooses. A missing file is a ``UserError`` that says where it
    comes from and where it goes.
    """
    if path is None:
        if gender != "neutral":
            raise UserError(f"the built-in body is neutral, not {gender}: give a folder of SMPL files")
        path = FREE_BODY
    path = find_smpl(Path(path), gender)
    told = gender_of(path) or gender
    if gender not in ("neutral", told):
        raise UserError(f"{path} is the {told} body, asked for {gender}: give its folder, or the other file")
    return BodyModel(read_smpl(path), name=path.stem, gender=told, num_betas=num_betas)


def _kind_and_joint_names(num_joints: int, name: str) -> tuple[str, tuple[str, ...]]:
    """Kind of body and canonical names of its joints; only the jaw of SMPL-X has none."""
    body = load_skeleton("SMPL-24").canonical
    hands = tuple(f"{side}_{part}" for side in ("left", "right") for part in _HAND)
    kinds = {
        "smpl": body,
        "smplh": (*body[:-2], *hands),
        "smplx": (*body[:-2], "jaw", "left_eye", "right_eye", *hands),
    }
    for kind, names in kinds.items():
        if len(names) == num_joints:
            return kind, names
    known = ", ".join(f"{kind} ({len(names)})" for kind, names in kinds.items())
    raise UserError(f"body model {name} has {num_joints} joints; allowed: {known}")


def _check_shapes(arrays: Mapping[str, np.ndarray], name: str) -> None:
    num_vertices, num_joints = len(arrays["v_template"]), len(arrays["J_regressor"])
    shapes: dict[str, tuple[int | None, ...]] = {
        "v_template": (num_vertices, 3),
        "shapedirs": (num_vertices, 3, None),
        "posedirs": (num_vertices, 3, 9 * (num_joints - 1)),
        "J_regressor": (num_joints, num_vertices),
        "weights": (num_vertices, num_joints),
        "kintree_table": (2, num_joints),
        "f": (None, 3),
    }
    for key, wanted in shapes.items():
        given = arrays[key].shape if key in arrays else wanted
        if len(given) != len(wanted) or any(b not in (a, None) for a, b in zip(given, wanted, strict=True)):
            expected = ", ".join("any" if size is None else str(size) for size in wanted)
            raise UserError(f"body model {name}: {key} has the shape {given}, expected ({expected})")
        if key in arrays and arrays[key].dtype.kind not in "fiu":
            raise UserError(f"body model {name}: {key} holds {arrays[key].dtype}, expected numbers")


def _check_tree(parents: np.ndarray, name: str) -> None:
    trunk_and_limbs = load_skeleton("SMPL-24").parents[:22]  # what SMPL, SMPL-H and SMPL-X share
    later = (parents >= np.arange(len(parents))).any()
    if later or (parents < 0).sum() != 1 or (parents[:22] != trunk_and_limbs).any():
        raise UserError(f"body model {name}: the tree in kintree_table is not that of SMPL")


def _keypoints(arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rows, columns, values = (arrays.get(f"keypoint_{part}") for part in ("rows", "columns", "values"))
    return {
        str(name): (columns[rows == number].astype(np.int64), values[rows == number].astype(np.float64))
        for number, name in enumerate(arrays.get("keypoint_names", ()))
    }
