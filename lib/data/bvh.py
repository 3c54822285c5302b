"""Motion capture in BVH files -> joint positions in mm of any joint format, by a mapping that is data.

Shapes: F frames, K nodes of the BVH file (end sites included), J joints of the joint format.
World axes after the mapping: right-handed, y up, millimetres, floor at y = 0.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from lib.errors import UserError, did_you_mean
from lib.skeleton import Skeleton, load_skeleton

FOOT_BLEND_MM = 20.0  # heights of the two feet that differ by much more than this tell which one stands
_UP_TO_Y = {"x": [2, 0, 1], "y": [0, 1, 2], "z": [1, 2, 0]}  # cyclic, so that left stays left


@dataclass(frozen=True, eq=False)
class BvhMotion:
    """One BVH file in its own units and axes; ``rotations`` are each node's axes in the world."""

    nodes: tuple[str, ...]  # end sites are called "<parent>.end"
    parents: np.ndarray  # (K,), -1 for the root; parents come before their children
    offsets: np.ndarray  # (K, 3) from the parent, in the parent's axes
    root: np.ndarray  # (F, 3)
    rotations: np.ndarray  # (F, K, 3, 3)
    fps: float

    def positions(self) -> np.ndarray:
        """Positions of all nodes, (F, K, 3): parent's position plus the rotated offset."""
        positions = np.empty((len(self.root), len(self.nodes), 3))
        positions[:, 0] = self.root
        for node, parent in enumerate(self.parents[1:], start=1):
            positions[:, node] = positions[:, parent] + self.rotations[:, parent] @ self.offsets[node]
        return positions


def read_bvh(path: str | Path, skip_frames: int = 0, fps: float | None = None) -> BvhMotion:
    """Read a BVH file; drop its first ``skip_frames`` frames and resample to ``fps`` (None: as recorded).

    Resampling is by time, to any rate: rotations by slerp, the root position linearly.
    A file that cannot be read, or that has no frame left, raises ``UserError`` naming it.
    """
    import pybvh  # here, because only this function needs it

    path = Path(path)
    try:
        file = pybvh.read_bvh_file(path, world_up="+y")  # the axis is not used: it spares a guess
    except (OSError, ValueError, IndexError) as error:
        raise UserError(f"{path}: not a BVH file that can be read: {error}") from error
    if file.frame_count <= skip_frames:
        raise UserError(
            f"{path}: {file.frame_count} frames, of which the first {skip_frames} are to be dropped"
        )
    if not (np.isfinite(file.root_pos).all() and np.isfinite(file.joint_angles).all()):
        raise UserError(f"{path}: holds values that are not finite")
    file = file[skip_frames:]
    if fps is not None:
        file = file.resample(fps)
    topology = file.fk_topology
    root, local_rotations = file.to_rotmat()
    nodes = [f"{node.parent.name}.end" if node.is_end_site() else node.name for node in file.nodes]
    rotations = np.empty((len(root), len(nodes), 3, 3))
    for node, (parent, joint) in enumerate(zip(topology.parent_idx, topology.joint_idx, strict=True)):
        if parent < 0:
            rotations[:, node] = local_rotations[:, joint]
        elif joint < 0:  # an end site turns with its parent
            rotations[:, node] = rotations[:, parent]
        else:
            rotations[:, node] = rotations[:, parent] @ local_rotations[:, joint]
    return BvhMotion(tuple(nodes), topology.parent_idx, topology.offsets, root, rotations, file.fps)


@dataclass(frozen=True, eq=False)
class JointRule:
    """One joint as a weighted sum of nodes plus an offset that turns with a node (``turns_with``)."""

    weights: dict[str, float]
    turns_with: str | None = None
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    derived: bool = False


