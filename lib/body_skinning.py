"""How joints move a body: the chain of rotations along the tree, and linear blend skinning of points.

After Loper et al., SMPL: A Skinned Multi-Person Linear Model (2015). Letters: N bodies, V points, K joints,
B shape components, P pose components.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

# Numbers in a chunk of skinning matrices: on a CPU they stay in the cache, on a GPU they bound the memory.
_CHUNK = {"cpu": 2**20, "cuda": 2**26}
# The matrix of pose offsets is read once a chunk of unposed points, so that these chunks are larger.
_UNPOSED_CHUNKS = 8


class ArrayModule(nn.Module):
    """A module whose arrays move with it from device to device and are in no checkpoint."""

    def hold(self, name: str, array: np.ndarray | None) -> None:
        """Keep a copy of ``array`` as a float32 or int64 buffer."""
        if array is not None:
            dtype = torch.int64 if np.issubdtype(array.dtype, np.integer) else torch.float32
            array = torch.from_numpy(np.array(array, order="C")).to(dtype)
        self.register_buffer(name, array, persistent=False)


def full_precision(method: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Decorator: products in a method of a module are float32 even where training takes less for its own.

    bfloat16 would cost several millimetres, TF32 half of one.
    """

    @functools.wraps(method)
    def wrapper(self: nn.Module, *arguments: Any, **named: Any) -> Tensor:
        kind = "cuda" if next(self.buffers()).is_cuda else "cpu"
        allowed = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = False
        try:
            with torch.autocast(kind, enabled=False):
                return method(self, *arguments, **named)
        finally:
            torch.backends.cuda.matmul.allow_tf32 = allowed

    return wrapper


class SkinnedPoints(ArrayModule):
    """Points that hang on the joints of a body: its vertices, or shares of them.

    Template (3,V), shape offsets (B,3,V), pose offsets (P,3,V) or None, skinning weights (K,V). Coordinates
    stand before points, so that skinning runs over long rows. A point of ``mass`` m (V,) takes part in shifts m
    times: 1 for vertices (None), the sum of the weights for a weighted sum of vertices.
    """

    def __init__(
        self,
        template: np.ndarray,
        shapedirs: np.ndarray,
        posedirs: np.ndarray | None,
        weights: np.ndarray,
        mass: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        self.hold("template", template)
        self.hold("shapedirs", shapedirs)
        self.hold("posedirs", posedirs)
        self.hold("weights", weights)
        self.hold("mass", mass)

    def forward(
        self, transforms: Tensor, components: Tensor, shape: Tensor, ids: Tensor | None = None
    ) -> Tensor:
        """Points (N,V,3), all or those of ``ids``, under rigid transforms (N,K,3,4) of the joints.

        ``components`` (N,P) are the rotations less the identity, ``shape`` is (N,B). Memory beyond the result
        is bounded unless gradients are recorded.
        """
        template, shapedirs, posedirs, weights, mass = (
            array if array is None or ids is None else array[..., ids]
            for array in (self.template, self.shapedirs, self.posedirs, self.weights, self.mass)
        )
        num = template.shape[-1]
        chunk = max(1, _CHUNK.get(template.device.type, _CHUNK["cuda"]) // max(1, 12 * num))
        parts = []
        for start in range(0, len(transforms), chunk * _UNPOSED_CHUNKS):
            some = slice(start, start + chunk * _UNPOSED_CHUNKS)
            points = torch.addmm(template.flatten(), shape[some], shapedirs.flatten(1))
            if posedirs is not None:
                points = torch.addmm(points, components[some], posedirs.flatten(1))
            for rigid, unposed in zip(transforms[some].split(chunk), points.split(chunk), strict=True):
                parts.append(_skin(rigid, unposed.unflatten(-1, (3, num)), weights, mass))
        return torch.cat(parts) if parts else transforms.new_zeros(0, num, 3)


def _skin(transforms: Tensor, points: Tensor, weights: Tensor, mass: Tensor | None) -> Tensor:
    """Points (N,3,V) by transforms (N,K,3,4), blended with weights (K,V), to (N,V,3)."""
    blended = (transforms.permute(0, 2, 3, 1).flatten(0, 2) @ weights).unflatten(0, (-1, 3, 4))
    rotation, shift = blended[:, :, :3], blended[:, :, 3]
    if mass is not None:
        shift = shift * mass
    x, y, z = points.unsqueeze(1).unbind(2)
    moved = torch.addcmul(shift, rotation[:, :, 0], x)
    return moved.addcmul_(rotation[:, :, 1], y).addcmul_(rotation[:, :, 2], z).transpose(1, 2)


class JointTree(ArrayModule):
    """Tree of joints given by the parent of each (K,); the root comes first and has parent -1."""

    def __init__(self, parents: np.ndarray) -> None:
        super().__init__()
        depth = np.zeros(len(parents), np.int64)
        for joint, parent in enumerate(parents[1:], start=1):
            depth[joint] = depth[parent] + 1
        order = np.argsort(depth, kind="stable")
        ends = np.cumsum(np.bincount(depth)).tolist()
        starts = [0, *ends[:-1]]
        self.levels = list(zip(starts, ends, strict=True))
        place = np.argsort(order)
        # of each joint in this order, where its parent stands within the level above
        above = place[parents[order[1:]]] - np.array(starts)[depth[order[1:]] - 1]
        self.hold("parent", parents)
        self.hold("order", order)
        self.hold("place", place)
        self.hold("above", np.array([0, *above]))

    def forward(self, rotations: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
        """World rotations (N,K,3,3) and positions (N,K,3) from rotations relative to the parent (N,K,3,3).

        ``rest`` (N,K,3) are the joints of the unposed body. All joints of one depth are moved at once.
        """
        bones = torch.cat([rest[:, :1], rest[:, 1:] - rest[:, self.parent[1:]]], dim=1)
        local = torch.cat([rotations, bones[..., None]], dim=-1)[:, self.order]
        levels = [local[:, :1]]
        for start, end in self.levels[1:]:
            above = levels[-1][:, self.above[start:end]]
            moved = above[..., :3] @ local[:, start:end]
            levels.append(torch.cat([moved[..., :3], moved[..., 3:] + above[..., 3:]], dim=-1))
        world = torch.cat(levels, dim=1)[:, self.place]
        return world[..., :3], world[..., 3]
