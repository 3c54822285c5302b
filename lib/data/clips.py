"""Clips: where each lies among the frames, and batches of them gathered from a single copy of the frames."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lib.data.missing import fill_missing
from lib.data.motion import Motion
from lib.errors import UserError


def clip_bounds(videos: np.ndarray, clip_len: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """First frame (N,) and number of source frames (N,) of each clip; videos (V,2) are [start, stop).

    Windows of ``clip_len`` frames start every ``stride`` frames; where frames are left over, a last window
    lies flush with the video's end, so that no frame is lost while stride <= clip_len. A video shorter than a
    clip makes one clip of fewer source frames.
    """
    if clip_len < 1 or stride < 1:
        raise UserError(f"clip_len {clip_len} and stride {stride} must be at least 1")
    videos = np.asarray(videos, dtype=np.int64).reshape(-1, 2)
    lengths = videos[:, 1] - videos[:, 0]
    last_start = np.maximum(lengths - clip_len, 0)
    counts = -(-last_start // stride) + 1
    video = np.repeat(np.arange(len(videos)), counts)
    number_in_video = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = videos[video, 0] + np.minimum(number_in_video * stride, last_start[video])
    return starts, np.minimum(lengths, clip_len)[video]


def clip_frames(videos: np.ndarray, clip_len: int, stride: int) -> np.ndarray:
    """Frame numbers (N,clip_len) int64 of each clip of ``clip_bounds``.

    A shorter video is stretched to the clip's length, the same way every time: frame t * length // clip_len.
    """
    starts, lengths = clip_bounds(videos, clip_len, stride)
    return starts[:, None] + np.arange(clip_len) * lengths[:, None] // clip_len


class ClipSet:
    """Clips of one or several motions, gathered by number into batches of normalized torch tensors.

    The frames stay where they are, once, in pixels (memory or memory-map): a batch is one gather and one
    multiply-add. All motions have 3D labels or none has. Frame numbers count through all motions in order.

    gt_2d, synthetic: the input's x, y are those of the labels, with confidence 1. no_conf: the input has no
    confidence. missing: policy of ``fill_missing`` for motions that have not been filled yet. input_scale:
    ``image`` divides by the image width; ``box`` by the side of the box around each video's seen keypoints,
    the labels by the same.
    """

    def __init__(
        self,
        motions: Motion | Sequence[Motion],
        clip_len: int,
        stride: int,
        *,
        gt_2d: bool = False,
        synthetic: bool = False,
        no_conf: bool = False,
        missing: str = "hold",
        input_scale: str = "image",
    ) -> None:
        given = [motions] if isinstance(motions, Motion) else list(motions)
        self.motions = [fill_missing(motion, missing) for motion in given]
        self.clip_len, self.stride, self.no_conf = clip_len, stride, no_conf
        self.from_labels = gt_2d or synthetic
        self.skeleton = self.motions[0].skeleton
        self.has_3d = self.motions[0].joints_image is not None
        for motion in self.motions:
            if motion.skeleton.name != self.skeleton.name:
                raise UserError(f"{self.skeleton.name} and {motion.skeleton.name} cannot share a batch")
            if (motion.joints_image is not None) != self.has_3d:
                raise UserError("motions with and without 3D labels cannot share a batch: make two sets")
        if self.from_labels and not self.has_3d:
            raise UserError("gt_2d and synthetic take the 2D from the 3D labels, and this set has none")

        bounds = [clip_bounds(motion.videos, clip_len, stride) for motion in self.motions]
        frame_counts = [motion.num_frames for motion in self.motions]
        self.num_frames = sum(frame_counts)
        self._first_frame = torch.tensor(np.cumsum([0, *frame_counts[:-1]]))  # of each motion
        self._motion_of_clip = torch.tensor(np.repeat(np.arange(len(bounds)), [len(b[0]) for b in bounds]))
        self._start = torch.tensor(np.concatenate([starts for starts, _ in bounds]))
        self._length = torch.tensor(np.concatenate([lengths for _, lengths in bounds]))
        self._steps = torch.arange(clip_len)
        self.input_scale = input_scale
        scales = [
            _scale_of_frames(motion, input_scale, starts)
            for motion, (starts, _) in zip(self.motions, bounds, strict=True)
        ]
        self._factor, self._shift = torch.from_numpy(np.concatenate(scales)).unbind(1)
        self._keypoints = [frame_rows(motion.keypoints) for motion in self.motions]
        self._labels = [frame_rows(motion.joints_image) for motion in self.motions] if self.has_3d else []

    def __len__(self) -> int:
        return len(self._start)

    def batch(self, ids: Tensor | np.ndarray | Sequence[int]) -> dict[str, Tensor]:
        """Clips ``ids`` (B,) as float32: input (B,T,J,3) x, y, confidence; target (B,T,J,3) with labels.

        Also frames (B,T) int64. Both are normalized and not yet relative to the root; input has two channels
        with no_conf, and the confidence (B,T,J) stands apart.
        """
        ids = torch.as_tensor(ids, dtype=torch.int64)
        frames = self._start[ids, None] + self._steps * self._length[ids, None] // self.clip_len
        batch = {"frames": frames + self._first_frame[self._motion_of_clip[ids], None]}
        if self.has_3d:
            batch["target"] = self._gather(self._labels, ids, frames, depth=True)
        if self.from_labels:
            xy = batch["target"][..., :2]
            batch["input"] = torch.cat([xy, torch.ones_like(xy[..., :1])], dim=-1)
        else:
            batch["input"] = self._gather(self._keypoints, ids, frames, depth=False)
        if self.no_conf:  # the model does not see it, but a loss may weigh by it
            batch["confidence"] = batch["input"][..., 2]
            batch["input"] = batch["input"][..., :2]
        return batch

    def px_per_unit(self) -> np.ndarray:
        """(F,) px that a length of 1 in the batches stands for: half the image width, or half the box."""
        scales = [_scale_of_frames(m, self.input_scale, np.arange(m.num_frames)) for m in self.motions]
        return 1 / np.concatenate(scales)[:, 0, 0]

    def source_names(self, ids: Tensor | np.ndarray | Sequence[int]) -> list[str]:
        """Source name of each of the clips ``ids``, for messages."""
        ids = torch.as_tensor(ids, dtype=torch.int64)
        owners, starts = self._motion_of_clip[ids].tolist(), self._start[ids].tolist()
        return [self.motions[owner].source[start] for owner, start in zip(owners, starts, strict=True)]

    def _gather(self, parts: list[Tensor], ids: Tensor, frames: Tensor, depth: bool) -> Tensor:
        """Rows of px as normalized (B,T,J,3); the third channel is scaled as depth, or left as confidence."""
        if len(parts) == 1:
            x = parts[0].index_select(0, frames.reshape(-1)).view(*frames.shape, parts[0].shape[1])
        else:
            x = torch.empty(*frames.shape, parts[0].shape[1])
            for number, part in enumerate(parts):
                mine = (self._motion_of_clip[ids] == number).nonzero().squeeze(1)
                x[mine] = part.index_select(0, frames[mine].reshape(-1)).view(len(mine), *x.shape[1:])
        factor, shift = self._factor[ids], self._shift[ids]
        if not depth:
            factor = factor * torch.tensor([1.0, 1.0, 0.0]) + torch.tensor([0.0, 0.0, 1.0])
        joints = self.skeleton.num_joints
        # over whole rows of J * 3 numbers: a last axis of 3 would be several times slower
        torch.addcmul(shift.repeat(1, joints)[:, None], x, factor.repeat(1, joints)[:, None], out=x)
        return x.view(*frames.shape, joints, 3)


def in_pieces(batch: dict[str, Tensor], length: int) -> dict[str, Tensor]:
    """A batch of clips (B,T,...) as one of clips (B*T/length,length,...), those of a clip one after the other."""
    return {name: value.reshape(-1, length, *value.shape[2:]) for name, value in batch.items()}


def _scale_of_frames(motion: Motion, input_scale: str, starts: np.ndarray) -> np.ndarray:
    """(N,2,3): what x, y, z in px of the clip starting at each frame are multiplied with, and what is added.

    A clip has one scale, since images do not change size within a video. Image: as in ``normalize.py``. Box:
    x, y of the box's centre become 0, its borders -1 and 1.
    """
    if input_scale not in ("image", "box"):
        raise UserError(f"input_scale: '{input_scale}' is not known; allowed: image, box")
    width, height = np.asarray(motion.size_px[starts], dtype=np.float32).T
    factor, shift_x, shift_y = 2 / width, -np.ones_like(width), -height / width
    if input_scale == "box" and len(starts):
        seen = np.where(motion.confidence[..., None] > 0, motion.joints_2d, np.nan)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="All-NaN slice")  # frames where nothing is seen
            low = np.fmin.reduceat(np.nanmin(seen, axis=1), motion.videos[:, 0])
            high = np.fmax.reduceat(np.nanmax(seen, axis=1), motion.videos[:, 0])
        side = (high - low).max(-1)
        video = np.searchsorted(motion.videos[:, 0], starts, side="right") - 1
        has_box = side[video] > 0
        factor = np.where(has_box, 2 / np.where(has_box, side[video], 1), factor)
        center = ((low + high) / 2)[video]
        shift_x = np.where(has_box, -center[:, 0] * factor, shift_x)
        shift_y = np.where(has_box, -center[:, 1] * factor, shift_y)
    shift = np.stack([shift_x, shift_y, np.zeros_like(width)], -1)
    return np.stack([np.repeat(factor[:, None], 3, axis=1), shift], 1).astype(np.float32)


def frame_rows(array: np.ndarray | None) -> Tensor:
    """Frames (F,...) as a tensor (F,numbers of a frame), on the same memory where they lie in order."""
    assert array is not None
    with warnings.catch_warnings():
        # read-only memory (memory-maps, unpickled bytes) is fine: nothing writes to the frames
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.ascontiguousarray(array)).flatten(1)
