#!/usr/bin/env python
"""Measure time and peak memory of the backbone beside plain explicit-softmax attention; table and JSON.

    python tools/benchmark_model.py --out runs/benchmark_model.json

Each measurement is a process of its own (peak memory of a process never falls), the variants take turns so
that a slow spell of the machine hits all of them, and medians are compared. About eight minutes on two
cores; let nothing else run beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.files import atomic_write_text
from lib.model.DSTformer import DSTformer
from lib.model.layers import MLP, Attention
from lib.model.loss import WeightedLosses
from lib.skeleton import load_skeleton

SIZES = {
    "lite": dict(dim_feat=256, depth=5, mlp_ratio=4, num_heads=8, dim_rep=512),
    "base": dict(dim_feat=512, depth=5, mlp_ratio=2, num_heads=8, dim_rep=512),
}
# name -> (plain attention, recomputation of activations, bf16 autocast)
VARIANTS = {
    "explicit": (True, False, False),
    "fp32": (False, False, False),
    "recompute": (False, True, False),
    "bf16": (False, False, True),
}
AIMS = {  # measure -> most that the variant may take, as a share of the explicit path
    ("fp32", "step_s"): 1 / 1.15,
    ("fp32", "step_MiB"): 0.75,
    ("recompute", "step_s"): 1.3,
    ("recompute", "step_MiB"): 0.5,
    ("bf16", "step_s"): 1 / 1.5,
}


class PlainAttention(Attention):
    """Attention written out: one matrix product, softmax, another product, heads moved by copies."""

    def forward(self, x: Tensor, norm: nn.LayerNorm) -> Tensor:
        N, T, J, C = x.shape
        D = C // self.num_heads
        qkv = self.qkv(norm(x)).reshape(N, T, J, 3, self.num_heads, D)
        if self.over == "joints":
            qkv = qkv.permute(3, 0, 1, 4, 2, 5)  # 3,N,T,H,J,D
        else:
            qkv = qkv.permute(3, 0, 4, 2, 1, 5)  # 3,N,H,J,T,D
        query, key, value = qkv[0], qkv[1], qkv[2]
        scores = (query @ key.transpose(-2, -1)) * (self.scale or D**-0.5)
        mixed = scores.softmax(dim=-1) @ value
        order = (0, 1, 3, 2, 4) if self.over == "joints" else (0, 3, 2, 1, 4)
        return self.proj(mixed.permute(order).reshape(N, T, J, C))


class PlainMLP(MLP):
    """The MLP with everything kept for the backward pass."""

    def forward(self, x: Tensor, norm: nn.LayerNorm) -> Tensor:
        return self.fc2(torch.nn.functional.gelu(self.fc1(norm(x))))


class PlainDSTformer(DSTformer):
    """The fusion of both streams through one joined tensor."""

    def _fuse(self, level: int, x_st: Tensor, x_ts: Tensor) -> Tensor:
        weights = self.ts_attn[level](torch.cat([x_st, x_ts], dim=-1)).softmax(dim=-1)
        return x_st * weights[..., :1] + x_ts * weights[..., 1:]


def make_plain(model: DSTformer) -> DSTformer:
    """The same parameters behind the plain arithmetic."""
    model.__class__ = PlainDSTformer
    for module in model.modules():
        if isinstance(module, Attention):
            module.__class__ = PlainAttention
        elif isinstance(module, MLP):
            module.__class__ = PlainMLP
    return model


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Forward pass and full training step of one variant: seconds of each repeat, peak MiB, first loss."""
    plain, recompute, bf16 = VARIANTS[options.variant]
    device = torch.device(options.device)
    skeleton = load_skeleton(options.joint_format)
    baseline = used_mib(device)

    torch.manual_seed(0)
    model = DSTformer(
        **SIZES[options.size],
        num_joints=skeleton.num_joints,
        maxlen=options.frames,
        activation_checkpointing=recompute,
    ).to(device)
    if plain:
        make_plain(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01)
    losses = WeightedLosses(skeleton, {"mpjpe": 1.0, "velocity": 20.0})
    shape = (options.batch, options.frames, skeleton.num_joints, 3)
    generator = torch.Generator().manual_seed(1)
    joints = torch.randn(shape, generator=generator).to(device)
    target = torch.randn(shape, generator=generator).to(device)

    def forward() -> Tensor:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
            return model(joints)

    def step() -> float:
        loss, _ = losses(forward().float(), target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    with torch.no_grad():
        forward_s = [timed(forward, device) for _ in range(options.steps + 1)][1:]
    forward_mib = used_mib(device) - baseline
    first_loss = step()  # also makes the optimizer's state, before the clock starts
    step_s = [timed(step, device) for _ in range(options.steps)]
    return {
        "forward_s": forward_s,
        "step_s": step_s,
        "forward_MiB": forward_mib,
        "step_MiB": used_mib(device) - baseline,
        "loss": first_loss,
    }


def timed(action: Any, device: torch.device) -> float:
    """Seconds that ``action()`` takes, the device's queue included."""
    start = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def used_mib(device: torch.device) -> float:
    """Peak memory so far: of the device if it is a GPU, else of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def run_variant(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """``measure`` in a fresh process."""
    command = [sys.executable, __file__, "--variant", name]
    for key in ("size", "joint_format", "frames", "batch", "steps", "device"):
        command += [f"--{key}", str(getattr(options, key))]
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(result.stdout.splitlines()[-1])


def summarise(rounds: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, float]]:
    """Median seconds over all rounds and greatest memory, by variant and measure."""
    summary: dict[str, dict[str, float]] = {}
    for name in rounds[0]:
        runs = [one_round[name] for one_round in rounds]
        row = {key: statistics.median(s for run in runs for s in run[key]) for key in ("forward_s", "step_s")}
        row |= {key: max(run[key] for run in runs) for key in ("forward_MiB", "step_MiB")}
        summary[name] = row | {"loss": runs[0]["loss"]}
    return summary


def table(summary: dict[str, dict[str, float]]) -> str:
    """The measures by variant, with their share of the explicit path and the aims."""
    keys = ("forward_s", "step_s", "forward_MiB", "step_MiB")
    lines = [f"{'':10}" + "".join(f"{key:>22}" for key in keys) + f"{'first loss':>12}"]
    for name, row in summary.items():
        cells = []
        for key in keys:
            share = row[key] / summary["explicit"][key]
            aim = AIMS.get((name, key))
            mark = "" if aim is None else (" ok" if share <= aim else f" >{aim:.2f}")
            value = f"{row[key]:.3f}" if key.endswith("_s") else f"{row[key]:.0f}"
            cells.append(f"{value} ({share:.2f}){mark}".rjust(22))
        lines.append(f"{name:10}" + "".join(cells) + f"{row['loss']:>12.4f}")
    lines.append("in brackets: share of the explicit path, then whether the aim is met")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="lite")
    parser.add_argument("--joint_format", default="H36M-17")
    parser.add_argument("--frames", type=int, default=243)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=3, help="timed repeats in each process")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each variant")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    parser.add_argument("--variant", choices=VARIANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.variant:
        print(json.dumps(measure(options)))
        return

    names = ["explicit", *(name for name in options.variants if name != "explicit")]
    rounds = []
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        rounds.append({name: run_variant(name, options) for name in names})
    summary = summarise(rounds)
    print(table(summary))
    if options.out:
        machine = {"processor": platform.machine(), "cores": os.cpu_count(), "torch": torch.__version__}
        setting = {
            key: getattr(options, key) for key in ("size", "joint_format", "frames", "batch", "device")
        }
        report = {"machine": machine, "setting": setting, "summary": summary, "rounds": rounds}
        atomic_write_text(options.out, json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
