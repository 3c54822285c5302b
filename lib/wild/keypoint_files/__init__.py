"""2D keypoints from files that other programs wrote, recognised by what is in them.

A layout is a class in a file of this folder; a new file is found without being listed anywhere.
Letters: F frames, P people of a frame, R rows (one for each person of each frame), J joints.
"""

from __future__ import annotations

import importlib
import itertools
import json
import logging
import pkgutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from lib.errors import UserError
from lib.wild.keypoint_files.checks import check_size, cleaned, frame_range
from lib.wild.keypoint_files.formats import choose_skeleton
from lib.wild.keypoint_files.people_table import KEYPOINT_READERS, Layout, PeopleTable
from lib.wild.records import Detections

__all__ = ["KEYPOINT_READERS", "Layout", "PeopleTable", "read_keypoints"]

log = logging.getLogger(__name__)

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def read_keypoints(
    path: str | Path,
    *,
    joint_format: str | None,
    size_px: tuple[int, int] | None = None,
    num_frames: int | None = None,
    fps: float | None = None,
) -> Detections:
    """Everybody's keypoints from a file or folder; a point that is not there is NaN with confidence 0.

    joint_format: by name or YAML path, where the file does not tell (None: it does). size_px, num_frames: of the
    video that the file belongs to, if it is at hand; frames without an entry stay empty.
    Raises ``UserError`` for a file that is missing, damaged, of no known layout, ambiguous, or of another video.
    """
    path = Path(path)
    content = _content(path)
    layout = _layout(path, content)
    try:
        table = layout.read(path, content)
    except UserError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        log.debug("%s", path, exc_info=True)
        raise UserError(
            f"{path} looks like {layout.title}, but an entry is not as it should be ({type(error).__name__}: {error})"
        ) from None
    table = cleaned(table, path)
    first, frames = frame_range(table, num_frames, path)
    check_size(table, size_px, path)
    skeleton = choose_skeleton(table, joint_format, path)
    frame = table.frame.astype(np.int64) - first
    order = np.argsort(frame, kind="stable")
    order = order[frame[order] < frames]  # the file may have a few frames more
    bounds = np.searchsorted(frame[order], np.arange(frames + 1)).tolist()
    rows = [order[start:stop] for start, stop in itertools.pairwise(bounds)]
    log.info("%s: %s, %d frames, %d with people", path, layout.title, frames, len(np.unique(frame[order])))
    return Detections(
        skeleton=skeleton,
        people=[table.keypoints[some] for some in rows],
        ids=None if table.ids is None else [table.ids[some] for some in rows],
        sides=None if table.sides is None else [table.sides[some].tolist() for some in rows],
        fps=fps,
        size_px=size_px,
        source=path.name,
    )


def _content(path: Path) -> Any:
    """What JSON holds, an array, the names of the arrays of an npz, or None for a folder."""
    if path.is_dir():
        return None
    try:
        with path.open("rb") as file:
            start = file.read(64)
        if start.startswith(b"\x93NUMPY"):
            return np.load(path, allow_pickle=False)
        if start.startswith(b"PK"):
            with zipfile.ZipFile(path) as archive:
                return frozenset(Path(name).stem for name in archive.namelist())
        if not start.strip():
            raise UserError(f"{path} is empty")
        if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"[", b"{"):
            raise UserError(f"{path} is neither JSON nor NPY nor NPZ; {_known_layouts()}")
        return json.loads(path.read_bytes())
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"there is no keypoint file {path}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # damaged files can raise nearly anything
        raise UserError(f"{path} cannot be read, it may be cut off or damaged: {error}") from None


def _layout(path: Path, content: Any) -> type[Layout]:
    if isinstance(content, list | dict) and not content:
        raise UserError(f"{path} is empty: it holds no people")
    for name in KEYPOINT_READERS.names():
        layout = KEYPOINT_READERS.get(name)
        if layout.recognises(path, content):
            return layout
    if content is None:
        raise UserError(f"the folder {path} holds no *_keypoints.json of OpenPose: give the file itself")
    raise UserError(f"{path} is in no layout that is known; {_known_layouts()}")


def _known_layouts() -> str:
    return "known: " + ", ".join(KEYPOINT_READERS.get(name).title for name in KEYPOINT_READERS.names())
