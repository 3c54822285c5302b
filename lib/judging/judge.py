"""A set of labelled motion, lifters of any kind, and the rows of every table about them.

Letters: F frames, J joints, V videos.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from lib.data.clips import ClipSet
from lib.data.motion import Motion
from lib.data.pickle_layout import every_nth_frame
from lib.errors import UserError
from lib.evaluate import baselines_mm, kept_frames
from lib.judging.breakdowns import BREAKDOWNS
from lib.judging.detector_poses import DetectorPoses
from lib.judging.inputs import ErrorSource, make_input, usual_inputs
from lib.judging.report import Judgement
from lib.judging.rows import CLIP_LENGTH, FRAME_RATE, VIEW, YARDSTICK, FrameErrors, frame_errors
from lib.skeleton import Skeleton

CLIP_LENGTHS = (1, 3, 9, 27, 81, 243)
RATES = (10.0, 60.0)  # lowest and highest frame rate that is shown to a lifter
BY = (*BREAKDOWNS.names(), CLIP_LENGTH, FRAME_RATE)
BLIND = "mean_pose"  # the baseline that sees no input


class Lifter(Protocol):
    """What is judged; ``maxlen`` is the number of frames of its longest clip."""

    name: str
    skeleton: Skeleton
    maxlen: int

    def __call__(self, motion: Motion, clip_len: int | None = None) -> tuple[np.ndarray, Motion]:
        """Root-relative joints (F,J,3) mm from the 2D of a motion, and the motion in the lifter's joint format."""
        ...


@dataclass(frozen=True, eq=False)
class JudgedSet:
    """A split with labels in mm; up (F,3) in camera axes where it is known; train: frames of its training split.

    own_3d: what the detector that its 2D comes from tells in 3D, where that is known.
    """

    name: str
    split: str
    motion: Motion
    up: np.ndarray | None = None
    train: Motion | None = None
    skip_sources: tuple[str, ...] = ()
    own_3d: DetectorPoses | None = None

    def select(self, frames: Any) -> JudgedSet:
        """The frames of a slice, index array or mask, in that order."""
        up = None if self.up is None else self.up[frames]
        own_3d = None if self.own_3d is None else self.own_3d.select(frames)
        return replace(self, motion=self.motion.select(frames), up=up, own_3d=own_3d)

    def kept(self, motion: Motion) -> np.ndarray:
        """Frames (F,) bool of the motion as given that count: those in which the detector found somebody."""
        return kept_frames(motion, self.skip_sources) & (motion.confidence > 0).any(-1)

    def about(self) -> str:
        """The set in a line."""
        motion = self.motion
        rate = f"{motion.fps:g} frames a second" if motion.fps else "an unknown frame rate"
        return (
            f"split '{self.split}', {motion.skeleton.name}, {int(self.kept(motion).sum())} of {motion.num_frames} "
            f"frames of {len(motion.videos)} videos at {rate}"
        )

    def notes(self, lifters: Sequence[Lifter]) -> list[str]:
        """What a reader of its tables must know."""
        notes = [
            "the scale of a lifter's poses (mm for px) is that of the labels of each frame; mesh models tell it "
            "themselves"
        ]
        if any(lifter.skeleton.name != self.motion.skeleton.name for lifter in lifters):
            notes.append(
                "lifters of other joints are measured on their own: tools/compare.py compares those that all have"
            )
        if self.own_3d is not None:
            notes += self.own_3d.notes()
        if self.train is None:
            notes.append("no mean pose: the set has no training split with labels in mm")
        if self.motion.fps is None:
            notes.append("the set does not tell its frame rate: no accelerations; --fps gives it")
        return notes


