"""Reader ``vehs``: data pickles in the style of VEHS-7M, of any joint format and one image size."""

from __future__ import annotations

from typing import Any

import numpy as np

from lib.data.motion import Labels, Motion
from lib.data.pickle_layout import find_data_file, motion_from_split
from lib.data.readers import register_reader
from lib.skeleton import Skeleton


@register_reader("vehs", file_of=find_data_file)
def read_vehs(
    skeleton: Skeleton,
    split: str,
    dt_file: str,
    res_w: int,
    res_h: int,
    dt_root: str | None = None,
    sample_stride: int = 1,
    fps: float | None = None,
    mirror_left: bool = False,
) -> Motion:
    """Motion of a pickle in the style of VEHS-7M (train, validate, test); the config gives the image size."""

    def size_of(_: dict[str, Any], camera: Labels) -> np.ndarray:
        return np.array([res_w, res_h], np.float32)

    path = find_data_file(dt_file, dt_root)
    return motion_from_split(
        path,
        split,
        skeleton,
        size_of=size_of,
        sample_stride=sample_stride,
        fps=fps,
        mirror_left=mirror_left,
    )
