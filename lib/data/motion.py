"""The one record that every reader returns: frames of a data set with their labels, in px and mm."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.errors import UserError

if TYPE_CHECKING:
    from lib.skeleton import Skeleton


class Labels:
    """A text for each frame, held as numbers: ``codes`` (F,) int32 into ``names``.

    ``labels[3]`` is a str, a slice or index array gives Labels, ``labels == "walk"`` a mask (F,),
    ``labels == other_labels`` one truth value (numbering may differ), ``np.asarray(labels)`` an array of str.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, codes: np.ndarray, names: Sequence[str]) -> None:
        self.codes = np.asarray(codes, dtype=np.int32)
        self.names = tuple(names)

    @classmethod
    def of(cls, values: Labels | str | Iterable[Any], num_frames: int | None = None) -> Labels:
        """Labels of a sequence of str (or numbers, bytes), or of one str for ``num_frames`` frames."""
        if isinstance(values, Labels):
            return values
        if isinstance(values, str):
            if num_frames is None:
                raise ValueError("one name for all frames needs num_frames")
            return cls(np.zeros(num_frames, np.int32), (values,))
        array = values if isinstance(values, np.ndarray) else np.array(list(values), dtype=object)
        if array.ndim != 1:
            array = array.reshape(len(array))  # (F, 1) columns are common in pickles
        # names come in long runs: only the first frame of each run is looked at as text
        starts = np.flatnonzero(np.r_[True, array[1:] != array[:-1]]) if len(array) else np.zeros(0, int)
        code_of: dict[str, int] = {}
        run_codes = [code_of.setdefault(_text(array[start]), len(code_of)) for start in starts]
        lengths = np.diff(np.r_[starts, len(array)]) if len(array) else starts
        return cls(np.repeat(np.array(run_codes, np.int32), lengths), tuple(code_of))

    def present(self) -> list[str]:
        """Names that some frame has, in the order of first appearance."""
        codes, first = np.unique(self.codes, return_index=True)
        return [self.names[code] for code in codes[np.argsort(first)]]

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, item: Any) -> Any:
        codes = self.codes[item]
        return self.names[int(codes)] if np.ndim(codes) == 0 else Labels(codes, self.names)

    def __eq__(self, other: object) -> Any:
        if isinstance(other, str):
            return self.codes == (self.names.index(other) if other in self.names else -1)
        if isinstance(other, Labels):
            return np.bool_(len(self) == len(other) and np.array_equal(np.asarray(self), np.asarray(other)))
        return NotImplemented

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.names, dtype=dtype or str)[self.codes]

    def __repr__(self) -> str:
        return f"Labels({len(self)} frames, {len(self.names)} names)"

    @classmethod
    def concat(cls, parts: Sequence[Labels]) -> Labels:
        """Labels of all parts one after the other, numbered anew."""
        code_of: dict[str, int] = {}
        codes = []
        for part in parts:
            new_code = np.array([code_of.setdefault(name, len(code_of)) for name in part.names], np.int32)
            codes.append(new_code[part.codes] if len(part) else part.codes)
        return cls(np.concatenate(codes), tuple(code_of))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


# fields of Motion that all its frames have in common
_SHARED = ("fps", "skeleton", "derived_joints", "missing")


