"""Joint positions -> a tree of bones of fixed length, and the rotations that bring it to the joints.

Letters: F frames, J joints, K nodes (the joints, and a root if the format has none of its own).
A rotation matrix acts on column vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lib.errors import UserError
from lib.skeleton import Skeleton
from lib.wild.exports.text import blocks, plain_names

STIFF = 1e-5  # units; a bone whose end stays this near to the joint needs no links
MARGIN = 5e-4  # units; what stiff bones leave over along a limb
# in slacks: what the two links span at rest (over 1, so that they never turn back), and the length of each
LINK_SPAN, LINK_LENGTH = 1.5, 1.3
TWIST_WEIGHT = 1e-6  # of the parent's rotation: settles what the children leave open and moves nothing else
TRUNK_WEIGHT = 1e-3  # of all joints in the root's rotation: two hips leave the turn about their axis open


class Bone(NamedTuple):
    """What does not move: the number of the bone above (-1: none) and the offset (3,) from it, in its axes."""

    name: str
    above: int
    offset: np.ndarray


@dataclass(frozen=True, eq=False)
class Figure:
    """A body of fixed bones, parents before children; ``joints`` (K,): numbers in the motion, J for the added root."""

    names: tuple[str, ...]
    joints: tuple[int, ...]
    parents: tuple[int, ...]
    rest: np.ndarray
    """(K,3) offset from the parent."""
    slack: np.ndarray
    """(K,) how far the bone's end may be from the joint; two links carry it there, none where this is 0."""

    def bones(self) -> list[Bone]:
        """Bones and links; those above come before those below."""
        bones: list[Bone] = []
        last: list[int] = []  # bone of each node
        for name, parent, rest, slack in zip(self.names, self.parents, self.rest, self.slack, strict=True):
            above, offset = (last[parent] if parent >= 0 else -1), rest
            if slack:
                start, first, offset = _links(rest, slack)
                bones += [Bone(f"{name}_link1", above, start), Bone(f"{name}_link2", len(bones), first)]
                above = len(bones) - 1
            bones.append(Bone(name, above, offset))
            last.append(len(bones) - 1)
        return bones

    def pose(self, places: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Where the nodes come to stand (F,K,3), and each bone's rotation (F,3,3) in the axes of the one above.

        ``places`` (F,K,3): where they should stand.
        """
        world = _rotations(_vectors(places, self.parents), self.rest, self.parents)
        reached = places.copy()
        local = [world[0]]
        for node, parent in enumerate(self.parents[1:], start=1):
            above, tip = world[parent], reached[:, parent]
            offset = self.rest[node]
            if self.slack[node]:
                start, first, offset = _links(offset, self.slack[node])
                wanted = (above.mT @ (places[:, node] - tip)[..., None])[..., 0]
                links = _bend_links(wanted - start, first, offset)
                local += links
                tip = tip + above @ start
                for link, end in zip(links, (first, offset), strict=True):
                    above = above @ link
                    tip = tip + above @ end
                reached[:, node] = tip
            else:
                reached[:, node] = tip + above @ offset
            local.append(above.mT @ world[node])
        return reached, local


def fit_figure(skeleton: Skeleton, positions: np.ndarray, *, rigid: bool) -> tuple[Figure, np.ndarray]:
    """The figure of a person and the places (F,K,3) of its nodes, from positions (F,J,3) with NaN where unknown.

    Offsets are the median lengths of the limbs in the directions of the most typical frame, which is the rest
    pose. A joint's rotation is the one that best turns its children's offsets towards them (Kabsch 1976), with the
    least twist against its parent's. Bones whose length or angle to their siblings changes get links, except if
    ``rigid``. Unknown joints move with their parent. Raises ``UserError`` if nothing is known in any frame.
    """
    known = np.isfinite(positions).all(-1).any(-1)
    if not known.any():
        raise UserError("the person is in no frame: there is no pose to write; choose another person")
    order, upwards, places = _tree(skeleton, positions.astype(np.float64))
    vectors = _vectors(places, upwards)
    lengths = np.linalg.norm(vectors, axis=-1)
    median = np.median(lengths[known], axis=0)
    typical = np.flatnonzero(known)[np.abs(lengths[known] - median).sum(1).argmin()]
    rest = vectors[typical] * (median / np.maximum(lengths[typical], 1e-9))[:, None]

    missing = np.zeros(len(order))
    for block in blocks(0 if rigid else len(places)):
        rotations = _rotations(vectors[block], rest, upwards)
        for node, parent in enumerate(upwards[1:], start=1):
            left = np.linalg.norm(vectors[block, node] - rotations[parent] @ rest[node], axis=-1)
            missing[node] = max(missing[node], left.max())
    names = plain_names([*skeleton.joints, "root"])
    figure = Figure(
        names=tuple(names[node] for node in order),
        joints=tuple(order),
        parents=tuple(upwards),
        rest=rest,
        slack=np.where(missing > STIFF, missing + MARGIN, 0),
    )
    return figure, places


def _tree(skeleton: Skeleton, positions: np.ndarray) -> tuple[list[int], list[int], np.ndarray]:
    """Joint number and parent of each node, and their places (F,K,3) without gaps.

    An unknown joint keeps the last offset from its parent, and an absent person the last pose.
    """
    known = np.isfinite(positions).all(-1)
    total = np.where(known[..., None], positions, 0).sum(1)
    center = _held(np.where(known.any(1)[:, None], total / np.maximum(known.sum(1), 1)[:, None], np.nan))
    targets = np.concatenate([positions, skeleton.root_of(positions)], axis=1)
    parents = _parents(skeleton, np.median(_held(targets - center[:, None]), axis=0))
    order = _depth_first(parents)
    upwards = [-1, *(order.index(parents[node]) for node in order[1:])]
    places = np.empty((len(positions), len(order), 3))
    for node, parent in enumerate(upwards):
        base = center if parent < 0 else places[:, parent]
        places[:, node] = base + _held(targets[:, order[node]] - base)
    return order, upwards, places


def _held(values: np.ndarray) -> np.ndarray:
    """Vectors (F,...,3) without gaps: the last known one, before the first one the first, 0 if none is."""
    known = np.isfinite(values).all(-1)
    frames = np.arange(len(known)).reshape(-1, *[1] * (known.ndim - 1))
    last = np.maximum.accumulate(np.where(known, frames, -1), axis=0)
    held = np.take_along_axis(values, np.where(last < 0, known.argmax(0), last)[..., None], axis=0)
    return np.nan_to_num(held)


def _vectors(places: np.ndarray, parents: list[int] | tuple[int, ...]) -> np.ndarray:
    """From each node's parent to the node (F,K,3); zero for the root."""
    return places - places[:, np.where(np.array(parents) < 0, np.arange(len(parents)), parents)]


def _parents(skeleton: Skeleton, places: np.ndarray) -> list[int]:
    """Parent of each joint, -1 for the top: the format's own tree, else one along the limbs from the root.

    A root that is the mean of joints is a node of its own, number J. A part that no limb joins to the rest hangs on
    the joint nearest to it in ``places`` (J+1,3).
    """
    if skeleton.parents is not None:
        return [int(parent) for parent in skeleton.parents]
    loose, top = -2, skeleton.num_joints
    parents = [loose] * top
    if skeleton.root_idx is None:
        waiting = [skeleton.index(joint) for joint in skeleton.root]
        parents = [top if joint in waiting else loose for joint in range(top)] + [-1]
    else:
        waiting = [skeleton.root_idx]
        parents[skeleton.root_idx] = -1
    while waiting:
        joint = waiting.pop(0)  # breadth first: the shortest way from the root
        for limb in skeleton.limb_idx.tolist():
            if joint in limb and parents[other := sum(limb) - joint] == loose:
                parents[other] = joint
                waiting.append(other)
        if not waiting and loose in parents:
            apart = [joint for joint, parent in enumerate(parents) if parent == loose]
            placed = [joint for joint, parent in enumerate(parents) if parent != loose]
            distances = np.linalg.norm(places[apart][:, None] - places[placed], axis=-1)
            near, onto = np.unravel_index(distances.argmin(), distances.shape)
            parents[apart[near]] = placed[onto]
            waiting.append(apart[near])
    return parents


def _depth_first(parents: list[int]) -> list[int]:
    """Nodes in the order in which a BVH file lists them."""
    order: list[int] = []
    waiting = [parents.index(-1)]
    while waiting:
        order.append(waiting.pop())
        waiting += [node for node in reversed(range(len(parents))) if parents[node] == order[-1]]
    return order


def _rotations(
    vectors: np.ndarray, rest: np.ndarray, parents: list[int] | tuple[int, ...]
) -> list[np.ndarray]:
    """World rotation (F,3,3) of each node that turns the rest offsets of its children into ``vectors``."""
    rotations: list[np.ndarray] = []
    for node, parent in enumerate(parents):
        children = [child for child, above in enumerate(parents) if above == node]
        if parent < 0:
            stands, stood = np.zeros_like(vectors), np.zeros_like(rest)
            for child, above in enumerate(parents[1:], start=1):
                stands[:, child] = stands[:, above] + vectors[:, child]
                stood[child] = stood[above] + rest[child]
            whole = TRUNK_WEIGHT * np.einsum("fki,kj->fij", stands, stood)
            rotations.append(nearest_rotation(whole + _covariance(vectors, rest, children)))
        elif len(children) > 1:
            twist = TWIST_WEIGHT * (np.square(rest[children]).sum() + 1e-12) * rotations[parent]
            rotations.append(nearest_rotation(twist + _covariance(vectors, rest, children)))
        elif children:
            before = rotations[parent] @ rest[children[0]]
            rotations.append(turn(before, vectors[:, children[0]]) @ rotations[parent])
        else:
            rotations.append(rotations[parent])
    return rotations


def _covariance(vectors: np.ndarray, rest: np.ndarray, nodes: list[int]) -> np.ndarray:
    covariance: np.ndarray = np.einsum("fki,kj->fij", vectors[:, nodes], rest[nodes])
    return covariance


def nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """Rotation (F,3,3) nearest to a matrix (F,3,3)."""
    left, _, right = np.linalg.svd(matrix)
    left[..., -1] *= np.sign(np.linalg.det(left @ right))[..., None]
    rotation: np.ndarray = left @ right
    return rotation


def turn(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Smallest rotation (F,3,3) from the direction ``start`` (F,3) to that of ``end``; none if either is zero."""
    first_length, second_length = (np.linalg.norm(vector, axis=-1, keepdims=True) for vector in (start, end))
    zero = (first_length < 1e-9) | (second_length < 1e-9)
    first, second = start / np.where(zero, 1, first_length), end / np.where(zero, 1, second_length)
    cosine = np.where(zero, 1, (first * second).sum(-1, keepdims=True))[..., None]
    x, y, z = np.moveaxis(np.where(zero, 0, np.cross(first, second)), -1, 0)
    o = np.zeros_like(x)
    cross = np.stack([o, -z, y, z, o, -x, -y, x, o], axis=-1).reshape(*x.shape, 3, 3)
    rotation = np.eye(3) + cross + cross @ cross / np.maximum(1 + cosine, 1e-9)
    back = cosine[..., 0, 0] < -1 + 1e-9
    if back.any():  # half a turn about any axis across
        across = sideways(first[back])[..., None]
        rotation[back] = 2 * across * across.mT - np.eye(3)
    return rotation


def sideways(direction: np.ndarray) -> np.ndarray:
    """Unit vectors (...,3) at right angles to ``direction`` (...,3); any if that is zero."""
    least = np.eye(3)[np.abs(direction).argmin(-1)]
    across = np.cross(direction, least)
    length = np.linalg.norm(across, axis=-1, keepdims=True)
    return np.where(length > 1e-9, across / np.maximum(length, 1e-9), least)


def _links(rest: np.ndarray, slack: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Offsets (3,) of the first link, the second and the joint: along the bone and bent like an elbow."""
    side = sideways(rest)
    length = np.linalg.norm(rest)
    base = LINK_SPAN * slack * (rest / length if length > 1e-9 else sideways(side))
    elbow = base / 2 + np.sqrt(LINK_LENGTH**2 - LINK_SPAN**2 / 4) * slack * side
    return rest - base, elbow, base - elbow


def _bend_links(reach: np.ndarray, first: np.ndarray, second: np.ndarray) -> list[np.ndarray]:
    """Rotations (F,3,3) of two links with offsets (3,) that reach (F,3), the second in the axes of the first.

    Bending, they cover every distance up to both lengths with plain rotations. The elbow stays on its side.
    """
    distance = np.linalg.norm(reach, axis=-1, keepdims=True)
    along = reach / np.maximum(distance, 1e-12)
    side = first - second  # at right angles to the reach at rest, since both links have one length
    bend = side - (along @ side)[:, None] * along
    bend /= np.maximum(np.linalg.norm(bend, axis=-1, keepdims=True), 1e-12)
    elbow = reach / 2 + np.sqrt(np.maximum(first @ first - np.square(distance / 2), 0)) * bend
    turned = turn(np.broadcast_to(first, elbow.shape), elbow)
    onwards = (turned.mT @ (reach - elbow)[..., None])[..., 0]
    return [turned, turn(np.broadcast_to(second, elbow.shape), onwards)]
