"""Files of body motion: pose, shape and translation, frame by frame, with the gender of the body.

Ours (pose, shape, transl, gender), AMASS's (poses, betas, trans, gender) and the splits of data pickles
(smpl_pose, smpl_shape). Letters: F frames, K body joints, B shape components.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lib.errors import UserError
from lib.files import load_pickle
from lib.smpl_files import GENDERS, read_npz

NAMES = {
    "pose": ("pose", "poses", "fullpose", "smpl_pose"),
    "shape": ("shape", "betas", "smpl_shape"),
    "transl": ("transl", "trans"),
}


@dataclass(frozen=True)
class BodyMotion:
    """Motion of one body model or of its genders."""

    pose: np.ndarray
    """(F,K*3) float32, axis-angle."""
    shape: np.ndarray
    """(F,B) float32"""
    transl: np.ndarray
    """(F,3) float32, metres; 0 where the file has none."""
    gender: np.ndarray
    """(F,) neutral, female or male."""


def read_content(path: str | Path) -> dict[str, Any]:
    """Content of an npz or pickle file; ``UserError`` if it is neither."""
    path = Path(path)
    if path.suffix not in (".npz", ".pkl", ".pickle"):
        raise UserError(f"{path}: body motion is read from .npz, .pkl and .pickle")
    content = read_npz(path) if path.suffix == ".npz" else load_pickle(path)
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__}, expected a dict of arrays")
    return content


def mesh_splits(content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The splits of a data pickle that have SMPL labels; none for a motion file."""
    return {name: part for name, part in content.items() if isinstance(part, dict) and "smpl_pose" in part}


def body_motion(content: Mapping[str, Any], where: str, gender: str = "neutral") -> BodyMotion:
    """Motion of a file's content; ``gender`` holds where the file does not tell.

    One shape for all frames is repeated. ``UserError``, beginning with ``where``, for missing keys, arrays
    that do not fit each other and numbers that are not finite.
    """
    found = {part: _array(content, names, where) for part, names in NAMES.items()}
    pose, shape, transl = found["pose"], found["shape"], found["transl"]
    if pose is None or shape is None:
        lacking = " and ".join(" or ".join(NAMES[part]) for part in ("pose", "shape") if found[part] is None)
        raise UserError(f"{where} has no {lacking}; it has: {', '.join(map(str, content)) or 'nothing'}")
    pose = pose.reshape(len(pose), int(np.prod(pose.shape[1:]))) if pose.ndim else pose[None]
    frames = len(pose)
    shape = np.repeat(shape.reshape(1, -1), frames, 0) if shape.ndim == 1 or len(shape) == 1 else shape
    transl = np.zeros((frames, 3), np.float32) if transl is None else transl
    if pose.ndim != 2 or not frames or shape.ndim != 2 or len(shape) != frames or transl.shape != (frames, 3):
        raise UserError(
            f"{where}: pose {pose.shape}, shape {shape.shape} and transl {transl.shape} do not fit each other: "
            "expected (F, joints x 3), (F,B) or (B,), and (F,3)"
        )
    for name, array in (("pose", pose), ("shape", shape), ("transl", transl)):
        bad = np.flatnonzero(~np.isfinite(array).all(1))
        if len(bad):
            raise UserError(f"{where}: {name} of frame {bad[0]} is not finite ({len(bad)} frames in all)")
    return BodyMotion(pose, shape, transl, _genders(content.get("gender", gender), frames, where))


def _array(content: Mapping[str, Any], names: tuple[str, ...], where: str) -> np.ndarray | None:
    name = next((name for name in names if content.get(name) is not None), None)
    if name is None:
        return None
    try:
        return np.array(content[name], np.float32)
    except (TypeError, ValueError):
        raise UserError(f"{where}: {name} is no array of numbers") from None


def _genders(given: Any, frames: int, where: str) -> np.ndarray:
    names = np.atleast_1d(np.asarray(given)).ravel()
    names = np.array([name.decode() if isinstance(name, bytes) else str(name) for name in names])
    known = {alias: gender for gender, aliases in GENDERS.items() for alias in aliases}
    wrong = [name for name in np.unique(names) if name.lower() not in known]
    if wrong or len(names) not in (1, frames):
        told = f"'{wrong[0]}'" if wrong else f"{len(names)} names for {frames} frames"
        raise UserError(f"{where}: gender is {told}; allowed: {', '.join(GENDERS)}, once or for each frame")
    return np.broadcast_to([known[name.lower()] for name in names], frames)
