"""Points of a skinned body, and how they move with its joint rotations and shape.

Letters: N frames, P points, K body joints, B shape components, D = 3K + 3 unknowns of a frame: a turn of each
joint about the three world axes, then the shift.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lib.body import BodyModel
from lib.geometry import cross_matrix


@dataclass(frozen=True)
class MovingPoints:
    """Points that move with a body: its vertices or some of them, and its joints."""

    template: Tensor
    """(P,3) metres."""
    shape_directions: Tensor
    """(P,3,B)"""
    pose_directions: Tensor | None
    """(9(K-1),P,3) for the entries of each rotation but the root's, minus the identity; None: no such offsets."""
    weights: Tensor
    """(P,K) of skinning; rows sum to 1."""
    joints: Tensor
    """(K,3) metres, at rest."""
    joint_directions: Tensor
    """(K,3,B)"""
    parents: tuple[int, ...]
    """(K,) each before its children; the root's is not read."""
    mix: Tensor | None = None
    """(Q,P) rows that sum to 1 and make what counts as the points (Q for P below); None: the points as they are."""

    @staticmethod
    def of(body: BodyModel) -> MovingPoints:
        """The vertices of a body, then its joints."""
        vertices, joints = body.vertices, body.joint_template
        joint_directions = body.joint_shapedirs.permute(1, 2, 0)
        directions = None
        if vertices.posedirs is not None:
            directions = torch.nn.functional.pad(vertices.posedirs, (0, len(joints))).transpose(1, 2)
        return MovingPoints(
            torch.cat([vertices.template.T, joints]),
            torch.cat([vertices.shapedirs.permute(2, 1, 0), joint_directions]),
            directions,
            # A joint is a point at its own centre of rotation: only what stands above it moves it.
            torch.cat([vertices.weights.T, torch.eye(len(joints)).to(joints)]),
            joints,
            joint_directions,
            tuple(body.parents.tolist()),
        )

    def take(self, ids: Tensor) -> MovingPoints:
        """The points of these numbers, in this order."""
        return replace(
            self,
            template=self.template[ids],
            shape_directions=self.shape_directions[ids],
            pose_directions=None if self.pose_directions is None else self.pose_directions[:, ids],
            weights=self.weights[ids],
        )

    def mixed(self, matrix: Tensor) -> MovingPoints:
        """The points ``matrix @ points``, matrix (Q,P) with rows that sum to 1; only what they need is computed."""
        used = matrix.abs().amax(0).nonzero()[:, 0]
        return replace(self.take(used), mix=matrix[:, used])

    @property
    def num_joints(self) -> int:
        """K."""
        return len(self.joints)

    @property
    def num_betas(self) -> int:
        """B."""
        return self.shape_directions.shape[-1]

    def world_rotations(self, rotations: Tensor) -> Tensor:
        """Rotation (N,K,3,3) of each body part in world axes, of the joints' own rotations (N,K,3,3)."""
        world = [rotations[:, 0]]
        for joint in range(1, self.num_joints):
            world.append(world[self.parents[joint]] @ rotations[:, joint])
        return torch.stack(world, dim=1)

    def local_rotations(self, world: Tensor) -> Tensor:
        """The inverse of ``world_rotations``."""
        return torch.cat([world[:, :1], world[:, self.parents[1:]].mT @ world[:, 1:]], dim=1)

    def __call__(self, rotations: Tensor, shape: Tensor) -> Tensor:
        """Positions (N,P,3), metres, of rotations (N,K,3,3) and shape (N,B); the root joint is not shifted."""
        points = self._posed(rotations, shape)[0]
        return points if self.mix is None else self.mix @ points

    def _posed(self, rotations: Tensor, shape: Tensor) -> tuple[Tensor, ...]:
        world = self.world_rotations(rotations)
        joints = self.joints + torch.einsum("kab,nb->nka", self.joint_directions, shape)
        places = self._along_the_tree(world, joints[..., None])[..., 0]
        rest = self.template + torch.einsum("pab,nb->npa", self.shape_directions, shape)
        if self.pose_directions is not None:
            entries = (rotations[:, 1:] - torch.eye(3).to(rotations)).flatten(1)
            rest = rest + (entries @ self.pose_directions.flatten(1)).unflatten(1, (-1, 3))
        shifts = places - (world @ joints[..., None])[..., 0]
        blended = torch.einsum("pk,nkab->npab", self.weights, world)
        points = (blended @ rest[..., None])[..., 0] + self.weights @ shifts
        return points, world, places, rest, shifts, blended

    def _along_the_tree(self, world: Tensor, joints: Tensor) -> Tensor:
        """Columns (N,K,3,C) at the joints at rest carried to the posed joints, the root's unchanged."""
        places = [joints[:, 0]]
        for joint in range(1, self.num_joints):
            parent = self.parents[joint]
            places.append(places[parent] + world[:, parent] @ (joints[:, joint] - joints[:, parent]))
        return torch.stack(places, dim=1)

    def derivatives(self, rotations: Tensor, shape: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Positions (N,P,3), their derivatives (N,P,3,D) by turns and shift, and (N,P,3,B) by shape."""
        points, world, places, rest, shifts, blended = self._posed(rotations, shape)
        below = self._below()
        # What a turn of joint k moves: the share of a point that hangs below k, seen from k.
        parts = (torch.einsum("nkab,npb->npka", world, rest) + shifts[:, None]) * self.weights[..., None]
        arms = below @ parts - (self.weights @ below.T)[..., None] * places[:, None]
        turns = cross_matrix(arms).mT.transpose(2, 3)  # (N,P,3,K,3)
        if self.pose_directions is not None:
            # A turn about world axis c is [Wᵀc]x R in the axes W of the parent.
            changes = cross_matrix(world[:, self.parents[1:]]) @ rotations[:, 1:, None]  # (N,K-1,c,3,3)
            directions = self.pose_directions.unflatten(0, (-1, 9))
            bulges = torch.einsum("nkcm,kmpa->npakc", changes.flatten(3), directions)
            turns[..., 1:, :] += (blended @ bulges.flatten(3)).unflatten(3, (-1, 3))
        shift = torch.eye(3).to(points).expand(*points.shape, 3)
        directions = self.joint_directions.expand(len(points), -1, -1, -1)
        carried = self._along_the_tree(world, directions) - world @ directions
        by_shape = blended @ self.shape_directions + torch.einsum("pk,nkab->npab", self.weights, carried)
        made = points, torch.cat([turns.flatten(3), shift], dim=-1), by_shape
        if self.mix is None:
            return made
        return tuple(torch.einsum("qp,np...->nq...", self.mix, part) for part in made)

    def _below(self) -> Tensor:
        """(K,K): 1 where the second joint is the first or hangs below it."""
        rows = torch.eye(self.num_joints)
        for joint in range(self.num_joints - 1, 0, -1):
            rows[self.parents[joint]] += rows[joint]
        return rows.to(self.weights)

    def part_rotations(self, target: Tensor, shape: Tensor) -> Tensor:
        """Joint rotations (N,K,3,3) that turn each part alone onto target (N,P,3) (Kabsch 1976).

        A part that moves fewer than three points turns with its parent.
        """
        rest = self.template + torch.einsum("pab,nb->npa", self.shape_directions, shape)
        share = self.weights / self.weights.sum(0).clamp_min(1e-9)
        moments = torch.einsum("pk,npa,npb->nkab", share, target, rest)
        moments = moments - (share.T @ target)[..., None] * (share.T @ rest)[..., None, :]
        left, _, right = torch.linalg.svd(moments)
        left[..., 2] *= torch.linalg.det(left @ right)[..., None]
        world = left @ right
        for joint in range(1, self.num_joints):
            if (self.weights[:, joint] > 0.2).sum() < 3:
                world[:, joint] = world[:, self.parents[joint]]
        return self.local_rotations(world)
