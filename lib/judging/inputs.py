"""The 2D that lifters are judged on: what a set holds, exact projections, or these with a detector's errors.

Letters: F frames, J joints, T frames of a piece.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from lib.data.draws import Draws
from lib.data.film import STATURE_OF_HEIGHT, detected
from lib.data.motion import Motion
from lib.data.recorded_errors import RecordedErrors, share_of_exact_frames
from lib.errors import UserError
from lib.hands import is_hand_format
from lib.registry import Registry

UNKNOWN_FPS = 30.0  # of a set that does not tell, for errors that last
PIECE = 60  # frames of a recording that errors are taken from in one go


@dataclass(frozen=True, eq=False)
class ErrorSource:
    """Where errors come from: a seed, and a recording of a detector if there is one."""

    seed: int = 0
    recorded: RecordedErrors | None = None


INPUTS: Registry[Callable[[Motion, ErrorSource], Motion]] = Registry("input")


def make_input(name: str, motion: Motion, source: ErrorSource) -> Motion:
    """The motion with another 2D input, labels as they are; raises ``UserError`` where it cannot be made."""
    return INPUTS.get(name)(motion, source)


def usual_inputs(motion: Motion, source: ErrorSource) -> list[str]:
    """Exact 2D and what is noisy: the set's own, else a modelled detector's; and recorded errors, if there are any."""
    if not is_exact(motion):
        names = ["exact", "given"]
    else:
        names = ["exact"] if is_hand_format(motion.skeleton) else ["exact", "detector"]
    return [*names, *(["recorded"] if source.recorded else [])]


def is_exact(motion: Motion) -> bool:
    """Whether the 2D of a set are the projections of its labels, with confidence 1."""
    return bool((motion.confidence == 1).all()) and share_of_exact_frames(motion) == 1


@INPUTS.register("given")
def given(motion: Motion, source: ErrorSource) -> Motion:
    """The 2D and confidence that the set holds."""
    return motion


@INPUTS.register("exact")
def exact(motion: Motion, source: ErrorSource) -> Motion:
    """Projections of the labels, with confidence 1."""
    assert motion.joints_image is not None
    xy = motion.joints_image[..., :2]
    return replace(motion, joints_2d=xy, confidence=np.ones(xy.shape[:2], np.float32), missing=None)


@INPUTS.register("detector")
def modelled_detector(motion: Motion, source: ErrorSource) -> Motion:
    """Projections with the errors, confidences and hidden joints of the worker motion's model of a detector."""
    if is_hand_format(motion.skeleton):
        raise UserError(
            f"input 'detector' models a detector of bodies, and the set is of {motion.skeleton.name}: "
            "use a set with noisy 2D of its own (input 'given')"
        )
    assert motion.joints_image is not None and motion.joints_mm is not None
    assert motion.factor_mm_per_px is not None
    rng = np.random.default_rng(source.seed)
    xy, confidence = np.empty_like(motion.joints_2d), np.empty_like(motion.confidence)
    for start, stop in motion.videos:
        part = slice(start, stop)
        height_mm = np.percentile(np.ptp(motion.joints_mm[part, :, 1], axis=1), 90)  # people bend
        xy[part], confidence[part] = detected(
            motion.skeleton,
            motion.joints_image[part, :, :2],
            motion.joints_mm[part, :, 2],
            STATURE_OF_HEIGHT * float(height_mm),
            motion.factor_mm_per_px[part],
            motion.fps or UNKNOWN_FPS,
            rng,
        )
    return replace(motion, joints_2d=xy, confidence=confidence, missing=None)


@INPUTS.register("recorded")
def recorded_errors(motion: Motion, source: ErrorSource) -> Motion:
    """Projections with the errors of a real detector in a recording, piece by piece of each video."""
    if source.recorded is None:
        raise UserError("input 'recorded' needs a recording of a detector: --error_file FILE.pkl")
    assert motion.joints_image is not None
    generator = torch.Generator().manual_seed(source.seed)
    clean = exact(motion, source).keypoints
    noisy = np.empty_like(clean)
    for start, stop in motion.videos:
        for part in np.array_split(np.arange(start, stop), -(-(stop - start) // PIECE)):
            x, poses = (torch.from_numpy(array[part][None]) for array in (clean, motion.joints_image))
            noisy[part] = source.recorded(x, poses, Draws(generator, x))[0].numpy()
    return replace(motion, joints_2d=noisy[..., :2], confidence=noisy[..., 2], missing=None)
