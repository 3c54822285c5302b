"""Errors of a 2D keypoint detector, and the confidence it would report, on clips of any joint format.

The model is MotionBERT's (Zhu et al., ICCV 2023): at key frames nine frames apart each joint is off by a
normal error or, more rarely, by a large uniform one; errors between key frames are interpolated, and every
frame adds a small jitter. Confidence falls with the distance d as a / (d + a) + b d, plus a normal error of
mean m and deviation s. Letters: N clips, T frames, J joints, C channels.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lib.errors import UserError
from lib.files import load_pickle
from lib.skeleton import Skeleton

if TYPE_CHECKING:
    from lib.data.draws import Draws

_FRAMES_PER_KEY_FRAME = 9


@dataclass(frozen=True, eq=False)
class JointErrors:
    """Errors at key frames: mean and std (J,2), share of normal errors (J,1), width of the uniform ones.

    ``of_person``: as a share of the size of the person in the clip; otherwise in normalized coordinates (half
    the image width), as MotionBERT's file has them.
    """

    mean: Tensor
    std: Tensor
    normal_share: Tensor
    uniform_range: float
    of_person: bool


@dataclass(frozen=True)
class ConfidenceModel:
    """Parameters of the confidence at a distance; ``of_person`` as in ``JointErrors``."""

    a: float
    b: float
    m: float
    s: float
    of_person: bool


# Our defaults hold for any joint format, hands included, since they are shares of the size of what is seen:
# joints are off by 0.7 % of it, one key frame in ten by up to 3.5 %; confidence is halved at 5 %.
_DEFAULT_STD, _DEFAULT_NORMAL_SHARE, _DEFAULT_RANGE = 0.007, 0.9, 0.07
DEFAULT_CONFIDENCE = ConfidenceModel(a=0.05, b=0.0, m=0.0, s=0.1, of_person=True)


@dataclass(frozen=True, eq=False)
class NoiseModel:
    """Adds detection errors to clips (N,T,J,C) of x, y and perhaps confidence."""

    errors: JointErrors
    confidence: ConfidenceModel
    jitter_std: float

    def __call__(self, x: Tensor, draw: Draws) -> Tensor:
        """New clips; confidence, if any, is multiplied by the model's: what was missing stays missing."""
        person = person_size(x)
        off = self._key_frame_errors(x, draw) * (person if self.errors.of_person else 1)
        off = off + draw.normal(*off.shape) * self.jitter_std
        noisy = x[..., :2] + off
        if x.shape[-1] == 2:
            return noisy
        model = self.confidence
        distance = off.norm(dim=-1, keepdim=True) / (person if model.of_person else 1)
        seen = model.a / (distance + model.a) + model.b * distance
        seen = (seen + model.m + model.s * draw.normal(*distance.shape)).clip(0, 1)
        return torch.cat([noisy, x[..., 2:] * seen], dim=-1)

    def _key_frame_errors(self, x: Tensor, draw: Draws) -> Tensor:
        num_clips, num_frames, num_joints = x.shape[:3]
        num_keys = max(2, round(num_frames / _FRAMES_PER_KEY_FRAME))
        shape = (num_clips, num_keys, num_joints)
        mean, std, share = (
            tensor.to(x) for tensor in (self.errors.mean, self.errors.std, self.errors.normal_share)
        )
        normal = draw.normal(*shape, 2) * std + mean
        uniform = (draw.uniform(*shape, 2) - 0.5) * self.errors.uniform_range
        errors = torch.where(draw.uniform(*shape, 1) < share, normal, uniform)
        over_time = F.interpolate(
            errors.flatten(2).transpose(1, 2), size=num_frames, mode="linear", align_corners=True
        )
        return over_time.transpose(1, 2).unflatten(2, (num_joints, 2))


def person_size(x: Tensor) -> Tensor:
    """(N,1,1,1) larger side of the box around all seen joints of a frame (N,T,J,C), mean over the clip."""
    seen = x[..., 2:] > 0 if x.shape[-1] > 2 else torch.ones_like(x[..., :1], dtype=torch.bool)
    low = x[..., :2].masked_fill(~seen, torch.inf).amin(2)
    high = x[..., :2].masked_fill(~seen, -torch.inf).amax(2)
    return (high - low).clamp(min=0).amax(-1).mean(1)[:, None, None, None]


def load_noise_model(
    skeleton: Skeleton, jitter_std: float, noise_path: str | None = None, d2c_params_path: str | None = None
) -> NoiseModel:
    """The noise model of a joint format: our defaults, or MotionBERT's two files where paths are given.

    Raises ``UserError`` for a file of another number of joints or of another content.
    """
    num_joints = skeleton.num_joints
    if noise_path:
        errors = _read_errors(Path(noise_path), skeleton)
    else:
        errors = JointErrors(
            mean=torch.zeros(num_joints, 2),
            std=torch.full((num_joints, 2), _DEFAULT_STD),
            normal_share=torch.full((num_joints, 1), _DEFAULT_NORMAL_SHARE),
            uniform_range=_DEFAULT_RANGE,
            of_person=True,
        )
    confidence = _read_confidence(Path(d2c_params_path)) if d2c_params_path else DEFAULT_CONFIDENCE
    return NoiseModel(errors, confidence, jitter_std)


def _read_errors(path: Path, skeleton: Skeleton) -> JointErrors:
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UserError(f"noise_path: cannot read {path}: {error.strerror or error}") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise UserError(f"noise_path: {path} is no file of plain tensors: {error}") from None
    if not isinstance(content, dict) or not {"mean", "std", "weight"} <= content.keys():
        raise UserError(f"noise_path: {path} must hold mean, std and weight of each joint")
    mean, std, weight = (torch.as_tensor(content[key]).float() for key in ("mean", "std", "weight"))
    if len(mean) != skeleton.num_joints:
        raise UserError(
            f"noise_path: {path} is for {len(mean)} joints, {skeleton.name} has {skeleton.num_joints}; "
            "leave the key out to use the built-in noise, which fits any joint format"
        )
    uniform_range = float(content.get("uniform_range", 0.06))  # 0.06 stands in MotionBERT's code
    return JointErrors(mean, std, weight.reshape(-1, 1), uniform_range, of_person=False)


def _read_confidence(path: Path) -> ConfidenceModel:
    content = load_pickle(path)
    if not isinstance(content, dict) or not {"a", "b", "m", "s"} <= content.keys():
        raise UserError(f"d2c_params_path: {path} must hold the numbers a, b, m and s")
    return ConfidenceModel(**{key: float(content[key]) for key in "abms"}, of_person=False)
