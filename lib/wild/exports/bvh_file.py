"""A moving figure for animation programs: BVH, Biovision's hierarchy of bones with rotations."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib.files import atomic_path
from lib.wild.exports.kinematics import Bone, fit_figure
from lib.wild.exports.text import blocks, number_rows
from lib.wild.records import WorldMotion

log = logging.getLogger(__name__)

ROTATION_CHANNELS = "Zrotation Xrotation Yrotation"  # rotation = Rz @ Rx @ Ry


@dataclass(frozen=True)
class BvhError:
    """Distance between a file's joints and the motion's, in mm (arbitrary units: 1000 = one unit)."""

    mean_mm: float
    max_mm: float


def write_bvh(path: str | Path, world: WorldMotion, *, rigid: bool = False) -> BvhError:
    """Write bones of fixed length that turn, and the root's path: Y up, 1 unit = 1 m (or the person's height).

    Channels: X, Y, Z position of the root; Z, X, Y rotation in degrees of every joint. The limbs of a lifted
    person change a little in length, which bones that only turn cannot do. So such a joint hangs on two short
    helper bones, ``<joint>_link1`` and ``<joint>_link2``, that bend to carry it where the motion has it. With
    ``rigid`` there are none: a plain skeleton of median lengths that misses the motion by what is returned and
    logged. BVH knows no gaps: while the person is absent the figure keeps its last pose. Raises ``UserError`` if
    the person is in no frame.
    """
    figure, places = fit_figure(world.skeleton, world.positions, rigid=rigid)
    missed_mm = np.zeros((world.num_frames, world.skeleton.num_joints + 1))
    bones = figure.bones()
    angles = np.zeros((1, 3 * len(bones)))
    with atomic_path(path) as temporary, temporary.open("w", encoding="ascii", newline="") as file:
        file.write("HIERARCHY\n" + "".join(f"{line}\n" for line in _hierarchy(bones, 0, "")))
        file.write(f"MOTION\nFrames: {world.num_frames}\nFrame Time: {1 / world.fps:.10f}\n")
        for block in blocks(world.num_frames):
            reached, rotations = figure.pose(places[block])
            missed_mm[block, figure.joints] = 1000 * np.linalg.norm(reached - places[block], axis=-1)
            # no jump of 360 degrees: programs blend between frames
            turned = np.concatenate([zxy_degrees(rotation) for rotation in rotations], axis=1)
            angles = np.unwrap(np.concatenate([angles[-1:], turned]), axis=0, period=360)[1:]
            rows = number_rows(np.concatenate([reached[:, 0], angles], axis=1), " ")
            file.writelines(f"{row}\n" for row in rows)
    missed_mm = missed_mm[:, :-1][np.isfinite(world.positions).all(-1)]
    error = BvhError(float(missed_mm.mean()), float(missed_mm.max()))
    if rigid:
        scale, unit = (1.0, "mm") if world.units == "m" else (0.1, f"% of the {world.unit_length}")
        log.info(
            "%s: bones of fixed length miss the joints by %.1f %s on average, by %.1f at most",
            *(path, error.mean_mm * scale, unit, error.max_mm * scale),
        )
    elif absent := int((~world.present).sum()):
        log.info("%s: %d frames without the person keep the pose before (BVH has no gaps)", path, absent)
    return error


def write_rigid_bvh(path: str | Path, world: WorldMotion) -> BvhError:
    """``write_bvh`` with a plain skeleton of fixed lengths."""
    return write_bvh(path, world, rigid=True)


def zxy_degrees(rotation: np.ndarray) -> np.ndarray:
    """Angles (F,3) in degrees about Z, X and Y of ``rotation`` (F,3,3) = Rz @ Rx @ Ry."""
    r = rotation
    x = np.arcsin(np.clip(r[:, 2, 1], -1, 1))
    # X at a right angle: Z and Y turn about one line, so Z takes it all
    locked = np.hypot(r[:, 0, 1], r[:, 1, 1]) < 1e-7
    z = np.where(locked, np.arctan2(r[:, 1, 0], r[:, 0, 0]), np.arctan2(-r[:, 0, 1], r[:, 1, 1]))
    y = np.where(locked, 0, np.arctan2(-r[:, 2, 0], r[:, 2, 2]))
    return np.rad2deg(np.stack([z, x, y], axis=1))


def _hierarchy(bones: list[Bone], number: int, indent: str) -> list[str]:
    """Lines of a bone and of everything that hangs on it."""
    bone, inner = bones[number], indent + "  "
    below = [other for other, candidate in enumerate(bones) if candidate.above == number]
    position = "3" if number else "6 Xposition Yposition Zposition"
    lines = [
        f"{indent}{'JOINT' if number else 'ROOT'} {bone.name}",
        f"{indent}{{",
        f"{inner}OFFSET {_triple(bone.offset)}",
        f"{inner}CHANNELS {position} {ROTATION_CHANNELS}",
        *(line for other in below for line in _hierarchy(bones, other, inner)),
    ]
    if not below:  # a short tip, so that programs can draw the last bone
        lines += [
            f"{inner}End Site",
            f"{inner}{{",
            f"{inner}  OFFSET {_triple(bone.offset / 4)}",
            f"{inner}}}",
        ]
    return [*lines, f"{indent}}}"]


def _triple(vector: np.ndarray) -> str:
    return " ".join(f"{value:.6f}" for value in vector)
