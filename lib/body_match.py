"""Which points of two body models are the same: by a transfer matrix, one mesh, keypoints, or closest points.

Letters: Q points to fit, V vertices, K body joints; points of a body are its vertices, then its joints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from lib.body import BodyModel
from lib.body_closest import closest_points
from lib.body_fit import BodyFit, fit_body
from lib.body_points import MovingPoints
from lib.body_regressor import keypoint_regressor
from lib.errors import UserError
from lib.skeleton import Skeleton

FAINT = 0.02  # weight of points that follow joints the target lacks: enough to place what nothing else holds
REACH_M = 0.03  # farther apart, two surfaces do not show the same point
ROUNDS, STEPS = 8, 3  # of closest points, and of the fit to them


@dataclass(frozen=True)
class Body:
    """A body model as conversion sees it."""

    model: BodyModel
    points: MovingPoints
    faces: Tensor
    """(M,3)"""

    @staticmethod
    def of(model: BodyModel) -> Body:
        """On the device of the model."""
        return Body(
            model, MovingPoints.of(model), torch.as_tensor(model.faces, device=model.joint_template.device)
        )

    @property
    def num_vertices(self) -> int:
        """V."""
        return self.model.num_vertices

    def rest(self) -> tuple[Tensor, Tensor]:
        """Rotations (1,K,3,3) and shape (1,B) of the mean body at rest."""
        eye = torch.eye(3, device=self.faces.device)
        return eye.expand(1, self.model.num_joints, 3, 3), eye.new_zeros(1, self.points.num_betas)


class Match(NamedTuple):
    """Points of two bodies that are to meet."""

    source: Tensor
    """(Q, Vs + Ks), sparse: makes the points to fit from those of the source."""
    target: MovingPoints
    """The Q points of the target."""
    weights: Tensor
    """(Q,) of the squared distances."""
    kind: str
    """For the report."""
    pose_prior_mm: float = 0.1
    shape_prior_mm: float = 0.1

    def fit(self, goal: Tensor, start: Tensor, **options: object) -> BodyFit:
        """Fit of the target to ``goal`` (N,Q,3), beginning at rotations ``start`` (N,K,3,3)."""
        priors = {"pose_prior_mm": self.pose_prior_mm, "shape_prior_mm": self.shape_prior_mm}
        return fit_body(self.target, goal, weights=self.weights, rotations=start, **priors, **options)

    def goal(self, points: Tensor) -> Tensor:
        """(N,Q,3) of the source's points (N, Vs + Ks, 3)."""
        flat = self.source @ points.transpose(0, 1).flatten(1)
        return flat.unflatten(1, (-1, 3)).transpose(0, 1)


def copied_rotations(source: Body, target: Body, rotations: Tensor) -> Tensor:
    """Rotations (N,Kt,3,3) of the joints that have a namesake in the source; the others are not turned."""
    names = source.model.joint_names
    eye = torch.eye(3).to(rotations).expand(len(rotations), 3, 3)
    joints = [rotations[:, names.index(name)] if name in names else eye for name in target.model.joint_names]
    return torch.stack(joints, dim=1)


def match_by_matrix(source: Body, target: Body, matrix: Tensor) -> Match:
    """Vertices of the target as mixtures of the source's: sparse transfer matrix (Vt,Vs).

    Points that follow joints the target lacks (fingers, jaw and eyes of SMPL-X) hardly count. ``UserError``
    for a matrix of other bodies.
    """
    matrix = matrix.coalesce()
    if tuple(matrix.shape) != (target.num_vertices, source.num_vertices):
        raise UserError(
            f"the transfer matrix is {matrix.shape[0]} x {matrix.shape[1]}, but the target body "
            f"{target.model.name} has {target.num_vertices} vertices and the source body "
            f"{source.model.name} {source.num_vertices}"
        )
    size = (target.num_vertices, len(source.points.template))
    matrix = _sparse(matrix.indices(), matrix.values(), size).to(source.points.template)
    kept = [name in target.model.joint_names for name in source.model.joint_names]
    follows = (matrix @ source.points.weights)[:, torch.tensor(kept)].sum(1).clamp(FAINT, 1)
    points = target.points.take(torch.arange(target.num_vertices, device=target.faces.device))
    return Match(matrix, points, follows, "transfer matrix")


def match_same_mesh(source: Body, target: Body) -> Match:
    """Vertex by vertex, for two bodies with one mesh, such as the genders of a model."""
    ids = torch.arange(target.num_vertices)
    matrix = _sparse(torch.stack([ids, ids]), torch.ones(len(ids)), (len(ids), source.num_vertices))
    return match_by_matrix(source, target, matrix)._replace(kind="same mesh")


def match_keypoints(source: Body, target: Body, skeleton: Skeleton | None = None) -> Match:
    """Joints of one name, and the joints of a format that are more than approximate in both bodies.

    Approximate: two models place a joint of one name up to some centimetres apart. ``UserError`` for a format
    that one of the bodies has no rules for.
    """
    names = [name for name in target.model.joint_names if name in source.model.joint_names]
    made = [keypoint_regressor(body.model, skeleton) for body in (source, target)] if skeleton else []
    surface = [
        number
        for number, joint in enumerate(skeleton.joints if skeleton else ())
        if not any("approximate" in regressor.rules[joint] for regressor in made)
    ]
    matrices = []
    for place, body in enumerate((source, target)):
        matrix = torch.zeros(len(names) + len(surface), len(body.points.template)).to(body.points.template)
        columns = [body.num_vertices + body.model.joint_names.index(name) for name in names]
        matrix[range(len(names)), columns] = 1
        if surface:
            matrix[len(names) :, : body.num_vertices] = made[place].matrix[surface]
        matrices.append(matrix)
    kind = f"{len(names)} joints and {len(surface)} keypoints (approximate)"
    points = target.points.mixed(matrices[1])
    return Match(matrices[0].to_sparse(), points, torch.ones_like(matrices[0][:, 0]), kind, 3.0, 1.0)


def match_closest_points(source: Body, target: Body) -> Match:
    """Each vertex of the target with the closest point of the source's surface, both mean bodies at rest.

    The joints bring the target onto the source; then closest points and fit in turns (iterated closest points,
    Besl and McKay 1992). Approximate: points slide along the surface where the two shapes differ. ``UserError``
    for surfaces that are far from each other.
    """
    start = match_keypoints(source, target)
    rest, shape = source.rest()
    points = source.points(rest, shape)
    fit = start.fit(start.goal(points), copied_rotations(source, target, rest))
    surface = points[0, : source.num_vertices]
    for _ in range(ROUNDS):
        at = (target.points(fit.rotations, fit.shape) + fit.shift)[0, : target.num_vertices]
        matrix, apart_m = closest_points(at, target.faces, surface, source.faces)
        match = match_by_matrix(source, target, matrix)
        near = apart_m < REACH_M
        if near.float().mean() < 0.5:
            raise UserError(
                f"{int(100 * near.float().mean())} % of the surface of body {target.model.name} lie within "
                f"{1000 * REACH_M:g} mm of body {source.model.name}: give --transfer, or --keypoints FORMAT"
            )
        match = match._replace(weights=match.weights * near)
        fit = match.fit(match.goal(points), fit.rotations, shape=fit.shape, iterations=STEPS)
    return match._replace(kind="closest points of the two surfaces (approximate)")


def _sparse(indices: Tensor, values: Tensor, size: tuple[int, int]) -> Tensor:
    return torch.sparse_coo_tensor(indices, values, size, check_invariants=True).coalesce()
