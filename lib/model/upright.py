"""DSTformer that sees every clip upright and in one size: a turned, smaller or shifted input turns its output alike.

For poses that have no upright of their own, such as hands: what a network would have to learn for every angle in
the image and every distance, it learns once. Shapes: N clips, T frames, J joints, C channels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lib.model.DSTformer import DSTformer


class UprightDSTformer(DSTformer):
    """``upright``: numbers of two joints, whose way from first to second points up in what the network sees.

    A clip is turned and scaled as a whole, by the mean over its frames of that way and of the box around the
    joints; its box lies around the origin. Outputs are relative to the root, so that turn and scale carry them
    back. Parameters are named as DSTformer's.
    """

    def __init__(self, *args: Any, upright: tuple[int, int], **options: Any) -> None:
        super().__init__(*args, **options)
        self.upright = upright

    def forward(self, x: Tensor, return_rep: bool = False) -> Tensor:
        """As ``DSTformer.forward``; a representation stays in the network's own view."""
        self._check(x)
        seen = (x != 0).any(-1, keepdim=True)  # a masked joint is zero in every channel, and stays so
        turn, size, middle = upright_view(x[..., :2], seen, self.upright)
        position = (x[..., :2] @ turn - middle) / size * seen
        output = super().forward(torch.cat([position, x[..., 2:]], dim=-1), return_rep)
        if return_rep:
            return output
        plane, depth = output[..., :2] @ turn.mT, output[..., 2:]
        return torch.cat([plane, depth], dim=-1) * size


@torch.no_grad()
def upright_view(xy: Tensor, seen: Tensor, joints: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Turn (N,1,2,2), half size (N,1,1,1) and middle (N,1,1,2) of clips xy (N,T,J,2), of which ``seen`` (N,T,J,1) are.

    ``(xy @ turn - middle) / size`` stands upright in the box from -1 to 1, y down as in images.
    """
    first, second = joints
    both = seen[:, :, first] & seen[:, :, second]
    way = ((xy[:, :, second] - xy[:, :, first]) * both).sum(1)
    length = way.norm(dim=-1, keepdim=True)
    up = torch.where(length > 0, way / length.clamp(min=1e-12), way.new_tensor([0.0, -1.0]))
    x, y = up.unbind(-1)
    # columns: where the network's x and y axes lie in the image; its -y is the way up
    turn = torch.stack([torch.stack([-y, -x], -1), torch.stack([x, -y], -1)], -2)[:, None]
    turned = xy @ turn
    low = turned.masked_fill(~seen, torch.inf).amin(2, keepdim=True)
    high = turned.masked_fill(~seen, -torch.inf).amax(2, keepdim=True)
    known = (high >= low).all(-1, keepdim=True)  # frames in which something is seen
    low, high = (torch.where(known, bound, 0.0) for bound in (low, high))
    frames = known.sum(1, keepdim=True).clamp(min=1)
    middle = (low + high).sum(1, keepdim=True) / 2 / frames
    size = (high - low).amax(-1, keepdim=True).sum(1, keepdim=True) / 2 / frames
    return turn, torch.where(size > 0, size, 1.0), middle
