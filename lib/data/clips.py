"""Clips: where each lies among the frames, and a batch of them gathered in one go from a single copy of the frames."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lib.data.motion import Motion
from lib.errors import UserError


def clip_bounds(videos: np.ndarray, clip_len: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """First frame (N,) and number of source frames (N,) of each clip; videos (V,2) are [start, stop).

    Windows of ``clip_len`` frames start every ``stride`` frames; where frames are left over, a last window lies
    flush with the video's end, so that no frame is lost while stride <= clip_len. A video shorter than a clip
    makes one clip of fewer source frames.
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

    A shorter video is stretched to the clip's length: frame number t * length // clip_len, the same every time.
    """
    starts, lengths = clip_bounds(videos, clip_len, stride)
    return starts[:, None] + np.arange(clip_len) * lengths[:, None] // clip_len


class ClipSet:
    """Clips of one or several motions, gathered by number into batches of normalized torch tensors.

    The frames stay where they are, once, in pixels (memory or memory-map): a batch is one gather and one
    multiply-add. All motions have 3D labels or none has. Keypoints must be free of NaN (``fill_missing``).

    gt_2d: the input's x, y are those of the labels, with confidence 1. no_conf: the input has no confidence.
    Frame numbers count through all motions in their order.
    """

    def __init__(
        self,
        motions: Motion | Sequence[Motion],
        clip_len: int,
        stride: int,
        *,
        gt_2d: bool = False,
        no_conf: bool = False,
    ) -> None:
        self.motions = [motions] if isinstance(motions, Motion) else list(motions)
        self.clip_len, self.stride, self.gt_2d, self.no_conf = clip_len, stride, gt_2d, no_conf
        self.skeleton = self.motions[0].skeleton
        self.has_3d = self.motions[0].joints_image is not None
        for motion in self.motions:
            if motion.skeleton.name != self.skeleton.name:
                raise UserError(
                    f"clips of {self.skeleton.name} and {motion.skeleton.name} cannot share a batch"
                )
            if (motion.joints_image is not None) != self.has_3d:
                raise UserError("motions with and without 3D labels cannot share a batch: make two sets")
        if gt_2d and not self.has_3d:
            raise UserError("gt_2d (or synthetic) takes the 2D from the 3D labels, and this set has none")

        frame_counts = [motion.num_frames for motion in self.motions]
        self.num_frames = sum(frame_counts)
        self._first_frame = torch.tensor(np.cumsum([0, *frame_counts[:-1]]))  # of each motion
        bounds = [clip_bounds(motion.videos, clip_len, stride) for motion in self.motions]
        # images do not change size within a video, so that the size at a clip's start serves all its frames
        sizes = np.concatenate(
            [motion.size_px[starts] for motion, (starts, _) in zip(self.motions, bounds, strict=True)]
        )
        self._width, self._height = torch.from_numpy(sizes).unbind(-1)
        self._motion_of_clip = torch.tensor(np.repeat(np.arange(len(bounds)), [len(b[0]) for b in bounds]))
        self._start = torch.tensor(np.concatenate([starts for starts, _ in bounds]))
        self._length = torch.tensor(np.concatenate([lengths for _, lengths in bounds]))
        self._steps = torch.arange(clip_len)
        self._keypoints = [_rows(motion.keypoints) for motion in self.motions]
        self._labels = [_rows(motion.joints_image) for motion in self.motions] if self.has_3d else []

    def __len__(self) -> int:
        return len(self._start)

    def batch(self, ids: Tensor | np.ndarray | Sequence[int]) -> dict[str, Tensor]:
        """Clips ``ids`` (B,) as float32: input (B,T,J,3) x, y, confidence; target (B,T,J,3) where there are labels.

        Also frames (B,T) int64. Both are normalized by the image width and not yet relative to the root; input
        has two channels with no_conf.
        """
        ids = torch.as_tensor(ids, dtype=torch.int64)
        frames = self._start[ids, None] + self._steps * self._length[ids, None] // self.clip_len
        batch = {}
        if self.has_3d:
            batch["target"] = self._gather(self._labels, ids, frames, depth=True)
        if self.gt_2d:
            batch["input"] = torch.cat(
                [batch["target"][..., :2], torch.ones(*frames.shape, *self._joints, 1)], -1
            )
        else:
            batch["input"] = self._gather(self._keypoints, ids, frames, depth=False)
        if self.no_conf:
            batch["input"] = batch["input"][..., :2]
        batch["frames"] = frames + self._first_frame[self._motion_of_clip[ids], None]
        return batch

    def sources(self, ids: Tensor | np.ndarray | Sequence[int]) -> list[str]:
        """Source name of each of the clips ``ids``, for messages."""
        numbers = torch.as_tensor(ids, dtype=torch.int64)
        owners, starts = self._motion_of_clip[numbers].tolist(), self._start[numbers].tolist()
        return [self.motions[owner].source[start] for owner, start in zip(owners, starts, strict=True)]

    @property
    def _joints(self) -> tuple[int]:
        return (self.skeleton.num_joints,)

    def _gather(self, parts: list[Tensor], ids: Tensor, frames: Tensor, depth: bool) -> Tensor:
        """Normalized rows of px: (B,T,J,3); the third channel is scaled as depth or left alone as confidence."""
        if len(parts) == 1:
            x = parts[0].index_select(0, frames.reshape(-1)).view(*frames.shape, -1)
        else:
            x = torch.empty(*frames.shape, parts[0].shape[1])
            for number, part in enumerate(parts):
                mine = (self._motion_of_clip[ids] == number).nonzero().squeeze(1)
                x[mine] = part.index_select(0, frames[mine].reshape(-1)).view(len(mine), self.clip_len, -1)
        width, height = self._width[ids], self._height[ids]
        one, zero, scale = torch.ones_like(width), torch.zeros_like(width), 2 / width
        # the formula of lib/data/normalize.py as one multiply-add over rows of all joints
        factor = torch.stack([scale, scale, scale if depth else one], -1).repeat(1, *self._joints)[:, None]
        shift = torch.stack([-one, -height / width, zero], -1).repeat(1, *self._joints)[:, None]
        return torch.addcmul(shift, x, factor, out=x).view(*frames.shape, *self._joints, 3)


def _rows(array: np.ndarray | None) -> Tensor:
    """Frames (F,J,3) as a tensor (F,J*3) on the same memory."""
    assert array is not None
    with warnings.catch_warnings():
        # read-only memory (memory-maps, unpickled bytes) is fine: nothing writes to the frames
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.ascontiguousarray(array)).view(len(array), -1)
