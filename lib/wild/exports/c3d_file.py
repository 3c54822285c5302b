"""Marker paths for gait laboratories' programs: C3D through ezc3d."""

from __future__ import annotations

import logging
from pathlib import Path

import ezc3d
import numpy as np

from lib.files import atomic_path
from lib.wild.exports.text import plain_names
from lib.wild.records import WorldMotion

log = logging.getLogger(__name__)

MM_PER_UNIT = 1000.0
HEADER_FRAMES = 65535  # more do not fit into the two bytes of the header


def write_c3d(path: str | Path, world: WorldMotion) -> None:
    """Write one point a joint in mm, Y up, frames from 1; residual -1 and zeros where a joint is absent.

    In arbitrary units 1000 mm stand for the person's height; ``ERGOLIFT:UNITS`` says which it is.
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
    file.add_parameter("ERGOLIFT", "UNITS", ["mm" if world.units == "m" else "1000 = the person's height"])
    file["data"]["points"] = points
    file["data"]["meta_points"]["residuals"] = np.where(absent, -1.0, 0.0)[None]
    if world.num_frames > HEADER_FRAMES:
        file.add_parameter("POINT", "LONG_FRAMES", float(world.num_frames))
        log.warning(
            "%s: many programs read no more than the first %d frames of a C3D file", path, HEADER_FRAMES
        )
    with atomic_path(path) as temporary:
        file.write(str(temporary))
