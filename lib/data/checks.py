"""Checks of a set before training on it: faults that would train silently on something wrong.

Each check is one function that yields findings; an error stops the training, a warning is logged. Geometry is
looked at in a sample of frames of every kind of recording, values that are not finite in all frames.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lib.data.clips import clip_bounds
from lib.data.motion import Motion
from lib.errors import UserError

logger = logging.getLogger(__name__)

MAX_DISTANCE_2D_3D = 0.05
"""Median distance of a 2D point from x, y of its label, as a share of the person's size in the image."""
MAX_ROOT_DEPTH = 0.01
"""Median depth of the root in labels that should be relative to it, as a share of the person's size."""
MAX_DISTANCE_MM = 0.2
"""Median distance of labels in px times their factor from those in mm, as a share of the person's size; the
factor is that of one depth, so that perspective alone may account for a tenth."""
MIN_PERSON_MM = 20
"""Size of a person or a hand below which labels are not in mm (a person in m is 2, a hand in cm 18)."""
FAR_OUTSIDE = 0.5
"""Distance from the image, as a share of its width and height, at which a point is far outside."""
MAX_SHARE_OUTSIDE = (0.01, 0.2)
"""Share of points far outside from which on there is a warning, and an error."""
MAX_SHARE_MISSING = 0.5
"""Share of frames without a joint from which on there is a warning."""
SAMPLED_VIDEOS, SAMPLED_FRAMES = 400, 8
"""Most videos that are looked at, and frames of each."""


@dataclass(frozen=True)
class Finding:
    """What a check found: level ``error`` or ``warning``, the check's short name, and a text for the user."""

    level: str
    code: str
    message: str


class Sample:
    """Some frames of a motion with what several checks need of them; S sampled frames."""

    def __init__(self, motion: Motion, rootrel: bool, clip_len: int | None) -> None:
        self.motion, self.rootrel, self.clip_len = motion, rootrel, clip_len
        videos = motion.videos
        videos = (
            videos[np.unique(np.linspace(0, len(videos) - 1, SAMPLED_VIDEOS).astype(int))]
            if len(videos)
            else videos
        )
        inner = (np.arange(SAMPLED_FRAMES) + 0.5) / SAMPLED_FRAMES
        self.frames = np.unique((videos[:, :1] + inner * (videos[:, 1:] - videos[:, :1])).astype(int))
        self.part = motion.select(self.frames)
        self.seen = (self.part.confidence > 0) & np.isfinite(self.part.joints_2d).all(-1)

    @cached_property
    def label_px(self) -> np.ndarray:
        """(S,J,3) labels in px; only where there are any."""
        assert self.part.joints_image is not None
        return self.part.joints_image

    @cached_property
    def person_px(self) -> np.ndarray:
        """(S,1) larger side of the box around the labels."""
        return np.maximum(np.ptp(self.label_px[..., :2], axis=1).max(-1, keepdims=True), 1e-6)

    def distance(self, joints_2d: np.ndarray) -> np.ndarray:
        """(S,J) distance of 2D points from their labels as a share of the person; NaN where not seen."""
        distance = np.linalg.norm(joints_2d - self.label_px[..., :2], axis=-1) / self.person_px
        return np.where(self.seen, distance, np.nan)

    def per_source(self, values: np.ndarray) -> dict[str, float]:
        """Median of values (S,...) for each source; sources without a value are left out."""
        medians = {}
        for code in np.unique(self.part.source.codes):
            of_source = values[self.part.source.codes == code]
            if np.isfinite(of_source).any():
                medians[self.part.source.names[code]] = float(np.nanmedian(of_source))
        return medians


CHECKS: list[Callable[[Sample], Iterable[Finding]]] = []


def check(function: Callable[[Sample], Iterable[Finding]]) -> Callable[[Sample], Iterable[Finding]]:
    """Decorator that adds a check to those of ``check_motion``."""
    CHECKS.append(function)
    return function


def check_motion(motion: Motion, *, rootrel: bool = True, clip_len: int | None = None) -> list[Finding]:
    """All findings in a set that will be used with ``rootrel`` and ``clip_len``."""
    sample = Sample(motion, rootrel, clip_len)
    if motion.num_frames == 0:
        return list(empty_set(sample))
    return [finding for run in CHECKS for finding in run(sample)]


def raise_or_log(findings: Iterable[Finding]) -> None:
    """Log warnings; raise one ``UserError`` with all errors."""
    findings = list(findings)
    for finding in findings:
        if finding.level == "warning":
            logger.warning(f"warning [{finding.code}]: {finding.message}")
    if errors := [f"[{finding.code}] {finding.message}" for finding in findings if finding.level == "error"]:
        raise UserError("the data cannot be right: " + "; ".join(errors))


