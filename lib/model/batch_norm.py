"""Batch normalisation that says whose statistics it takes: this process's, all processes', or the running ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SumOverProcesses(torch.autograd.Function):
    """Sum of a tensor over all processes; each share's gradient is the sum of the gradients of the whole."""

    @staticmethod
    def forward(context: Any, share: Tensor) -> Tensor:
        total = share.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return SumOverProcesses.apply(gradient)


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation of rows (M,C), with the names and numbers of ``nn.BatchNorm1d``.

    In training ``statistics`` are of the ``batch``, of the batches of ``all_processes`` together (on any device, which
    torch's own is not), or the ``running`` ones, which then stay. A single row has no variance: it takes the running
    ones and leaves them.
    """

    statistics = "batch"

    def forward(self, x: Tensor) -> Tensor:
        """Normalized rows (M,C)."""
        together = self.statistics == "all_processes" and num_processes() > 1
        if not self.training or self.statistics == "running" or (len(x) == 1 and not together):
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return self._over_all_processes(x.float()) if together else super().forward(x)

    def _over_all_processes(self, x: Tensor) -> Tensor:
        rows = SumOverProcesses.apply(x.new_tensor(float(len(x))))
        mean = SumOverProcesses.apply(x.sum(0)) / rows
        centred = x - mean
        variance = SumOverProcesses.apply(centred.square().sum(0)) / rows
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * rows / (rows - 1).clamp_min(1), self.momentum)
            self.num_batches_tracked += 1
        return centred * torch.rsqrt(variance + self.eps) * self.weight + self.bias


def num_processes() -> int:
    """Processes of the run."""
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if distributed else 1


def set_batch_norm(model: nn.Module, statistics: str) -> None:
    """Choose whose statistics each batch normalisation takes in training: see ``BatchNorm``.

    ``running`` is for a head whose statistics come from a checkpoint: a new one has none and hardly learns.
    """
    if statistics not in ("batch", "all_processes", "running"):
        raise ValueError(f"statistics '{statistics}' must be batch, all_processes or running")
    for module in model.modules():
        if isinstance(module, BatchNorm):
            module.statistics = statistics
