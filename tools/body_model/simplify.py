"""Fewer triangles on a mirror-symmetric mesh: vertices are taken away, the others stay where they are.

Half-edge collapse by quadric error (Garland and Heckbert 1997). Since the vertices that stay are some of the
given ones, shape components and skinning weights carry over without resampling. Only the left half is worked
on; the right half is its mirror image.
"""

from __future__ import annotations

import heapq

import numpy as np

# Share of an edge's squared length in the cost of its collapse: keeps triangles even where the skin is flat.
EDGE_SHARE = 0.002
MIN_COSINE_OF_TURN = 0.3  # of a triangle's normal by a collapse
MIN_ROUNDNESS = 0.05  # 1 for the equilateral triangle; slivers shade badly


def simplify(
    vertices: np.ndarray, quads: np.ndarray, mirror: np.ndarray, weight: np.ndarray, num_vertices: int
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (M,) of the vertices that stay, rising, and triangles (F,3) among them; M is num_vertices or 1 less.

    vertices (V,3); quads (Q,4) mirror-symmetric; mirror (V,) number of each vertex's mirror image, itself on
    the middle line; weight (V,) how much a displacement of the skin there counts.
    """
    middle = mirror == np.arange(len(mirror))
    left = quads[((vertices[quads, 0] > 0) | middle[quads]).all(1)]
    triangles = _Triangles(vertices, _triangulate(vertices, left), middle, weight)
    triangles.collapse(num_vertices)
    half = np.array([corners for corners in triangles.corners if corners])
    faces = np.concatenate([half, mirror[half][:, ::-1]])
    kept = np.unique(faces)
    return kept, np.searchsorted(kept, faces)


def _triangulate(vertices: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """Quads cut along their shorter diagonal: triangles (2Q,3)."""
    a, b, c, d = vertices[quads].swapaxes(0, 1)
    across = np.linalg.norm(c - a, axis=-1) <= np.linalg.norm(d - b, axis=-1)
    first = np.where(across[:, None], quads[:, [0, 1, 2]], quads[:, [0, 1, 3]])
    second = np.where(across[:, None], quads[:, [0, 2, 3]], quads[:, [1, 2, 3]])
    return np.concatenate([first, second])


class _Triangles:
    """Half of the mesh while it loses vertices."""

    def __init__(
        self, vertices: np.ndarray, triangles: np.ndarray, middle: np.ndarray, weight: np.ndarray
    ) -> None:
        self.vertices, self.middle = vertices, middle
        self.corners = [tuple(row) for row in triangles.tolist()]
        self.around: dict[int, set[int]] = {}
        for number, row in enumerate(self.corners):
            for corner in row:
                self.around.setdefault(corner, set()).add(number)
        self.quadrics = np.zeros((len(vertices), 4, 4))
        self.areas = np.zeros(len(vertices))
        normals = np.cross(*(vertices[triangles[:, k]] - vertices[triangles[:, 0]] for k in (1, 2)))
        areas = np.linalg.norm(normals, axis=1) / 2
        normals /= np.maximum(2 * areas[:, None], 1e-12)
        for corner in triangles.T:
            np.add.at(self.areas, corner, areas / 3 * weight[corner])
            self._add_planes(corner, vertices[triangles[:, 0]], normals, areas / 3 * weight[corner])
        edges = np.concatenate([triangles[:, [k, (k + 1) % 3]] for k in range(3)])
        _, index, counts = np.unique(np.sort(edges, axis=1), axis=0, return_index=True, return_counts=True)
        rim = index[counts == 1]
        self.rim = set(edges[rim].ravel().tolist())
        along = vertices[edges[rim, 1]] - vertices[edges[rim, 0]]
        outward = np.cross(along, normals[rim % len(triangles)])
        length = np.linalg.norm(outward, axis=1)
        outward /= np.maximum(length[:, None], 1e-12)
        for end in edges[rim].T:
            self._add_planes(end, vertices[end], outward, length**2 * weight[end])

    def _add_planes(
        self, where: np.ndarray, points: np.ndarray, normals: np.ndarray, sizes: np.ndarray
    ) -> None:
        planes = np.concatenate([normals, -(normals * points).sum(1, keepdims=True)], axis=1)
        np.add.at(self.quadrics, where, sizes[:, None, None] * planes[:, :, None] * planes[:, None, :])

    def collapse(self, num_vertices: int) -> None:
        """Take vertices away, the cheapest first, until both halves together have at most num_vertices."""
        used = np.fromiter(self.around, int)
        count = int(np.where(self.middle[used], 1, 2).sum())
        age = dict.fromkeys(self.around, 0)
        heap = [self._cost(gone, stays) for gone in self.around for stays in self._neighbours(gone)]
        heap = [(cost, gone, stays, 0, 0) for cost, gone, stays in heap]
        heapq.heapify(heap)
        while count > num_vertices and heap:
            _, gone, stays, gone_age, stays_age = heapq.heappop(heap)
            if (age.get(gone), age.get(stays)) != (gone_age, stays_age) or not self._allowed(gone, stays):
                continue
            count -= 1 if self.middle[gone] else 2
            self._replace(gone, stays)
            del age[gone]
            neighbours = self._neighbours(stays)
            for changed in (stays, *sorted(neighbours)):
                age[changed] += 1
            for one in (stays, *sorted(neighbours)):
                for other in sorted(self._neighbours(one)):
                    for pair in ((one, other), (other, one)):
                        heapq.heappush(heap, (*self._cost(*pair), age[pair[0]], age[pair[1]]))

    def _cost(self, gone: int, stays: int) -> tuple[float, int, int]:
        place = np.append(self.vertices[stays], 1.0)
        error = place @ (self.quadrics[gone] + self.quadrics[stays]) @ place
        length = self.vertices[gone] - self.vertices[stays]
        return float(error + EDGE_SHARE * self.areas[gone] * (length @ length)), gone, stays

    def _neighbours(self, vertex: int) -> set[int]:
        return {corner for number in self.around[vertex] for corner in self.corners[number]} - {vertex}

    def _allowed(self, gone: int, stays: int) -> bool:
        if self.middle[gone] and not self.middle[stays]:
            return False
        shared = self.around[gone] & self.around[stays]
        if gone in self.rim and (stays not in self.rim or len(shared) != 1):
            return False
        if len(self._neighbours(gone) & self._neighbours(stays)) != len(shared):
            return False
        for number in self.around[gone] - shared:
            row = self.corners[number]
            before = self.vertices[list(row)]
            after = self.vertices[[stays if corner == gone else corner for corner in row]]
            old, new = (np.cross(x[1] - x[0], x[2] - x[0]) for x in (before, after))
            size = np.linalg.norm(new)
            if old @ new < MIN_COSINE_OF_TURN * np.linalg.norm(old) * size:
                return False
            sides = sum(((after[k] - after[k - 1]) ** 2).sum() for k in range(3))
            if 2 * np.sqrt(3) * size < MIN_ROUNDNESS * sides:
                return False
        return True

    def _replace(self, gone: int, stays: int) -> None:
        for number in self.around.pop(gone):
            row = self.corners[number]
            if stays in row:
                for corner in row:
                    if corner != gone:
                        self.around[corner].discard(number)
                self.corners[number] = ()
            else:
                self.corners[number] = tuple(stays if corner == gone else corner for corner in row)
                self.around[stays].add(number)
        self.quadrics[stays] += self.quadrics[gone]
        self.areas[stays] += self.areas[gone]
