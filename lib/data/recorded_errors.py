"""Errors of a real 2D detector, taken from a recording with known truth and laid over exact 2D.

For each clip some frames of the recording are drawn, and the one whose pose, as the camera sees it, is most like
the clip's gives its errors and confidence, with those of the frames around it: what depends on view, posture and
hidden limbs, and what lasts, comes along. Letters: N clips, T frames of a clip, R frames of the recording and its
mirror image, J joints, M candidates.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from lib.data.detection_noise import person_size
from lib.data.missing import fill_missing
from lib.data.pickle_layout import motion_from_split
from lib.errors import UserError
from lib.geometry import flip_pose
from lib.skeleton import Skeleton

if TYPE_CHECKING:
    from lib.data.draws import Draws
    from lib.data.motion import Motion

CANDIDATES = 48
EXACT = 1e-3
"""Farthest that 2D points may lie from x, y of the labels, as a share of the person's size, and count as exact."""
FOLDER = Path("data/motion3d")


class RecordedErrors:
    """Callable (clips (N,T,J,C), their 3D (N,T,J,3), draws) -> clips as the detector would have given them.

    Errors are shares of the person's size; the recording's mirror images count too. Frames follow each other as
    recorded, whatever the rate of the clips, and turn round at the ends of a video. A point that the detector lost
    has confidence 0 and lies where it was last seen. Clips whose 2D is not exact have errors already and keep them.
    """

    def __init__(self, motion: Motion, skeleton: Skeleton) -> None:
        """``motion``: detections as its 2D, and the truth; raises ``UserError`` without labels or detections."""
        if motion.joints_image is None:
            raise UserError("recorded_errors: the file has no 3D labels beside the detections")
        motion = fill_missing(motion, "hold")
        truth = torch.tensor(motion.joints_image)
        size = person_size(truth[:, None, :, :2])[:, 0]  # (R,1,1)
        error = (torch.tensor(motion.joints_2d) - truth[..., :2]) / size
        confidence = torch.tensor(motion.confidence)[..., None]
        pose = (truth - skeleton.root_of(truth)) / size
        mirror = torch.tensor(skeleton.flip_idx)
        videos = torch.tensor(np.concatenate([motion.videos, motion.videos + motion.num_frames]))
        lengths = videos[:, 1] - videos[:, 0]
        self.num_joints, self.root_of = skeleton.num_joints, skeleton.root_of
        self._tables = {
            "error": torch.cat([error, flip_pose(error, mirror)]),
            "confidence": torch.cat([confidence, confidence[:, mirror]]),
            "pose": torch.cat([pose, flip_pose(pose, mirror)]).flatten(1),
            "start": videos[:, 0].repeat_interleave(lengths),
            "length": lengths.repeat_interleave(lengths),
        }
        found = (self._tables["confidence"] > 0).any(1)[:, 0]
        self._tables["found"] = found.nonzero().squeeze(1)
        if not found.any():
            raise UserError("recorded_errors: the detector found nobody in any frame of the file")

    def __call__(self, x: Tensor, poses: Tensor, draw: Draws) -> Tensor:
        """New clips; points that were missing stay missing, and confidence, if any, is times the detector's.

        ``poses``: 3D labels, relative to the root or not, in the units of the clips.
        """
        # the recording follows the batches to their device, once
        table = self._tables = {name: value.to(x.device) for name, value in self._tables.items()}
        size = person_size(x)
        middle = poses[:, poses.shape[1] // 2]
        wanted = (middle - self.root_of(middle)) / size[:, 0].clamp(min=1e-6)
        number = (draw.uniform(len(x), CANDIDATES) * len(table["found"])).long()
        candidates = table["found"][number.clamp(max=len(table["found"]) - 1)]  # (N,M)
        distance = (table["pose"][candidates] - wanted.flatten(1)[:, None]).square().sum(-1)
        frames = self._around(candidates.gather(1, distance.argmin(1, keepdim=True)), x.shape[1])
        noisy = x[..., :2] + table["error"][frames] * size
        if x.shape[-1] > 2:
            noisy = torch.cat([noisy, x[..., 2:] * table["confidence"][frames]], dim=-1)
        return torch.where(self._is_exact(x, poses, size), noisy, x)

    def _around(self, frame: Tensor, num_frames: int) -> Tensor:
        """Frames (N,T) of the recording with ``frame`` (N,1) in the middle, back and forth within its video."""
        start, length = self._tables["start"][frame], self._tables["length"][frame]
        steps = torch.arange(num_frames, device=frame.device) - num_frames // 2
        place = (frame - start + steps) % (2 * length)
        return start + torch.minimum(place, 2 * length - 1 - place)

    def _is_exact(self, x: Tensor, poses: Tensor, size: Tensor) -> Tensor:
        """(N,1,1,1) whether the seen points of a clip are those of its labels, up to a shift of each frame."""
        off = x[..., :2] - poses[..., :2]
        off = (off - self.root_of(off)).abs().amax(-1, keepdim=True)
        if x.shape[-1] > 2:
            off = off * (x[..., 2:] > 0)
        return off.amax((1, 2), keepdim=True) < EXACT * size


def share_of_exact_frames(motion: Motion, most_frames: int = 4000) -> float:
    """Share of frames whose seen 2D points are those of the labels; of at most so many frames, evenly chosen."""
    if motion.joints_image is None or not motion.num_frames:
        return 0.0
    part = motion.select(np.unique(np.linspace(0, motion.num_frames - 1, most_frames).astype(int)))
    assert part.joints_image is not None
    truth = part.joints_image[..., :2]
    size = np.ptp(truth, axis=1).max(-1)
    off = np.where(part.confidence > 0, np.abs(part.joints_2d - truth).max(-1), 0).max(1)
    return float((off < EXACT * size).mean())


def load_recorded_errors(skeleton: Skeleton, file: str, split: str = "train") -> RecordedErrors:
    """Errors of the recording in a data pickle, as ``tools/film_people.py`` makes them.

    The file is taken as it stands, or from ``data/motion3d``. Raises ``UserError`` if there is none, or none of the
    skeleton's joints, or without labels.
    """
    places = [Path(file), FOLDER / file]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        hint = f"tools/film_people.py --joint_format {skeleton.name} makes one"
        raise UserError(f"recorded_errors: no file {' or '.join(map(str, places))}; {hint}")
    # errors are shares of the person's size in pixels: the size of the image does not matter
    motion = motion_from_split(path, split, skeleton, size_of=lambda *_: np.ones(2))
    return RecordedErrors(motion, skeleton)
