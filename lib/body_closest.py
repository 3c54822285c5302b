"""Closest points of a triangle mesh.

Letters: P points, V vertices, M faces, C candidates.
"""

from __future__ import annotations

import torch
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn import functional as F

_NEAR_VERTICES = 4  # their triangles are looked at
_SAME_SIDE = 0.5  # cosine: surfaces that look 60 degrees apart are not the same part of the body


def closest_points(
    points: Tensor, point_faces: Tensor, vertices: Tensor, faces: Tensor
) -> tuple[Tensor, Tensor]:
    """Closest point of mesh ``vertices`` (V,3), ``faces`` (M,3) to each vertex (P,3) of another, as sparse weights.

    The weights (P,V) of a row sum to 1; the second result (P,) is the distance in metres, infinite where no
    face near by looks the same way as the other mesh (``point_faces``) there. Not differentiable.
    """
    around = _faces_around(faces, len(vertices))
    _, near = cKDTree(vertices.cpu().numpy()).query(points.cpu().numpy(), _NEAR_VERTICES)
    candidates = around[torch.as_tensor(near, device=faces.device)].flatten(1)  # (P,C), -1 where none
    weights, distance = _closest_in_triangles(points[:, None], vertices[faces[candidates]])
    facing = _normals(vertices[faces])[candidates] * _vertex_normals(points, point_faces)[:, None]
    distance = torch.where((candidates >= 0) & (facing.sum(-1) > _SAME_SIDE), distance, torch.inf)
    rows = torch.arange(len(points), device=faces.device)
    distance, best = distance.min(1)
    indices = torch.stack([rows.repeat_interleave(3), faces[candidates[rows, best]].flatten()])
    matrix = torch.sparse_coo_tensor(
        indices, weights[rows, best].flatten(), (len(points), len(vertices)), check_invariants=True
    )
    return matrix.coalesce(), distance


def _faces_around(faces: Tensor, num_vertices: int) -> Tensor:
    """(V, most faces of a vertex): numbers of the faces at each vertex, filled up with -1."""
    corners, order = faces.flatten().sort()
    counts = torch.bincount(corners, minlength=num_vertices)
    place = torch.arange(len(corners), device=faces.device) - (counts.cumsum(0) - counts)[corners]
    table = faces.new_full((num_vertices, int(counts.max())), -1)
    table[corners, place] = order // 3
    return table


def _normals(corners: Tensor) -> Tensor:
    """Unit normals (...,3) of triangles (...,3 corners,3)."""
    a, b, c = corners.unbind(-2)
    return F.normalize(torch.linalg.cross(b - a, c - a), dim=-1)


def _vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    normals = _normals(vertices[faces]).repeat_interleave(3, 0)
    return F.normalize(torch.zeros_like(vertices).index_add_(0, faces.flatten(), normals), dim=-1)


def _closest_in_triangles(points: Tensor, corners: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (...,3) of the corners (...,3,3) that make the point of the triangle next to points (...,3)."""
    a, b, c = corners.unbind(-2)
    ab, ac, ap = b - a, c - a, points - a
    bb, cc, bc = (ab * ab).sum(-1), (ac * ac).sum(-1), (ab * ac).sum(-1)
    pb, pc = (ap * ab).sum(-1), (ap * ac).sum(-1)
    area = (bb * cc - bc * bc).clamp_min(1e-20)
    v, w = (cc * pb - bc * pc) / area, (bb * pc - bc * pb) / area
    inside = torch.stack([1 - v - w, v, w], -1)
    tries = [torch.where((inside >= 0).all(-1, keepdim=True), inside, torch.nan)]
    for start in range(3):  # outside: on one of the three edges
        end = (start + 1) % 3
        edge = corners[..., end, :] - corners[..., start, :]
        along = ((points - corners[..., start, :]) * edge).sum(-1) / edge.square().sum(-1).clamp_min(1e-20)
        along = along.clamp(0, 1)
        weights = torch.zeros_like(inside)
        weights[..., start], weights[..., end] = 1 - along, along
        tries.append(weights)
    choices = torch.stack(tries)
    distance = ((choices[..., None] * corners).sum(-2) - points).norm(dim=-1).nan_to_num(torch.inf)
    distance, best = distance.min(0)
    return choices.gather(0, best[None, ..., None].expand_as(choices[:1]))[0], distance