def named(sources: Iterable[str], most: int = 3) -> str:
    """Names for a message: the first few, and how many more."""
    names = list(dict.fromkeys(sources))
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


@check
def empty_set(sample: Sample) -> Iterator[Finding]:
    """No clip at all, or clips that are all stretched."""
    videos, clip_len = sample.motion.videos, sample.clip_len
    longest = int((videos[:, 1] - videos[:, 0]).max(initial=0))
    num_clips = len(clip_bounds(videos, clip_len or 1, 1)[0])
    where = named(sample.motion.source.names) or "the reader"
    if num_clips == 0:
        yield Finding(
            "error", "empty", f"0 clips from {where}: clip_len {clip_len}, longest video {longest} frames"
        )
    elif clip_len and longest < clip_len:
        yield Finding(
            "warning",
            "short",
            f"all videos are stretched to a clip: clip_len {clip_len}, longest video {longest} "
            f"frames ({where})",
        )


@check
def not_finite(sample: Sample) -> Iterator[Finding]:
    """NaN or infinity in labels, or in 2D where it is not marked as missing."""
    motion = sample.motion
    for name in (
        *("joints_image", "joints_mm", "factor_mm_per_px", "smpl_pose", "smpl_shape", "size_px", "joints_2d"),
    ):
        values = getattr(motion, name)
        if values is None or (name == "joints_2d" and motion.missing is None):
            continue
        # a sum is finite only if all of its terms are, and it is several times faster than looking at each
        bad = np.flatnonzero(~np.isfinite(values.reshape(motion.num_frames, -1).sum(1, dtype=np.float64)))
        if len(bad):
            where = named(motion.source[bad].present())
            yield Finding("error", "not_finite", f"{name} is NaN or infinite in {len(bad)} frames ({where})")


@check
def left_right_swapped(sample: Sample) -> Iterator[Finding]:
    """2D points that lie nearer the labels with left and right exchanged."""
    if swapped := _swapped_sources(sample):
        yield Finding(
            "error",
            "left_right_swapped",
            "left and right joints are swapped between 2D and 3D in "
            f"{named(swapped)}: check the order of the joints",
        )


@check
def two_d_against_labels(sample: Sample) -> Iterator[Finding]:
    """2D points far from x, y of the labels: joints in another order, or another resolution."""
    if sample.motion.joints_image is None or _swapped_sources(sample):
        return
    distance = sample.distance(sample.part.joints_2d)
    if not np.isfinite(distance).any():
        return
    middle = float(np.nanmedian(distance))
    far = {name: value for name, value in sample.per_source(distance).items() if value > MAX_DISTANCE_2D_3D}
    if far:
        yield Finding(
            "error" if middle > MAX_DISTANCE_2D_3D else "warning",
            "2d_against_3d",
            f"2D points lie {max(far.values()):.0%} of the person's size from x, y of the labels (median; "
            f"{MAX_DISTANCE_2D_3D:.0%} is allowed) in {named(far)}: are the joints in another order, or is "
            "the resolution another one?",
        )


@check
def root_depth(sample: Sample) -> Iterator[Finding]:
    """Labels that should be relative to the root, with a root that has depth."""
    if not sample.rootrel or sample.motion.joints_image is None:
        return
    depth = np.abs(sample.part.skeleton.root_of(sample.label_px)[..., 2]) / sample.person_px
    deep = {name: value for name, value in sample.per_source(depth).items() if value > MAX_ROOT_DEPTH}
    if deep:
        root = "+".join(sample.part.skeleton.root)
        yield Finding(
            "warning",
            "root_depth",
            f"the root ({root}) is not at depth 0 in {named(deep)} ({max(deep.values()):.0%} of the person's "
            "size): is it the root of these labels? Training subtracts it",
        )


