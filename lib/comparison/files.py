"""Results from files: ``predictions.npz`` of this project, and one person of ``infer_wild.py``.

Letters: F frames, J joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lib.data.motion import Labels
from lib.errors import UserError
from lib.pose_result import PoseResult
from lib.skeleton import Skeleton, load_skeleton

_NEEDED = ("joints_mm", "joint_format", "joints", "root", "source", "source_names", "camera", "camera_names")
_WORLD_NEEDED = ("positions", "joint_format", "units", "fps", "flag")
WORLD_UP = (0.0, 1.0, 0.0)  # of X3D_world.npz
MM_PER_M = 1000.0


def load_result(path: str | Path, name: str = "", skeleton: Skeleton | None = None) -> PoseResult:
    """Result of a ``predictions.npz`` or an ``X3D_world.npz``; ``name`` comes before what the file says.

    ``skeleton``: a joint format of the user's own, which no name finds. Raises ``UserError`` for other files, and for
    joints that are not those of the joint format.
    """
    path = Path(path)
    stored = _arrays(path)
    if "positions" in stored and "joints_mm" not in stored:
        return _from_world(path, stored, name, skeleton)
    _refuse_without(path, stored, _NEEDED)
    skeleton = _skeleton_of(path, stored, skeleton).with_root(*map(str, stored["root"]))
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


def _from_world(
    path: Path, stored: dict[str, np.ndarray], name: str, skeleton: Skeleton | None
) -> PoseResult:
    """One person of ``infer_wild.py``; the file names no source: it is the name of its folder."""
    _refuse_without(path, stored, _WORLD_NEEDED)
    skeleton = _skeleton_of(path, stored, skeleton)
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


def _skeleton_of(path: Path, stored: dict[str, np.ndarray], skeleton: Skeleton | None) -> Skeleton:
    said = str(stored["joint_format"])
    if skeleton is None:
        try:
            skeleton = load_skeleton(said)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
    joints = tuple(map(str, stored.get("joints", skeleton.joints)))
    if joints != skeleton.joints:
        raise UserError(
            f"{path} holds {len(joints)} joints of '{said}', which are not the {skeleton.num_joints} of "
            f"{skeleton.name}; name the YAML of its joint format"
        )
    return skeleton


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
