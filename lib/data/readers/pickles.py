"""Reader ``pickle``: any data pickle that tells the image size itself, or has one size for all frames."""

from __future__ import annotations

from typing import Any

import numpy as np

from lib.data.motion import Labels, Motion
from lib.data.pickle_layout import find_data_file, motion_from_split
from lib.data.readers import register_reader
from lib.errors import UserError
from lib.skeleton import Skeleton


@register_reader("pickle", file_of=find_data_file)
def read_pickle(
    skeleton: Skeleton,
    split: str,
    dt_file: str,
    dt_root: str | None = None,
    sample_stride: int = 1,
    res_w: int | None = None,
    res_h: int | None = None,
    fps: float | None = None,
    mirror_left: bool = False,
) -> Motion:
    """Motion of a data pickle; its own ``size_px`` comes before res_w and res_h."""
    path = find_data_file(dt_file, dt_root)

    def size_of(data: dict[str, Any], camera: Labels) -> np.ndarray:
        if data.get("size_px") is not None:
            return np.asarray(data["size_px"])
        if not (res_w and res_h):
            raise UserError(f"{path} holds no size_px; give the image size as res_w and res_h")
        return np.array([res_w, res_h], np.float32)

    return motion_from_split(
        path,
        split,
        skeleton,
        size_of=size_of,
        sample_stride=sample_stride,
        fps=fps,
        mirror_left=mirror_left,
    )
