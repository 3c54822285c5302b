"""A memory-mapped index of a big set: written once, then opened without reading it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lib.data.motion import Labels, Motion
from lib.errors import UserError
from lib.files import atomic_path
from lib.skeleton import Skeleton

try:
    import fcntl
except ImportError:  # Windows has no such lock; it matters to several processes only
    fcntl = None  # type: ignore[assignment]

_LAYOUT = 3  # raise it when the files below change or are filled otherwise, and old caches are written anew
_MIB = 1 << 20


def cached_motion(
    read: Callable[[], Motion],
    file: str | Path,
    arguments: Mapping[str, Any],
    skeleton: Skeleton,
    cache_dir: str | Path,
) -> Motion:
    """The motion that ``read`` makes of ``file``, memory-mapped from a folder in ``cache_dir``.

    The folder is written on the first call and whenever the file's fingerprint (size, time of change, first
    and last MiB), the reader's arguments or the joints differ from those it was written for.
    """
    file = Path(file)
    if not file.is_file():
        raise UserError(f"cannot read {file}: no such file")
    readable = json.dumps({"file": str(file.resolve()), **arguments}, sort_keys=True, default=str)
    folder = Path(cache_dir) / f"{file.stem}-{hashlib.sha256(readable.encode()).hexdigest()[:12]}"
    key = {
        "layout": _LAYOUT,
        "arguments": readable,
        "fingerprint": fingerprint(file),
        "joints": [skeleton.name, *skeleton.joints],
    }
    with _lock(folder):
        if _meta(folder).get("key") != key:
            write_motion(read(), folder, key)
        return open_motion(folder, skeleton)


def fingerprint(file: Path) -> dict[str, Any]:
    """Size, time of change and hash of the first and last MiB: tells two versions of a file apart quickly."""
    status = file.stat()
    with file.open("rb") as stream:
        head = stream.read(_MIB)
        stream.seek(max(status.st_size - _MIB, 0))
        tail = stream.read(_MIB)
    digest = hashlib.sha256(head + tail).hexdigest()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "ends_sha256": digest}


def write_motion(motion: Motion, folder: str | Path, key: Any = None) -> None:
    """Write a motion as a folder of .npy files and meta.json; the folder appears when all is written."""
    one_size = motion.num_frames > 0 and bool((motion.size_px == motion.size_px[:1]).all())
    arrays = {
        "keypoints": motion.keypoints,
        "joints_image": motion.joints_image,
        "joints_mm": motion.joints_mm,
        "factor_mm_per_px": motion.factor_mm_per_px,
        "smpl_pose": motion.smpl_pose,
        "smpl_shape": motion.smpl_shape,
        "size_px": motion.size_px[0] if one_size else motion.size_px,
        **{name: getattr(motion, name).codes for name in ("source", "camera", "action")},
    }
    meta = {
        "key": key,
        "names": {name: getattr(motion, name).names for name in ("source", "camera", "action")},
        "fps": motion.fps,
        "derived_joints": motion.derived_joints,
        "missing": motion.missing,
    }
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        for name, array in arrays.items():
            if array is not None:
                np.save(temporary / f"{name}.npy", array)
        (temporary / "meta.json").write_text(json.dumps(meta))


def open_motion(folder: str | Path, skeleton: Skeleton) -> Motion:
    """A motion written by ``write_motion``; its frames stay on disk until they are used."""
    folder = Path(folder)
    meta = _meta(folder)
    arrays = {file.stem: np.load(file, mmap_mode="r") for file in folder.glob("*.npy")}
    keypoints = np.asarray(arrays.pop("keypoints"))
    labels = {name: Labels(arrays.pop(name), names) for name, names in meta["names"].items()}
    return Motion(
        joints_2d=keypoints[..., :2],
        confidence=keypoints[..., 2],
        fps=meta["fps"],
        missing=meta["missing"],
        derived_joints=tuple(meta["derived_joints"]),
        skeleton=skeleton,
        **labels,
        **arrays,
    )


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Let one process at a time write and open a cache: the others of a distributed run wait and then open it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _meta(folder: Path) -> dict[str, Any]:
    file = folder / "meta.json"
    return json.loads(file.read_text()) if file.is_file() else {}
