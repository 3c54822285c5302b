"""What a training run needs around its loop: device, processes, precision, schedule, order, randomness, signals.

Nothing here knows poses. Everything random is a pure function of (seed, epoch, step), so that a run that was
stopped anywhere continues exactly where it stood.
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lib.allocator import keep_freed_memory
from lib.errors import UserError


@dataclass(frozen=True)
class Runtime:
    """Where this process runs: its device and its place among the processes of the run."""

    device: torch.device
    rank: int
    world_size: int
    precision: str

    @property
    def is_main(self) -> bool:
        """True in the one process that writes files and prints."""
        return self.rank == 0

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Context of the forward pass: bfloat16 autocast, or nothing for float32."""
        if self.precision == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return contextlib.nullcontext()

    def slice_of_batch(self, size: int) -> tuple[slice, float]:
        """Part of a global batch that this process takes, and the factor that makes averaged gradients exact.

        With `world_size` processes the averaged gradient of ``factor * mean_loss_of_slice`` equals the gradient
        of the mean loss over the global batch, also when the last batch cannot be shared out evenly. A process
        that would get nothing takes the first clip with factor 0, because every process must take part.
        """
        bounds = [size * rank // self.world_size for rank in range(self.world_size + 1)]
        start, stop = bounds[self.rank], bounds[self.rank + 1]
        if stop == start:
            return slice(0, 1), 0.0
        return slice(start, stop), (stop - start) * self.world_size / size

    def mean_over_processes(self, values: Tensor) -> Tensor:
        """Average of a tensor over all processes (the tensor itself if there is one)."""
        if self.world_size > 1:
            torch.distributed.all_reduce(values)
            values = values / self.world_size
        return values

    def wait_for_all(self) -> None:
        """Barrier; nothing with one process."""
        if self.world_size > 1:
            torch.distributed.barrier()


def start_runtime(precision: str = "fp32", device: str | None = None, threads: int | None = None) -> Runtime:
    """Choose the device and, under torchrun, join the other processes.

    ``device`` None takes a CUDA GPU if there is one. Raises ``UserError`` if the asked device is not there.
    """
    keep_freed_memory()
    if threads:
        torch.set_num_threads(threads)
    rank, world_size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise UserError(f"device '{device}' is not known: give cpu, cuda or a GPU's number such as cuda:1")
    if device.startswith("cuda"):
        if not torch.cuda.is_available():
            raise UserError(f"device '{device}' was asked for, but torch sees no CUDA GPU; use --device cpu")
        if world_size > 1 or ":" not in device:
            device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
        torch.cuda.set_device(torch.device(device))
        torch.backends.cuda.matmul.allow_tf32 = precision != "fp32"
    if world_size > 1 and not torch.distributed.is_initialized():
        backend = "nccl" if device.startswith("cuda") else "gloo"
        # the others wait while the main process evaluates, which may take longer than the default ten minutes
        torch.distributed.init_process_group(backend, timeout=timedelta(hours=4))
    return Runtime(torch.device(device), rank, world_size, precision)


def stop_runtime() -> None:
    """Leave the process group, if there is one."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def epoch_batches(num_clips: int, batch_size: int, seed: int, epoch: int, stream: int = 0) -> list[Tensor]:
    """Clip numbers of each batch of an epoch, shuffled by (seed, epoch, stream) alone: list of (B,) int64."""
    order = torch.randperm(num_clips, generator=seeded_generator(seed, epoch, stream, 0))
    return list(torch.split(order, batch_size))


def seeded_generator(*key: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Generator seeded by a tuple of integers, such as (seed, epoch, step)."""
    state = np.random.SeedSequence([int(part) for part in key]).generate_state(2, np.uint32)
    generator = torch.Generator(device=device)
    generator.manual_seed(int(state[0]) << 31 | int(state[1]) >> 1)
    return generator


def seed_everything(*key: int) -> None:
    """Seed Python's, numpy's and torch's global random states (weight initialisation, dropout) from a key.

    Called with (seed, rank, step) before each training step, it makes every draw of the step a function of that
    key: a run that continues from a checkpoint needs no saved random states, on any number of processes.
    """
    state = np.random.SeedSequence([int(part) for part in key]).generate_state(3, np.uint32)
    random.seed(int(state[0]))
    np.random.seed(int(state[1]))  # noqa: NPY002 - third-party code draws from the global state
    torch.manual_seed(int(state[2]))


@dataclass(frozen=True)
class LearningRate:
    """Learning rate as a pure function of the step.

    ``exponential`` multiplies by ``decay`` once an epoch, as MotionBERT does; ``cosine`` goes from ``base`` to
    ``minimum`` over the whole run. The first ``warmup_steps`` steps rise linearly.
    """

    base: float
    schedule: str
    decay: float
    minimum: float
    warmup_steps: int
    total_steps: int

    def at(self, step: int, epoch: int) -> float:
        """Rate of one optimizer step; ``step`` and ``epoch`` count from 0."""
        if step < self.warmup_steps:
            warm = (step + 1) / self.warmup_steps
        else:
            warm = 1.0
        if self.schedule == "exponential":
            return float(warm * self.base * self.decay**epoch)
        share = min(1.0, max(0.0, (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)))
        return warm * (self.minimum + 0.5 * (self.base - self.minimum) * (1 + math.cos(math.pi * share)))


class AveragedWeights:
    """Exponential moving average of a model's parameters and buffers.

    The decay rises with the number of updates, ``min(decay, (1 + n) / (10 + n))``, so that short runs are not
    held back by their first random weights.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the model's present weights."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value, 1 - decay)
            else:
                self.weights[name].copy_(value)

    @contextlib.contextmanager
    def swapped_into(self, model: nn.Module) -> Iterator[None]:
        """The model holds the averaged weights inside this context and its own again after it."""
        own = {name: value.detach().clone() for name, value in model.state_dict().items()}
        model.load_state_dict(self.weights)
        try:
            yield
        finally:
            model.load_state_dict(own)


class StopRequest:
    """Turns SIGTERM and the first Ctrl-C into a request that the loop reads; a second Ctrl-C ends at once."""

    def __init__(self) -> None:
        self.name = ""
        signal.signal(signal.SIGTERM, self._note)
        signal.signal(signal.SIGINT, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.name = signal.Signals(number).name
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def agreed(self, runtime: Runtime) -> bool:
        """True on every process as soon as one of them was asked to stop."""
        flag = torch.tensor([float(bool(self.name))], device=runtime.device)
        return bool(runtime.mean_over_processes(flag) > 0) if runtime.world_size > 1 else bool(self.name)