def judge_set(
    judged: JudgedSet,
    lifters: Sequence[Lifter],
    judgement: Judgement,
    *,
    source: ErrorSource,
    inputs: Sequence[str] | None = None,
    by: Sequence[str] = BY,
    sweep_frames: int = 0,
) -> None:
    """Add a set to a judgement: baselines and lifters on each input (None: the usual ones), and the breakdowns ``by``.

    Lifters are shown about ``sweep_frames`` frames (0: all) for each clip length and frame rate. Raises ``UserError``
    for an input that cannot be made, and for a second set of the same name.
    """
    motion, name, own_3d = judged.motion, judged.name, judged.own_3d
    if name in judgement.about:
        raise UserError(f"--data: two sets are called {name}; give them names, as in NAME=FILE")
    judgement.add_set(name, judged.about(), judged.notes(lifters))
    kept = judged.kept(motion)
    kinds = usual_inputs(motion, source) if inputs is None else inputs
    for kind in kinds:
        seen = make_input(kind, motion, source)
        groups = {each: BREAKDOWNS.get(each)(seen, judged.up) for each in by if each in BREAKDOWNS}
        judgement.add_notes(name, [f"{each}: {found.note}" for each, found in groups.items() if found.note])
        for lifter, joints_mm in baselines_mm(ClipSet(seen, 1, 1), judged.train).items():
            if lifter != BLIND or kind == kinds[0]:
                labels = {"set": name, "lifter": lifter, "input": "none" if lifter == BLIND else kind}
                errors = frame_errors(joints_mm, motion, motion.skeleton, kept, **labels)
                judgement.rows.append(errors.row())
                if lifter == YARDSTICK and VIEW in groups:
                    judgement.rows += errors.rows_of(VIEW, groups[VIEW])
        for lifter in lifters:
            labels = {"set": name, "lifter": lifter.name, "input": kind}
            joints_mm, told = lifter(seen)
            errors = frame_errors(joints_mm, told, lifter.skeleton, kept, **labels)
            judgement.rows.append(errors.row())
            if own_3d is not None and lifter.skeleton.name == motion.skeleton.name:
                judgement.rows.append(own_3d.common_row(joints_mm, told, kept, labels))
            for each, found in groups.items():
                judgement.rows += errors.rows_of(each, found)
            if CLIP_LENGTH in by:
                for length, errors in by_clip_length(judged, seen, lifter, lifters, sweep_frames, labels):
                    judgement.rows.append(errors.row(CLIP_LENGTH, str(length)))
            if FRAME_RATE in by:
                for fps, errors in by_frame_rate(judged, seen, lifter, sweep_frames, labels):
                    judgement.rows.append(errors.row(FRAME_RATE, f"{fps:g}"))
    if own_3d is not None:
        groups = {each: BREAKDOWNS.get(each)(motion, judged.up) for each in by if each in BREAKDOWNS}
        judgement.rows += own_3d.rows(motion, kept, groups, name)


def judge(
    lifter: Lifter, seen: Motion, kept: np.ndarray, labels: dict[str, str], clip_len: int | None = None
) -> FrameErrors:
    """Errors of a lifter on a motion of any format that has its joints."""
    joints_mm, motion = lifter(seen, clip_len)
    return frame_errors(joints_mm, motion, lifter.skeleton, kept, **labels)


def by_clip_length(
    judged: JudgedSet,
    seen: Motion,
    lifter: Lifter,
    lifters: Sequence[Lifter],
    most_frames: int,
    labels: dict[str, str],
) -> Iterator[tuple[int, FrameErrors]]:
    """Errors by clip length, all on the same frames: those of videos that are long enough for the longest clip."""
    lengths = [length for length in CLIP_LENGTHS if length <= max(other.maxlen for other in lifters)]
    longest = common_length(seen.videos, lengths)
    if longest > 1:
        rows = frames_of(some_videos(seen.videos, most_frames, longest))
        part, kept = seen.select(rows), judged.kept(judged.motion.select(rows))
        for length in lengths:
            if length <= min(longest, lifter.maxlen):
                yield length, judge(lifter, part, kept, labels, length)


def by_frame_rate(
    judged: JudgedSet, seen: Motion, lifter: Lifter, most_frames: int, labels: dict[str, str]
) -> Iterator[tuple[float, FrameErrors]]:
    """Errors by frame rate: of every frame, every second one, and so on, from the lowest rate to the highest."""
    low, high = RATES
    strides = [stride for stride in range(1, 1000) if seen.fps and low <= seen.fps / stride <= high]
    if len(strides) > 1:
        rows = frames_of(some_videos(seen.videos, most_frames))
        for stride in reversed(strides):
            part, given = (every_nth_frame(motion.select(rows), stride) for motion in (seen, judged.motion))
            assert part.fps is not None
            yield part.fps, judge(lifter, part, judged.kept(given), labels)


def frames_of(videos: np.ndarray) -> np.ndarray:
    """Frame numbers of videos (V,2), one after the other."""
    return np.concatenate([np.arange(start, stop) for start, stop in videos] or [np.zeros(0, int)])


def some_videos(videos: np.ndarray, most_frames: int, at_least: int = 1) -> np.ndarray:
    """Videos of at least so many frames, evenly spread over all, that hold about ``most_frames`` frames (0: all)."""
    length = videos[:, 1] - videos[:, 0]
    videos, length = videos[length >= at_least], length[length >= at_least]
    if not most_frames or length.sum() <= most_frames:
        return videos
    count = max(1, int(len(videos) * most_frames / length.sum()))
    return videos[np.linspace(0, len(videos) - 1, count).round().astype(int)]


def common_length(videos: np.ndarray, lengths: Sequence[int]) -> int:
    """The greatest of the clip lengths that videos with at least half of the frames have; 0 if there is none."""
    length = videos[:, 1] - videos[:, 0]
    return max([n for n in lengths if 2 * length[length >= n].sum() >= length.sum()], default=0)
