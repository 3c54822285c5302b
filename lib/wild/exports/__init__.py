"""Files for other programs, each made from a ``WorldMotion``: ``EXPORTS`` by name, file name and writer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from lib.registry import Registry
from lib.wild.exports.bvh_file import write_bvh, write_rigid_bvh
from lib.wild.exports.c3d_file import write_c3d
from lib.wild.exports.table import write_csv, write_json
from lib.wild.exports.trc_file import write_trc
from lib.wild.records import WorldMotion

__all__ = [
    "EXPORTS",
    "Export",
    "write_bvh",
    "write_c3d",
    "write_csv",
    "write_json",
    "write_rigid_bvh",
    "write_trc",
]


class Export(NamedTuple):
    """A file that is written for each person."""

    file_name: str
    write: Callable[[str | Path, WorldMotion], Any]


EXPORTS: Registry[Export] = Registry("export")
EXPORTS.register("csv")(Export("X3D.csv", write_csv))
EXPORTS.register("json")(Export("X3D.json", write_json))
EXPORTS.register("trc")(Export("X3D.trc", write_trc))
EXPORTS.register("bvh")(Export("X3D.bvh", write_bvh))
EXPORTS.register("bvh_rigid")(Export("X3D_rigid.bvh", write_rigid_bvh))
EXPORTS.register("c3d")(Export("X3D.c3d", write_c3d))