@check
def millimetres(sample: Sample) -> Iterator[Finding]:
    """Labels in mm that are in another unit, or do not follow from those in px and their factor."""
    part = sample.part
    if part.joints_mm is None:
        return
    pose_mm = part.joints_mm - part.skeleton.root_of(part.joints_mm)
    person_mm = np.maximum(np.ptp(pose_mm, axis=1).max(-1, keepdims=True), 1e-6)
    small = {name: size for name, size in sample.per_source(person_mm).items() if size < MIN_PERSON_MM}
    if small:
        text = f"labels in mm span {min(small.values()):.3g} in {named(small)}: are they in metres?"
        yield Finding("error", "unit_mm", text)
    if part.joints_image is None or part.factor_mm_per_px is None:
        return
    from_px = (sample.label_px - part.skeleton.root_of(sample.label_px)) * part.factor_mm_per_px[
        :, None, None
    ]
    off = np.linalg.norm(from_px - pose_mm, axis=-1) / person_mm
    wrong = {name: value for name, value in sample.per_source(off).items() if value > MAX_DISTANCE_MM}
    if wrong:
        yield Finding(
            "error",
            "factor",
            f"labels in px times their factor are {max(wrong.values()):.0%} of the person's size off those "
            f"in mm in {named(wrong)}: check 2.5d_factor, joint3d_image and joints_2.5d_image",
        )


@check
def outside_image(sample: Sample) -> Iterator[Finding]:
    """2D points far outside the image: the resolution is wrong."""
    size = sample.part.size_px[:, None]
    xy = np.where(sample.seen[..., None], sample.part.joints_2d, 0)
    far = ((xy < -FAR_OUTSIDE * size) | (xy > (1 + FAR_OUTSIDE) * size)).any(-1)
    share = float(far.sum() / max(sample.seen.sum(), 1))
    if share > MAX_SHARE_OUTSIDE[0]:
        width, height = (int(value) for value in sample.part.size_px[0])
        where = named(sample.part.source[far.any(-1)].present())
        yield Finding(
            "error" if share > MAX_SHARE_OUTSIDE[1] else "warning",
            "outside_image",
            f"{share:.0%} of the 2D points lie far outside the image of {width} x {height} px ({where}): "
            "is the resolution (res_w, res_h) right?",
        )


@check
def confidence_range(sample: Sample) -> Iterator[Finding]:
    """Confidence beyond 0..1, as percentages or logits are."""
    low, high = (float(f(sample.part.confidence)) for f in (np.nanmin, np.nanmax))
    if low < 0 or high > 1.01:
        where = named(sample.motion.source.names)
        text = f"confidence runs from {low:.3g} to {high:.3g}, expected 0 to 1 ({where})"
        yield Finding("warning", "confidence_range", text)


@check
def missing_joints(sample: Sample) -> Iterator[Finding]:
    """Joints that are hardly ever seen."""
    missing = 1 - sample.seen.mean(0)
    joints = sample.part.skeleton.joints
    rare = [joint for joint, share in zip(joints, missing, strict=True) if share > MAX_SHARE_MISSING]
    if rare:
        where = named(sample.motion.source.names)
        text = f"{named(rare)} have confidence 0 in more than half of the frames of {where}"
        yield Finding("warning", "missing_joints", text)


def check_split_overlap(train: Motion, evaluation: Motion) -> list[Finding]:
    """Videos that are in both sets, told by their first frame; a warning where only the name is the same."""
    first = [
        {_first_frame(motion, start): start for start in motion.videos[:, 0]}
        for motion in (train, evaluation)
    ]
    shared = [train.source[first[0][key]] for key in first[0].keys() & first[1].keys() if any(key)]
    findings = []
    if shared:
        text = (
            f"{len(shared)} videos are in the training set and in the evaluation set: {named(sorted(shared))}"
        )
        findings.append(Finding("error", "split_overlap", text))
    names = [
        {(motion.source[start], motion.camera[start]) for start in motion.videos[:, 0]}
        for motion in (train, evaluation)
    ]
    same_name = {source for source, _ in names[0] & names[1]} - set(shared)
    if same_name:
        text = f"videos of other content have the same name in both sets: {named(sorted(same_name))}"
        findings.append(Finding("warning", "split_names", text))
    return findings


def _first_frame(motion: Motion, start: int) -> bytes:
    return np.nan_to_num(motion.joints_2d[start]).tobytes()


def _swapped_sources(sample: Sample) -> list[str]:
    """Sources whose 2D fits the labels at least twice as well once left and right are exchanged."""
    flip = sample.part.skeleton.flip_idx
    paired = flip != np.arange(len(flip))
    if sample.motion.joints_image is None or not paired.any():
        return []
    given = sample.per_source(sample.distance(sample.part.joints_2d)[:, paired])
    exchanged = sample.per_source(sample.distance(sample.part.joints_2d[:, flip])[:, paired])
    # a person seen from the side has little between left and right: both distances are small then
    return [
        name
        for name, distance in given.items()
        if distance > MAX_DISTANCE_2D_3D and exchanged.get(name, distance) < distance / 2
    ]