@dataclass(frozen=True, eq=False)
class BvhMapping:
    """How the nodes of a family of BVH files become the joints of a joint format (configs/bvh/*.yaml)."""

    skeleton: Skeleton
    unit_mm: float
    up: str
    skip_frames: int
    rules: tuple[JointRule, ...]  # in the order of the skeleton's joints
    feet: tuple[tuple[str, ...], ...]  # per foot the nodes whose mean stands on the floor
    body_parts: dict[str, tuple[str, ...]]  # nodes whose offsets grow together, left and right alike
    stature_range: tuple[float, float]
    part_spread: float

    @property
    def derived_joints(self) -> tuple[str, ...]:
        """Joints that the files do not hold and a rule makes up."""
        joints = zip(self.skeleton.joints, self.rules, strict=True)
        return tuple(name for name, rule in joints if rule.derived)

    def check(self, motion: BvhMotion, where: str) -> None:
        """Raise ``UserError`` naming every node that the mapping needs and the file lacks."""
        needed = {node for rule in self.rules for node in (*rule.weights, rule.turns_with) if node}
        needed |= {node for group in (*self.feet, *self.body_parts.values()) for node in group}
        missing = sorted(needed - set(motion.nodes))
        if missing:
            hint = did_you_mean(missing[0], motion.nodes)
            raise UserError(
                f"{where}: the joint mapping needs nodes it does not hold: {', '.join(missing)}{hint}"
            )

    def draw_body(self, generator: np.random.Generator) -> dict[str, float]:
        """Length factors of one person: ``stature``, and one for each part of the body besides it."""
        stature = generator.uniform(*self.stature_range)
        factors = np.clip(generator.normal(1.0, self.part_spread, len(self.body_parts)), 0.85, 1.15)
        return {"stature": float(stature), **dict(zip(self.body_parts, factors.tolist(), strict=True))}

    def joints_mm(self, motion: BvhMotion, body: Mapping[str, float] | None = None) -> np.ndarray:
        """Joint positions in world axes (y up, floor at 0), (F, J, 3) mm.

        ``body``: length factors as from ``draw_body`` (None: the file's own body). The root is moved so that
        the standing foot keeps the path it had, scaled by leg length: feet neither sink, hover nor slide.
        """
        factor = self._factors(motion, body or {})
        motion = dataclasses.replace(
            motion, root=motion.root * self.unit_mm, offsets=motion.offsets * self.unit_mm
        )
        nodes = motion.positions()
        feet = self._feet(motion, nodes)
        up = "xyz".index(self.up)
        floor = np.zeros(3)
        soles = [motion.nodes.index(node) for foot in self.feet for node in foot]
        floor[up] = np.percentile(nodes[:, soles, up].min(axis=1), 1)
        nodes, feet = nodes - floor, feet - floor
        if body:
            scaled = dataclasses.replace(motion, offsets=motion.offsets * factor[:, None])
            leg = self._leg_length(scaled) / self._leg_length(motion)
            nodes = scaled.positions()
            height = feet[..., up] - feet[..., up].min(axis=1, keepdims=True)
            standing = np.exp(-height / FOOT_BLEND_MM)
            standing /= standing.sum(axis=1, keepdims=True)
            shift = (standing[..., None] * (leg * feet - self._feet(scaled, nodes))).sum(axis=1)
            nodes = nodes + shift[:, None]
        joints = self._matrix(motion) @ nodes
        for joint, rule in enumerate(self.rules):
            if rule.turns_with is not None:
                node = motion.nodes.index(rule.turns_with)
                offset = np.asarray(rule.offset) * self.unit_mm * factor[node]
                joints[:, joint] += motion.rotations[:, node] @ offset
        return joints[..., _UP_TO_Y[self.up]]

    def _factors(self, motion: BvhMotion, body: Mapping[str, float]) -> np.ndarray:
        """Length factor of each node's offset, (K,)."""
        factor = np.full(len(motion.nodes), body.get("stature", 1.0))
        for part, members in self.body_parts.items():
            for member in members:
                factor[motion.nodes.index(member)] *= body.get(part, 1.0)
        return factor

    def _matrix(self, motion: BvhMotion) -> np.ndarray:
        """Weights of the nodes in each joint, (J, K)."""
        matrix = np.zeros((len(self.rules), len(motion.nodes)))
        for joint, rule in enumerate(self.rules):
            for node, weight in rule.weights.items():
                matrix[joint, motion.nodes.index(node)] = weight
        return matrix

    def _feet(self, motion: BvhMotion, nodes: np.ndarray) -> np.ndarray:
        """Mean position of each foot's nodes, (F, feet, 3)."""
        return np.stack(
            [nodes[:, [motion.nodes.index(n) for n in foot]].mean(axis=1) for foot in self.feet], axis=1
        )

    def _leg_length(self, motion: BvhMotion) -> float:
        """Length of the bones from the root to the first foot's first node."""
        node, length = motion.nodes.index(self.feet[0][0]), 0.0
        while node > 0:
            length += float(np.linalg.norm(motion.offsets[node]))
            node = int(motion.parents[node])
        return length


