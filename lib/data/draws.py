"""Random numbers for a batch, from a generator that is passed in."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Draws:
    """Random numbers of one generator for a batch: made on the generator's device, used on the batch's."""

    def __init__(self, generator: torch.Generator, like: Tensor) -> None:
        self.generator, self.num_clips = generator, len(like)
        self._as_batch: dict[str, Any] = {"device": like.device, "dtype": like.dtype}

    def uniform(self, *shape: int) -> Tensor:
        """Numbers between 0 and 1."""
        return torch.rand(shape, generator=self.generator, device=self.generator.device).to(**self._as_batch)

    def normal(self, *shape: int) -> Tensor:
        """Numbers of mean 0 and standard deviation 1."""
        return torch.randn(shape, generator=self.generator, device=self.generator.device).to(**self._as_batch)
