"""Reader ``h36m``: Human3.6M as MotionBERT distributes it, with the image size of each camera."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from lib.data.motion import Labels, Motion
from lib.data.pickle_layout import find_data_file, motion_from_split
from lib.data.readers import register_reader
from lib.errors import UserError
from lib.skeleton import Skeleton

CAMERA_FILE = Path(__file__).with_name("h36m_cameras.yaml")


@register_reader("h36m", file_of=find_data_file)
def read_h36m(
    skeleton: Skeleton,
    split: str,
    dt_file: str,
    dt_root: str | None = None,
    sample_stride: int = 1,
    res_w: int | None = None,
    res_h: int | None = None,
    fps: float | None = None,
) -> Motion:
    """Motion of a Human3.6M pickle; res_w and res_h serve cameras that Human3.6M does not have."""

    def size_of(_: dict[str, Any], camera: Labels) -> np.ndarray:
        return camera_sizes(camera, res_w, res_h)

    path = find_data_file(dt_file, dt_root)
    return motion_from_split(path, split, skeleton, size_of=size_of, sample_stride=sample_stride, fps=fps)


def camera_sizes(camera: Labels, res_w: int | None = None, res_h: int | None = None) -> np.ndarray:
    """(F,2) width and height in px of each frame's camera; ``UserError`` names a camera of unknown size."""
    known = yaml.safe_load(CAMERA_FILE.read_text(encoding="utf-8"))
    fallback = (res_w, res_h) if res_w and res_h else None
    sizes = [known.get(name, fallback) for name in camera.names]
    unknown = [name for name, size in zip(camera.names, sizes, strict=True) if size is None]
    if unknown:
        raise UserError(
            f"the image size of camera {', '.join(map(repr, unknown))} is not known (Human3.6M has "
            f"{', '.join(known)}); give it as res_w and res_h, or use the reader vehs for other sets"
        )
    return np.array(sizes, np.float32)[camera.codes]
