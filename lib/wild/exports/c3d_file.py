"""Marker paths for gait laboratories' programs: C3D through ezc3d."""

from __future__ import annotations

import logging
from pathlib import Path

import ezc3d
import numpy as np

from lib.errors import UserError
from lib.files import atomic_path
from lib.wild.exports.text import plain_names
from lib.wild.records import WorldMotion

log = logging.getLogger(__name__)

MM_PER_UNIT = 1000.0
HEADER_FRAMES = 65535  # more do not fit into the two bytes of the header


def write_c3d(path: str | Path, world: WorldMotion) -> None:
    """Write one point a joint in mm, Y up, frames from 1; residual -1 and zeros where a joint is absent.

    Of a motion in arbitrary units 1000 mm stand for one unit; ``ERGOLIFT:UNITS`` says which it is. A file that does
    not fit on the disk raises ``UserError``.
    """
    points = np.ones((4, world.skeleton.num_joints, world.num_frames))
    points[:3] = world.positions.transpose(2, 1, 0) * MM_PER_UNIT
    absent = ~np.isfinite(points).all(0)
    points[:3, absent] = 0.0
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [world.fps]
    file["parameters"]["POINT"]["LABELS"]["value"] = plain_names(world.skeleton.joints)
    file["parameters"]["POINT"]["UNITS"]["value"] = ["mm"]
    file.add_parameter("POINT", "X_SCREEN", ["+X"])
    file.add_parameter("POINT", "Y_SCREEN", ["+Y"])
    file.add_parameter("ERGOLIFT", "UNITS", ["mm" if world.units == "m" else "arbitrary, 1 unit = 1000"])
    file["data"]["points"] = points
    file["data"]["meta_points"]["residuals"] = np.where(absent, -1.0, 0.0)[None]
    if world.num_frames > HEADER_FRAMES:
        file.add_parameter("POINT", "LONG_FRAMES", float(world.num_frames))
        log.warning(
            "%s: many programs read no more than the first %d frames of a C3D file", path, HEADER_FRAMES
        )
    with atomic_path(path) as temporary:
        temporary.touch()  # ezc3d says nothing where it may not write, nor on a full disk
        file.write(str(temporary))
        size, least = temporary.stat().st_size, 16 * absent.size
        if size < least:
            raise UserError(f"{path}: only {size} of {least} bytes could be written; is the disk full?")