def load_bvh_mapping(path: str | Path) -> BvhMapping:
    """Read a joint mapping (format: see ``configs/bvh/cmu_h36m17.yaml``); mistakes raise ``UserError``."""
    path = Path(path)
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{path}: no joint mapping that can be read: {error}") from error
    keys = {"joint_format", "unit_mm", "up", "skip_frames", "joints", "feet", "body"}
    _check_keys(raw, keys, f"{path}: joint mapping")
    _check_keys(raw["body"], {"stature", "part_spread", "parts"}, f"{path}: body")
    skeleton = load_skeleton(raw["joint_format"])
    _check_keys(raw["joints"], set(skeleton.joints), f"{path}: joints of {skeleton.name}")
    if raw["up"] not in _UP_TO_Y:
        raise UserError(f"{path}: up is {raw['up']!r}; allowed: x, y, z")
    parts = {name: tuple(nodes) for name, nodes in raw["body"]["parts"].items()}
    members = [node for nodes in parts.values() for node in nodes]
    doubled = sorted({node for node in members if members.count(node) > 1})
    if doubled:
        raise UserError(f"{path}: in more than one part of the body: {', '.join(doubled)}")
    return BvhMapping(
        skeleton=skeleton,
        unit_mm=float(raw["unit_mm"]),
        up=raw["up"],
        skip_frames=int(raw["skip_frames"]),
        rules=tuple(_joint_rule(raw["joints"][joint], f"{path}: joint {joint}") for joint in skeleton.joints),
        feet=tuple(tuple(foot) for foot in raw["feet"]),
        body_parts=parts,
        stature_range=tuple(raw["body"]["stature"]),
        part_spread=float(raw["body"]["part_spread"]),
    )


def _check_keys(raw: Any, expected: set[str], where: str) -> None:
    """``UserError`` unless ``raw`` is a mapping with exactly the expected keys."""
    if not isinstance(raw, dict):
        raise UserError(f"{where}: expected keys {', '.join(sorted(expected))}, found {type(raw).__name__}")
    for key in sorted(set(map(str, raw)) - expected):
        raise UserError(f"{where}: unknown key '{key}'{did_you_mean(key, expected)}")
    if missing := sorted(expected - set(raw)):
        raise UserError(f"{where}: missing {', '.join(missing)}")


def _joint_rule(raw: Any, where: str) -> JointRule:
    """A rule from a node's name, or from a mapping with ``weights`` and, if need be, the other three keys."""
    if isinstance(raw, str):
        return JointRule({raw: 1.0})
    allowed = {"weights", "turns_with", "offset", "derived"}
    if not isinstance(raw, dict) or not isinstance(raw.get("weights"), dict) or set(raw) - allowed:
        raise UserError(
            f"{where}: expected a node's name or a mapping with weights, {', '.join(sorted(allowed))}"
        )
    if ("offset" in raw) != ("turns_with" in raw):
        raise UserError(f"{where}: offset and turns_with go together")
    weights = {str(node): float(weight) for node, weight in raw["weights"].items()}
    if abs(sum(weights.values()) - 1) > 1e-6:  # otherwise the joint would move with the choice of the origin
        raise UserError(f"{where}: the weights sum to {sum(weights.values()):g}, not to 1")
    offset = tuple(float(value) for value in raw.get("offset", (0, 0, 0)))
    return JointRule(weights, raw.get("turns_with"), offset, bool(raw.get("derived", False)))
