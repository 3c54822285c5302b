"""Reader ``clips``: MotionBERT clip folders, ``data_root/subset/split/*.pkl``, one normalized clip a file."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lib.data.motion import Motion
from lib.data.normalize import denormalize_2d, denormalize_3d
from lib.data.readers import register_reader
from lib.errors import UserError
from lib.files import load_pickle
from lib.skeleton import Skeleton

logger = logging.getLogger(__name__)

# The files hold normalized coordinates, to which a batch returns: any size gives the same batches.
NOMINAL_SIZE_PX = (1000, 1000)


@register_reader("clips")
def read_clips(
    skeleton: Skeleton,
    split: str,
    data_root: str,
    subset_list: Sequence[str],
    synthetic: bool = False,
    gt_2d: bool = False,
    res_w: int | None = None,
    res_h: int | None = None,
    fps: float | None = None,
) -> Motion:
    """Motion in which each file is a video: data_input (T,J,3) or None, and data_label (T,J,3).

    Without data_input the 2D is that of the label, which ``synthetic`` or ``gt_2d`` must ask for. Without
    res_w and res_h pixels are nominal. Files that are no clips are left out with a warning.
    """
    size_px = (res_w, res_h) if res_w and res_h else NOMINAL_SIZE_PX
    inputs, labels, sources, lengths = [], [], [], []
    for file in _clip_files(Path(data_root), subset_list, split):
        clip = load_pickle(file)
        label = _coordinates(clip, "data_label", file, skeleton)
        if clip.get("data_input") is None:
            if not (synthetic or gt_2d):
                raise UserError(
                    f"{file} holds no 2D (data_input); set synthetic: True to make it from the 3D"
                )
            given = np.concatenate([label[..., :2], np.ones_like(label[..., :1])], axis=-1)
        else:
            given = _coordinates(clip, "data_input", file, skeleton)
        if given.shape != label.shape:
            raise UserError(f"{file}: data_input has shape {given.shape}, data_label {label.shape}")
        inputs.append(given)
        labels.append(label)
        sources.append(str(file.relative_to(data_root)))
        lengths.append(len(label))
    given, label = np.concatenate(inputs), np.concatenate(labels)
    return Motion(
        joints_2d=denormalize_2d(given[..., :2], size_px),
        confidence=given[..., 2],
        joints_image=denormalize_3d(label, size_px),
        source=np.repeat(np.array(sources, dtype=object), lengths),
        camera="",
        action="",
        fps=fps,
        size_px=np.array(size_px),
        skeleton=skeleton,
    )


def _clip_files(data_root: Path, subset_list: Sequence[str], split: str) -> list[Path]:
    files: list[Path] = []
    for subset in subset_list:
        folder = data_root / subset / split
        if not folder.is_dir():
            beside = sorted(path.name for path in folder.parent.glob("*") if path.is_dir())
            raise UserError(f"no folder {folder}; {folder.parent} has: {', '.join(beside) or 'nothing'}")
        entries = sorted(folder.iterdir())
        clips = [path for path in entries if path.suffix == ".pkl" and not path.name.startswith(".")]
        if stray := [path.name for path in entries if path not in set(clips)]:
            logger.warning(f"{folder}: left out {len(stray)} files that are no clips, such as {stray[0]}")
        if not clips:
            raise UserError(f"0 clips from {folder}: there is no .pkl file in it")
        files += clips
    return files


def _coordinates(clip: object, key: str, file: Path, skeleton: Skeleton) -> np.ndarray:
    if not isinstance(clip, dict) or "data_label" not in clip:
        raise UserError(f"{file} is no clip: it must hold data_input and data_label")
    array = np.asarray(clip[key], dtype=np.float32)
    if array.ndim != 3 or array.shape[1:] != (skeleton.num_joints, 3):
        raise UserError(
            f"{file}: {key} has shape {array.shape}, expected (frames, {skeleton.num_joints}, 3) for "
            f"joint_format {skeleton.name}"
        )
    return array
