"""Keypoints of a joint format on a body mesh: a matrix (J,V) from a file or from rules.

Letters: N bodies, J joints of the format, V vertices, K body joints, P parts (the share of one joint in one
keypoint).
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lib.anatomy import rule_weights, shared_rules
from lib.body import BodyModel
from lib.body_skinning import ArrayModule, SkinnedPoints, full_precision
from lib.errors import UserError
from lib.skeleton import Skeleton, list_skeletons, load_skeleton

logger = logging.getLogger(__name__)

# Vertex ids mean something on the published meshes only.
PUBLISHED_VERTICES = {"smpl": 6890, "smplh": 6890, "smplx": 10475}
_ROW_SUM_TOLERANCE = 0.01


class KeypointRegressor(ArrayModule):
    """Keypoints of ``skeleton`` on a body: weighted sums of its vertices."""

    def __init__(
        self, body: BodyModel, skeleton: Skeleton, matrix: np.ndarray, rules: Mapping[str, str] | None = None
    ) -> None:
        """``matrix`` (J,V) with rows that sum to 1; ``rules`` says for each joint how it is made."""
        super().__init__()
        self.skeleton = skeleton
        self.rules = dict(rules or {})
        self.rows = np.asarray(matrix, np.float64)
        """(J,V) numpy, in full precision."""
        self.hold("matrix", self.rows)
        self._used = np.flatnonzero(self.rows.any(axis=0))
        self.hold("used", self._used)
        self._attach(body)

    @full_precision
    def forward(self, vertices: Tensor) -> Tensor:
        """Keypoints (...,J,3) of vertices (...,V,3), in their unit."""
        self._check(vertices.shape[-2], "the mesh")
        return self.matrix[:, self.used] @ vertices[..., self.used, :]

    @full_precision
    def of(self, body: BodyModel, pose: Tensor, shape: Tensor) -> Tensor:
        """Keypoints (...,J,3) of a posed body in metres, without its vertices; arguments as ``BodyModel``'s.

        Skinning is linear, so that all vertices of a keypoint that hang on one joint move as one point: the
        result is that of ``forward``, and costs the same for a marker and for a row over the whole mesh.
        """
        if self._body() is not body:
            self._attach(body)
        return (body.move(self.parts, pose, shape).mT @ self.grouping).mT

    def _check(self, num_vertices: int, name: str) -> None:
        if num_vertices != self.rows.shape[1]:
            raise UserError(
                f"the regressor of {self.skeleton.name} is made for a body of {self.rows.shape[1]} vertices, "
                f"{name} has {num_vertices}"
            )

    @torch.inference_mode(False)  # what is made here may be needed with gradients later
    def _attach(self, body: BodyModel) -> None:
        """Split every keypoint into parts, one for each joint that moves it."""
        self._check(body.num_vertices, f"body {body.name}")
        self._body = weakref.ref(body)
        points, used = body.vertices, self._used
        rows, skinning = self.rows[:, used], points.weights[:, used].double().cpu().numpy()
        keypoint, joint = np.nonzero(np.abs(rows) @ np.abs(skinning.T))
        shares = rows[keypoint] * skinning[joint]  # (P,used)

        def summed(array: Tensor | None) -> np.ndarray | None:
            return None if array is None else array[..., used].double().cpu().numpy() @ shares.T

        num_joints, device = body.num_joints, points.template.device
        self.parts = SkinnedPoints(
            summed(points.template),
            summed(points.shapedirs),
            summed(points.posedirs),
            (joint == np.arange(num_joints)[:, None]).astype(float),
            mass=shares.sum(1),
        ).to(device)
        self.hold("grouping", (keypoint[:, None] == np.arange(len(rows))).astype(float))
        self.to(device)


def keypoint_regressor(
    body: BodyModel,
    skeleton: Skeleton,
    file: str | Path | None = None,
    rules: Mapping[str, Mapping[str, Any]] | None = None,
) -> KeypointRegressor:
    """Keypoints of a joint format on a body, on the body's device.

    From ``file``, a npy matrix (J,V) in the order of the format. Otherwise each joint, in this order: from
    ``rules`` (canonical name -> ``from``, ``along`` and ``mm`` as under ``offsets`` in a joint format, ``share``
    of the way instead of mm, or ``joint``), the body's own keypoints, the format's offsets, centres and vertex
    ids, exact rules, the body's joints, vertex ids of other formats and of smplx, approximate rules. Raises
    ``UserError`` for joints without any, and for a matrix of another body or format.
    """
    if file is not None:
        matrix = _read_matrix(Path(file), body, skeleton)
        made = {joint: f"row of {Path(file).name}" for joint in skeleton.joints}
    elif not rules and set(skeleton.canonical) <= set(body.joint_names):
        # a format of the body's own joints
        numbers = [body.joint_names.index(name) for name in skeleton.canonical]
        matrix = body.joint_regressor[numbers]
        made = {joint: "joint of the body" for joint in skeleton.joints}
    else:
        matrix, made = _from_rules(body, skeleton, rules or {})
    return KeypointRegressor(body, skeleton, matrix, made)


def _read_matrix(file: Path, body: BodyModel, skeleton: Skeleton) -> np.ndarray:
    try:
        matrix = np.load(file, allow_pickle=False)
    except OSError as error:
        raise UserError(f"cannot read regressor {file}: {error.strerror or error}") from None
    except (ValueError, EOFError) as error:
        raise UserError(f"regressor {file} is no npy file of numbers: {error}") from None
    wanted = (skeleton.num_joints, body.num_vertices)
    if not isinstance(matrix, np.ndarray) or matrix.shape != wanted:
        raise UserError(
            f"regressor {file} is {getattr(matrix, 'shape', 'no array')}; {skeleton.name} on body {body.name} "
            f"needs {wanted} (joints, vertices): it belongs to another joint format or body"
        )
    sums = matrix.astype(np.float64).sum(1)
    wrong = ~(np.abs(sums - 1) <= _ROW_SUM_TOLERANCE)  # true for NaN
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise UserError(
            f"regressor {file}: the row of {skeleton.joints[first]} sums to {sums[first]:g}, not 1"
        )
    return matrix


def _from_rules(
    body: BodyModel, skeleton: Skeleton, rules: Mapping[str, Mapping[str, Any]]
) -> tuple[np.ndarray, dict[str, str]]:
    points = _Points(body, skeleton, rules)
    found = {
        joint: points.find(name) for joint, name in zip(skeleton.joints, skeleton.canonical, strict=True)
    }
    if missing := [joint for joint, point in found.items() if point is None]:
        mesh = ""
        if body.num_vertices != PUBLISHED_VERTICES[body.kind] and not body.keypoints:
            mesh = f" (vertex ids are known for {PUBLISHED_VERTICES[body.kind]} vertices, not {body.num_vertices})"
        raise UserError(
            f"no rule for {', '.join(missing)} of {skeleton.name} on body {body.name}{mesh}: give a regressor "
            f"file, or vertex_ids.{body.kind} in the YAML of {skeleton.name}"
        )
    if approximate := [joint for joint, point in found.items() if "approximate" in point[1]]:
        logger.info("%s on body %s: approximate joints: %s", skeleton.name, body.name, ", ".join(approximate))
    return np.stack([row for row, _ in found.values()]), {joint: how for joint, (_, how) in found.items()}


Point = tuple[np.ndarray, str]


class _Points:
    """Points of a body by canonical name, as a row (V,) of weights and how it is made."""

    def __init__(self, body: BodyModel, skeleton: Skeleton, rules: Mapping[str, Mapping[str, Any]]) -> None:
        self.body, self.skeleton, self.rules = body, skeleton, rules
        self.template_mm = body.vertices.template.T.double().cpu().numpy() * 1000
        self.vertex_ids = self.other_ids = {}
        if body.num_vertices == PUBLISHED_VERTICES[body.kind] and not body.keypoints:
            self.vertex_ids = _vertex_ids(skeleton, body.kind)
            for other in reversed(list_skeletons()):
                self.other_ids = self.other_ids | _vertex_ids(load_skeleton(other), body.kind)
            self.other_ids = _smplx_ids(body.kind) | self.other_ids
        self.centers = {
            skeleton.canonical[center]: [skeleton.canonical[a], skeleton.canonical[b]]
            for center, a, b in skeleton.center_idx
        }

    def find(self, name: str, above: tuple[str, ...] = ()) -> Point | None:
        """The point by the first rule that can be followed."""
        if name in above:  # a rule that needs what is being made leads nowhere
            return None
        return next((point for point in self._candidates(name, (*above, name)) if point is not None), None)

    def _candidates(self, name: str, above: tuple[str, ...]) -> Iterator[Point | None]:
        shared = shared_rules().get(name, [])
        if name in self.rules:
            yield self._placed(self.rules[name], above)
            return  # what the caller asks for is not replaced in silence
        if name in self.body.keypoints:
            yield self._row(*self.body.keypoints[name]), "keypoint of the body"
        if name in self.skeleton.offsets:
            yield self._placed(self.skeleton.offsets[name], above)
        if name in self.centers:
            yield self._sum({"exact": self.centers[name]}, above)
        if name in self.vertex_ids:
            yield self._row([self.vertex_ids[name]], [1.0]), f"vertex {self.vertex_ids[name]}"
        for rule in shared:
            if "exact" in rule:
                yield self._sum(rule, above)
        if name in self.body.joint_names:
            yield self._joint(name)
        if name in self.other_ids:
            yield self._row([self.other_ids[name]], [1.0]), f"vertex {self.other_ids[name]}"
        for rule in shared:
            if "approximate" in rule:
                yield self._sum(rule, above)

    def _row(self, columns: Any, values: Any) -> np.ndarray:
        row = np.zeros(self.body.num_vertices)
        row[columns] = values
        return row

    def _joint(self, name: str) -> Point:
        return self.body.joint_regressor[self.body.joint_names.index(name)], "joint of the body"

    def _sum(self, rule: dict[str, Any], above: tuple[str, ...]) -> Point | None:
        kind, weights = rule_weights(rule)
        parts = {name: self.find(name, above) for name in weights}
        if any(part is None for part in parts.values()):
            return None
        row = sum(weight * parts[name][0] for name, weight in weights.items())
        terms = " + ".join(
            name if weight == 1 else f"{weight:.4g} {name}" for name, weight in weights.items()
        )
        exact = kind == "exact" and not any("approximate" in how for _, how in parts.values())
        return row, terms if exact else f"{terms} (approximate)"

    def _placed(self, rule: Mapping[str, Any], above: tuple[str, ...]) -> Point | None:
        """A point beside another; millimetres hold for the template and grow with the body."""
        if "joint" in rule:
            return self._joint(rule["joint"])
        found = [self.find(name, above) for name in (rule["from"], *rule["along"])]
        if None in found:
            return None
        (start, _), (here, _), (there, _) = found
        share = rule.get("share")
        if share is None:
            share = rule["mm"] / np.linalg.norm((there - here) @ self.template_mm)
        way = f"{rule['mm']:g} mm" if "mm" in rule else f"{rule['share']:.4g}"
        made = f"{rule['from']} + {way} of the way {' - '.join(rule['along'])}"
        return start + share * (there - here), made


def _vertex_ids(skeleton: Skeleton, kind: str) -> dict[str, int]:
    """Canonical name -> vertex that stands in a joint format."""
    ids = skeleton.vertex_ids.get(kind, {})
    return {skeleton.canonical[skeleton.joints.index(joint)]: vertex for joint, vertex in ids.items()}


def _smplx_ids(kind: str) -> dict[str, int]:
    """Canonical name -> vertex of face, finger tips and feet as the package smplx has them."""
    from smplx.vertex_ids import vertex_ids  # smplx imports slowly and few formats need this

    parts = {"ear": "ear", "eye": "eye", "BigToe": "big_toe", "SmallToe": "small_toe", "Heel": "heel"}
    parts |= {finger: f"{finger}_tip" for finger in ("thumb", "index", "middle", "ring", "pinky")}
    names = {"nose": "nose"}
    for short, side in (("l", "left"), ("r", "right")):
        for part, name in parts.items():
            names[(short.upper() if part[0].isupper() else short) + part] = f"{side}_{name}"
    table = vertex_ids["smplx" if kind == "smplx" else "smplh"]
    return {names[name]: vertex for name, vertex in table.items()}