@dataclass(frozen=True, eq=False, kw_only=True)
class Motion:
    """Frames of one or more videos of one person each.

    joints_2d (F,J,2) px; confidence (F,J) in 0..1; joints_image (F,J,3) px: x, y and a relative depth on
    the same scale; joints_mm (F,J,3): camera axes, x right, y down, z forward; factor_mm_per_px (F,):
    joints_mm less its root = (joints_image less its root) * factor; size_px (F,2): image width and height
    (one pair serves all frames); source names the recording and, with camera, tells videos apart. The three
    3D fields may be None. smpl_pose (F,K*3) holds the rotation of each of the K joints of an SMPL body in its
    parent, axis-angle, the first in camera axes, smpl_shape (F,B) its shape; both or neither, and None for sets
    without. derived_joints names joints that were not measured but made from others, which an
    evaluation also reports without. missing: the policy by which ``fill_missing`` has filled keypoints that
    were not detected; None where it has not looked yet.

    All arrays become float32; memory-maps stay on disk. A wrong shape raises ``UserError`` naming the field.
    """

    joints_2d: np.ndarray
    confidence: np.ndarray
    joints_image: np.ndarray | None = None
    joints_mm: np.ndarray | None = None
    factor_mm_per_px: np.ndarray | None = None
    smpl_pose: np.ndarray | None = None
    smpl_shape: np.ndarray | None = None
    source: Labels
    camera: Labels
    action: Labels
    fps: float | None = None
    size_px: np.ndarray
    skeleton: Skeleton
    derived_joints: tuple[str, ...] = ()
    missing: str | None = None

    def __post_init__(self) -> None:
        joints_2d = np.asarray(self.joints_2d, dtype=np.float32)
        num_frames, num_joints = joints_2d.shape[0] if joints_2d.ndim else 0, self.skeleton.num_joints
        shapes = {
            "joints_2d": (num_frames, num_joints, 2),
            "confidence": (num_frames, num_joints),
            "joints_image": (num_frames, num_joints, 3),
            "joints_mm": (num_frames, num_joints, 3),
            "factor_mm_per_px": (num_frames,),
            "size_px": (num_frames, 2),
        }
        for name, shape in shapes.items():
            if (value := getattr(self, name)) is None:
                continue
            array = np.asarray(value, dtype=np.float32)
            if name == "size_px" and array.shape == (2,):
                array = np.broadcast_to(array, shape)
            if array.shape != shape:
                raise UserError(
                    f"{name} has shape {array.shape}, expected {shape} "
                    f"({num_frames} frames, {num_joints} joints of {self.skeleton.name})"
                )
            object.__setattr__(self, name, array)
        self._check_smpl(num_frames)
        for name in ("source", "camera", "action"):
            labels = Labels.of(getattr(self, name), num_frames)
            if len(labels) != num_frames:
                raise UserError(
                    f"{name} has {len(labels)} entries, expected {num_frames}, one for each frame"
                )
            object.__setattr__(self, name, labels)
        for joint in self.derived_joints:
            self.skeleton.index(joint)  # raises for a name that is no joint

    def _check_smpl(self, num_frames: int) -> None:
        if (self.smpl_pose is None) != (self.smpl_shape is None):
            raise UserError("smpl_pose and smpl_shape belong together, and one of them is missing")
        for name, multiple in (("smpl_pose", 3), ("smpl_shape", 1)):
            if (value := getattr(self, name)) is None:
                continue
            array = np.asarray(value, dtype=np.float32)
            if array.ndim != 2 or len(array) != num_frames or array.shape[1] % multiple or not array.shape[1]:
                width = "three numbers for each body joint" if multiple == 3 else "numbers of the shape"
                raise UserError(f"{name} has shape {array.shape}, expected ({num_frames} frames, {width})")
            object.__setattr__(self, name, array)

    @cached_property
    def keypoints(self) -> np.ndarray:
        """(F,J,3) px: x, y, confidence in one array; not a copy where the two fields already lie in one."""
        xy, confidence = self.joints_2d, self.confidence
        step = xy.itemsize
        frame, joint = self.skeleton.num_joints * 3 * step, 3 * step
        starts = [array.__array_interface__["data"][0] for array in (xy, confidence)]
        strides_fit = xy.strides == (frame, joint, step) and confidence.strides == (frame, joint)
        if strides_fit and starts[1] == starts[0] + 2 * step:
            return np.lib.stride_tricks.as_strided(xy, (*confidence.shape, 3), xy.strides)
        return np.concatenate([xy, confidence[..., None]], axis=-1)

    @property
    def num_frames(self) -> int:
        """Number of frames F."""
        return len(self.joints_2d)

    @cached_property
    def videos(self) -> np.ndarray:
        """(V,2) int64 [start, stop): the maximal runs of equal source and camera."""
        changed = np.zeros(max(self.num_frames - 1, 0), bool)
        for labels in (self.source, self.camera):
            changed |= labels.codes[1:] != labels.codes[:-1]
        bounds = np.r_[0, np.flatnonzero(changed) + 1, self.num_frames]
        return np.stack([bounds[:-1], bounds[1:]], axis=1)[: self.num_frames].astype(np.int64)

    def select(self, frames: Any) -> Motion:
        """The frames of a slice, index array or mask, in that order."""
        per_frame = {
            field.name: value[frames]
            for field in fields(self)
            if field.name not in _SHARED and (value := getattr(self, field.name)) is not None
        }
        return replace(self, **per_frame)

    @classmethod
    def concat(cls, motions: Sequence[Motion]) -> Motion:
        """All frames one after the other; the skeletons must agree, and so must the fields that are present.

        Neighbouring videos stay apart unless source and camera are equal. fps and missing are
        kept where all agree.
        """
        first = motions[0]
        joined: dict[str, Any] = {
            "skeleton": first.skeleton,
            **{name: _if_equal([getattr(motion, name) for motion in motions]) for name in ("fps", "missing")},
            "derived_joints": tuple(
                dict.fromkeys(name for motion in motions for name in motion.derived_joints)
            ),
        }
        for motion in motions:
            if motion.skeleton.name != first.skeleton.name:
                raise UserError(f"cannot join motion of {first.skeleton.name} and {motion.skeleton.name}")
        for name in (field.name for field in fields(cls) if field.name not in _SHARED):
            values = [getattr(motion, name) for motion in motions]
            present = [value for value in values if value is not None]
            if present and len(present) < len(values):
                raise UserError(f"cannot join motion with and without {name}")
            join = Labels.concat if name in ("source", "camera", "action") else np.concatenate
            joined[name] = join(present) if present else None
        return cls(**joined)


def _if_equal(values: Sequence[Any]) -> Any:
    return values[0] if all(value == values[0] for value in values) else None
