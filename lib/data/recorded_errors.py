"""Errors of a real 2D detector, taken from a recording with known truth and laid over exact 2D.

For each clip some frames of the recording are drawn, and the one whose pose, as the camera sees it, is most like
the clip's gives its errors and confidence, with those of the frames around it: what depends on view, posture and
hidden limbs, and what lasts, comes along. Letters: N clips, T frames of a clip, R frames of the recording,
J joints, M candidates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from lib.data.detection_noise import person_size
from lib.data.pickle_layout import find_data_file, motion_from_split
from lib.errors import UserError
from lib.geometry import flip_pose
from lib.skeleton import Skeleton

if TYPE_CHECKING:
    from lib.data.draws import Draws
    from lib.data.motion import Motion

CANDIDATES = 48


class RecordedErrors:
    """Callable (exact clips (N,T,J,C), their 3D (N,T,J,3), draws) -> clips as the detector would have given them.

    Errors are shares of the person's size; the recording's mirror images count too. Frames follow each other as
    recorded, whatever the rate of the clips, and turn round at the ends of a video.
    """

    def __init__(self, motion: Motion, skeleton: Skeleton) -> None:
        """``motion``: detections as its 2D, and the truth; raises ``UserError`` without labels or detections."""
        if motion.joints_image is None:
            raise UserError("recorded errors need 3D labels beside the detections: none in the file")
        truth = torch.tensor(motion.joints_image)
        size = person_size(truth[:, None, :, :2])[:, 0]  # (R,1,1)
        seen = torch.tensor(motion.confidence)[..., None]
        error = torch.where(seen > 0, (torch.tensor(motion.joints_2d) - truth[..., :2]) / size, 0.0)
        pose = (truth - skeleton.root_of(truth)) / size
        mirror = skeleton.flip_idx
        self.errors = torch.cat([error, flip_pose(error, mirror)])
        self.confidence = torch.cat([seen, seen[:, mirror]])
        self.poses = torch.cat([pose, flip_pose(pose, mirror)]).flatten(1)
        bounds = torch.tensor(np.concatenate([motion.videos, motion.videos + motion.num_frames]))
        lengths = bounds[:, 1] - bounds[:, 0]
        self.starts, self.lengths = (x.repeat_interleave(lengths) for x in (bounds[:, 0], lengths))
        self.candidates = torch.nonzero((self.confidence > 0).any(1)[:, 0]).squeeze(1)
        if not len(self.candidates):
            raise UserError("recorded errors: nobody was found in any frame of the file")
        self.root_of = skeleton.root_of

    def __call__(self, x: Tensor, poses: Tensor, draw: Draws) -> Tensor:
        """New clips; points that were missing stay missing, and confidence, if any, is the detector's."""
        device = x.device
        size = person_size(x)
        middle = poses[:, poses.shape[1] // 2]
        wanted = ((middle - self.root_of(middle)) / size[:, 0]).flatten(1)
        number = (draw.uniform(len(x), CANDIDATES) * len(self.candidates)).long().cpu()
        chosen = self.candidates[number.clamp(max=len(self.candidates) - 1)]  # (N,M)
        distance = (self.poses[chosen].to(device) - wanted[:, None]).square().sum(-1)
        frame = chosen.gather(1, distance.argmin(1, keepdim=True).cpu())  # (N,1)
        rows = self._around(frame, x.shape[1])
        noisy = x[..., :2] + self.errors[rows].to(x) * size
        if x.shape[-1] == 2:
            return noisy
        return torch.cat([noisy, x[..., 2:] * self.confidence[rows].to(x)], dim=-1)

    def _around(self, frame: Tensor, num_frames: int) -> Tensor:
        """Frames (N,T) of the recording with ``frame`` (N,1) in the middle, back and forth within its video."""
        start, length = self.starts[frame], self.lengths[frame]
        place = (frame - start - num_frames // 2 + torch.arange(num_frames)) % (2 * length)
        return start + torch.minimum(place, 2 * length - 1 - place)


def load_recorded_errors(
    skeleton: Skeleton, error_file: str, split: str = "train", dt_root: str | None = None
) -> RecordedErrors:
    """Errors of the recording in a data pickle, as ``tools/film_people.py`` makes them."""
    path = find_data_file(error_file, dt_root)
    motion = motion_from_split(path, split, skeleton, size_of=lambda data, _: np.asarray(data["size_px"]))
    return RecordedErrors(motion, skeleton)
