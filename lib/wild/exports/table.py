"""Joints over time for statistics programs and scripts: a tidy CSV and a JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lib.files import atomic_path
from lib.wild.exports.text import blocks, number_rows
from lib.wild.records import Flag, WorldMotion

AXES = {"x": "to the camera's right", "y": "up, the floor is at 0", "z": "towards the camera"}
FLAG_WORDS = {flag.value: flag.name.lower() for flag in Flag}


def write_csv(path: str | Path, world: WorldMotion) -> None:
    """Write one row a frame and joint: frame (from 0), time_s, joint, x, y, z, confidence, flag.

    x, y, z in the motion's units and empty where the joint is absent; the flag is seen, interpolated or absent.
    """
    rows = "".join(f"%s,{_quoted(joint)},%s,%s,%s\n" for joint in world.skeleton.joints)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.write("frame,time_s,joint,x,y,z,confidence,flag\n")
        for block in blocks(world.num_frames):
            flag = world.flag[block].ravel()
            moments = [f"{frame},{time:.6f}" for frame, time in _moments(world, block)]
            cells = (
                np.repeat(moments, world.skeleton.num_joints).tolist(),
                number_rows(world.positions[block].reshape(-1, 3), ","),
                number_rows(world.confidence[block].reshape(-1, 1), ",", decimals=3),
                [FLAG_WORDS[value] for value in flag.tolist()],
            )
            interleaved = tuple(cell for row in zip(*cells, strict=True) for cell in row)
            file.write(rows * len(moments) % interleaved)


def write_json(path: str | Path, world: WorldMotion) -> None:
    """Write names, units, axes, rate and one object a frame; null where the person or a joint is absent.

    It is standard JSON: no NaN. Flags are numbers, explained under ``flags``.
    """
    head = {
        "joint_format": world.skeleton.name,
        "joints": world.skeleton.joints,
        "limbs": world.skeleton.limbs,
        "units": world.units,
        "axes": AXES,
        "fps": world.fps,
        "num_frames": world.num_frames,
        "pitch_deg": _known(world.pitch_deg),
        "flags": FLAG_WORDS,
        "notes": world.notes,
    }
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        for key, value in head.items():
            file.write(f'{"," if key != "joint_format" else "{"}\n "{key}": ')
            file.write(json.dumps(value, ensure_ascii=False, allow_nan=False))
        file.write(',\n "frames": [')
        separator = "\n"
        for block in blocks(world.num_frames):
            for frame in _json_frames(world, block):
                file.write(separator + json.dumps(frame, allow_nan=False, separators=(",", ":")))
                separator = ",\n"
        file.write("\n]}\n")


def _moments(world: WorldMotion, block: slice) -> Sequence[tuple[int, float]]:
    return list(zip(range(block.start, block.stop), world.time_s[block].tolist(), strict=True))


def _quoted(name: str) -> str:
    """A cell of a CSV row template."""
    cell = io.StringIO()
    csv.writer(cell, lineterminator="").writerow([name])
    return cell.getvalue().replace("%", "%%")


def _json_frames(world: WorldMotion, block: slice) -> list[dict[str, Any]]:
    positions = _rounded(world.positions[block], 6)
    known = np.isfinite(world.positions[block]).all(-1)
    for number in np.flatnonzero(~known.all(1)):
        joints = zip(positions[number], known[number], strict=True)
        positions[number] = (
            [joint if here else None for joint, here in joints] if known[number].any() else None
        )
    root = _rounded(world.root[block], 6)
    for number in np.flatnonzero(~np.isfinite(world.root[block]).all(1)):
        root[number] = None
    keys = ("frame", "time_s", "positions", "root", "confidence", "flag", "foot_contact")
    columns = (
        *zip(*_moments(world, block), strict=True),
        positions,
        root,
        _rounded(np.nan_to_num(world.confidence[block]), 3),
        world.flag[block].tolist(),
        world.foot_contact[block].tolist(),
    )
    return [dict(zip(keys, values, strict=True)) for values in zip(*columns, strict=True)]


def _rounded(values: np.ndarray, decimals: int) -> list[Any]:
    rounded: list[Any] = np.round(values.astype(np.float64), decimals).tolist()
    return rounded


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
