"""Results from files: ``predictions.npz`` of this project, one person of ``infer_wild.py``, labels of a data pickle.

Letters: F frames, J joints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from lib.data.motion import Labels
from lib.data.pickle_layout import motion_from_split
from lib.errors import UserError
from lib.evaluate import truth_mm
from lib.pose_result import PoseResult, result_of_motion
from lib.skeleton import Skeleton, load_skeleton

_NEEDED = ("joints_mm", "joint_format", "joints", "root", "source", "source_names", "camera", "camera_names")
_WORLD_NEEDED = ("positions", "joint_format", "units", "fps", "flag")
WORLD_UP = (0.0, 1.0, 0.0)  # of X3D_world.npz
MM_PER_M = 1000.0


def load_result(
    path: str | Path,
    name: str = "",
    skeleton: Skeleton | None = None,
    find: Callable[[str], Skeleton] = load_skeleton,
) -> PoseResult:
    """Result of a ``predictions.npz`` or an ``X3D_world.npz``; ``name`` comes before what the file says.

    ``skeleton``: a joint format of the user's own, which no name finds; ``find``: what knows the others by name. Raises
    ``UserError`` for other files, and for joints that are not those of the joint format.
    """
    path = Path(path)
    stored = _arrays(path)
    if "positions" in stored and "joints_mm" not in stored:
        return _from_world(path, stored, name, skeleton or _named(path, stored, find))
    _refuse_without(path, stored, _NEEDED)
    skeleton = skeleton or _named(path, stored, find)
    _refuse_other_joints(path, stored, skeleton)
    skeleton = skeleton.with_root(*map(str, stored["root"]))
    return PoseResult(
        name=name or str(stored.get("name", "")) or path.parent.name or path.stem,
        joints_mm=stored["joints_mm"],
        skeleton=skeleton,
        frame=stored["frame"],
        fps=float(stored["fps"]) if "fps" in stored else None,
        **{key: str(stored[key]) for key in ("axes", "units", "kind") if key in stored},
        **{key: stored[key] for key in ("up", "box_px") if key in stored},
        **{
            key: Labels(stored[key], list(map(str, stored[f"{key}_names"])))
            for key in ("source", "camera", "action")
        },
        notes=tuple(map(str, stored.get("notes", ()))),
    )


def load_labels(path: str | Path, split: str, skeleton: Skeleton, name: str = "") -> PoseResult:
    """Labels in mm of a split of a data pickle, whose layout does not say the joint format."""
    path = Path(path)
    # sizes of images are not known here, and nothing in mm depends on them
    motion = motion_from_split(path, split, skeleton, size_of=lambda *_: np.ones(2, np.float32))
    return result_of_motion(motion, truth_mm(motion, skeleton), name=name or path.stem, kind="truth")


def _from_world(path: Path, stored: dict[str, np.ndarray], name: str, skeleton: Skeleton) -> PoseResult:
    """One person of ``infer_wild.py``; the file names no source: it is the name of its folder."""
    _refuse_without(path, stored, _WORLD_NEEDED)
    _refuse_other_joints(path, stored, skeleton)
    units = str(stored["units"])
    name = name or path.resolve().parent.name
    return PoseResult(
        name=name,
        joints_mm=stored["positions"] * np.float32(MM_PER_M),
        skeleton=skeleton,
        source=Labels.of(path.resolve().parent.name, len(stored["positions"])),
        camera=Labels.of("", len(stored["positions"])),
        action=Labels.of("", len(stored["positions"])),
        frame=np.arange(len(stored["positions"])),
        fps=float(stored["fps"]),
        axes="world",
        up=np.array(WORLD_UP),
        units="mm" if units == "m" else "arbitrary",
    )


def _named(path: Path, stored: dict[str, np.ndarray], find: Callable[[str], Skeleton]) -> Skeleton:
    _refuse_without(path, stored, ("joint_format",))
    try:
        return find(str(stored["joint_format"]))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _refuse_other_joints(path: Path, stored: dict[str, np.ndarray], skeleton: Skeleton) -> None:
    joints = tuple(map(str, stored.get("joints", skeleton.joints)))
    if joints != skeleton.joints:
        raise UserError(
            f"{path} holds {len(joints)} joints of '{stored['joint_format']}', which are not the "
            f"{skeleton.num_joints} of {skeleton.name}; name the YAML of its joint format"
        )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except Exception as error:  # a damaged archive can raise nearly anything
        raise UserError(f"cannot read {path}: {error}") from None


def _refuse_without(path: Path, stored: dict[str, np.ndarray], needed: Sequence[str]) -> None:
    lacking = [name for name in needed if name not in stored]
    if lacking:
        raise UserError(
            f"{path} lacks {', '.join(lacking)}: it is no predictions.npz and no X3D_world.npz of this project"
        )
