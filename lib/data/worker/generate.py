"""Worker motion from a seed: subjects do tasks before cameras, and a detector watches.

Everything random comes from one tree of seeds (seed, split -> subject -> body, clips, cameras, detector), so
the same arguments give the same bytes and a larger set begins with the smaller one's subjects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lib.data.motion import Labels, Motion
from lib.data.worker.anthropometry import Subject, draw_subject
from lib.data.worker.film import Session, film
from lib.data.worker.hand_grips import shape_grasps
from lib.data.worker.inverse import solve
from lib.data.worker.kinematics import mirror_dofs
from lib.data.worker.script import Commands, Script
from lib.data.worker.tasks import TASKS, split_tasks
from lib.data.worker.truth import WorkerTruth
from lib.errors import UserError
from lib.skeleton import Skeleton

SPLITS = ("train", "validate", "test")
LEAD_S = 3.0  # clips begin somewhere in the first seconds of what the worker does
CLIPS_PER_PERSON, CLIP_LEAD_S = 4, 8.0  # in worker_clips, whose clips may be much shorter than a task
# how demanding the drawn tasks are, 0..1: lower shelves, heavier loads, longer reaches
SEVERITY = {"train": (0.0, 0.8), "validate": (0.1, 0.85), "test": (0.35, 1.0)}


def record_session(
    seeds: np.random.SeedSequence,
    subject: Subject,
    tasks: Sequence[str],
    frames: int,
    fps: float,
    split: str,
    lead_s: float,
) -> Session:
    """One clip of each listed task by a subject, about half of them mirrored (left-handed)."""
    parts, mirrored = [], []
    for name, seed in zip(tasks, seeds.spawn(len(tasks)), strict=True):
        rng = np.random.default_rng(seed)
        script = Script(subject, rng, frames / fps + lead_s, fps)
        TASKS.get(name)(script, float(rng.uniform(*SEVERITY[split])))
        parts.append(script.commands(float(rng.uniform(0.0, lead_s)), frames))
        mirrored.append(rng.random() < 0.5)
    commands = Commands.concat(parts)
    pelvis, dofs = solve(subject, commands)
    (finger_seed,) = seeds.spawn(1)
    shape_grasps(np.random.default_rng(finger_seed), subject, tasks, commands, dofs)
    mirror = np.repeat(mirrored, frames)
    pitch = commands.feet.pitch - np.stack([commands["left_heel_raise"], commands["right_heel_raise"]])
    planted = commands.feet.planted
    contacts = np.stack([planted & (pitch > -0.5), planted & (pitch < 0.5)], axis=-1).swapaxes(0, 1)
    contacts = np.where(mirror[:, None, None], contacts[:, ::-1], contacts)
    pelvis = np.where(mirror[:, None], pelvis * [1.0, 1.0, -1.0], pelvis)
    dofs = np.where(mirror, mirror_dofs(dofs), dofs)
    return Session(subject, tuple(tasks), frames, pelvis, dofs, contacts)


def make_worker_motion(
    skeleton: Skeleton,
    *,
    seed: int,
    subjects: int = 8,
    clips: int | None = None,
    seconds: float = 8.0,
    fps: float = 30.0,
    cameras: int = 2,
    tasks: Sequence[str] | None = None,
    detector: bool = True,
    split: str = "train",
) -> Motion:
    """Generated motion of people at work: subjects * clips * cameras videos of ``seconds`` each.

    clips: per subject (None: one of each task); tasks: names (None: all of the split, see ``split_tasks``);
    detector: False gives exact 2D and confidence 1. Unknown tasks, splits and joints raise ``UserError``.
    """
    return _make(skeleton, seed, subjects, clips, seconds, fps, cameras, tasks, detector, split, False)[0]


def make_worker_truth(
    skeleton: Skeleton,
    *,
    seed: int,
    subjects: int = 8,
    clips: int | None = None,
    seconds: float = 8.0,
    fps: float = 30.0,
    cameras: int = 2,
    tasks: Sequence[str] | None = None,
    detector: bool = True,
    split: str = "train",
) -> WorkerTruth:
    """The same as ``make_worker_motion``, with the exact pose of every frame beside the motion."""
    truth = _make(skeleton, seed, subjects, clips, seconds, fps, cameras, tasks, detector, split, True)[1]
    assert truth is not None
    return truth


def worker_clips(
    skeleton: Skeleton,
    rng: np.random.Generator,
    clip_len: int,
    n: int,
    *,
    fps: float = 30.0,
    tasks: Sequence[str] | None = None,
    detector: bool = True,
    split: str = "train",
) -> Motion:
    """``n`` fresh clips of ``clip_len`` frames, each its own video: training data without end.

    A new person for every four clips; each clip is a random cut of a longer task. The next call with the same
    generator gives other clips.
    """
    known = _task_names(split, tasks)
    people = np.random.SeedSequence(int(rng.integers(2**63))).spawn(-(-n // CLIPS_PER_PERSON))
    motions = []
    for number, seeds in enumerate(people):
        clips = min(CLIPS_PER_PERSON, n - number * CLIPS_PER_PERSON)
        session, films = _session(seeds, number, known, clips, clip_len, fps, split, CLIP_LEAD_S)
        motions.append(film(skeleton, session, films, 1, fps, split, detector, False)[0])
    return Motion.concat(motions)


def _make(
    skeleton: Skeleton,
    seed: int,
    subjects: int,
    clips: int | None,
    seconds: float,
    fps: float,
    cameras: int,
    tasks: Sequence[str] | None,
    detector: bool,
    split: str,
    with_truth: bool,
) -> tuple[Motion, WorkerTruth | None]:
    if cameras < 1:
        raise UserError(f"worker: cameras is {cameras}, must be at least 1")
    filmed = [
        film(skeleton, session, seeds, cameras, fps, split, detector, with_truth)
        for session, seeds in draw_sessions(seed, subjects, clips, seconds, fps, tasks, split)
    ]
    motion = Motion.concat([motion for motion, _ in filmed])
    if not with_truth:
        return motion, None
    return motion, join_truth(motion, [truth for _, truth in filmed if truth is not None])


def draw_sessions(
    seed: int,
    subjects: int,
    clips: int | None,
    seconds: float,
    fps: float,
    tasks: Sequence[str] | None,
    split: str,
) -> Iterator[tuple[Session, np.random.SeedSequence]]:
    """The people of ``make_worker_motion`` at work, one after the other, and the seeds for filming each."""
    known = _task_names(split, tasks)
    for key, value in {"subjects": subjects, "clips": clips}.items():
        if value is not None and value < 1:
            raise UserError(f"worker: {key} is {value}, must be at least 1")
    if (frames := round(seconds * fps)) < 2:
        raise UserError(f"worker: {seconds} s at {fps} fps is less than two frames")
    for number, seeds in enumerate(np.random.SeedSequence([seed, SPLITS.index(split)]).spawn(subjects)):
        yield _session(seeds, number, known, clips or len(known), frames, fps, split, LEAD_S)


def _session(
    seeds: np.random.SeedSequence,
    number: int,
    tasks: list[str],
    clips: int,
    frames: int,
    fps: float,
    split: str,
    lead_s: float,
) -> tuple[Session, np.random.SeedSequence]:
    """A new person doing ``clips`` of the tasks, and the seeds for filming it."""
    body, order, clip_seeds, film_seeds = seeds.spawn(4)
    subject = draw_subject(np.random.default_rng(body), f"{split}_s{number:03d}")
    chosen = task_order(np.random.default_rng(order), tasks, clips)
    return record_session(clip_seeds, subject, chosen, frames, fps, split, lead_s), film_seeds


def _task_names(split: str, tasks: Sequence[str] | None) -> list[str]:
    """Names of the tasks to draw from; an unknown split or task, or none at all, raises ``UserError``."""
    if split not in SPLITS:
        raise UserError(f"split '{split}' of the worker motion: allowed are {', '.join(SPLITS)}")
    names = list(split_tasks(split) if tasks is None else tasks)
    for name in names:
        TASKS.get(name)
    if not names:
        raise UserError(f"worker: tasks is empty; known: {', '.join(TASKS.names())}")
    return names


def task_order(rng: np.random.Generator, tasks: list[str], clips: int) -> list[str]:
    """Tasks of one subject's clips: all once in a drawn order, then again as often as needed."""
    rounds = [rng.permutation(tasks) for _ in range(-(-clips // len(tasks)))]
    return [str(name) for name in np.concatenate(rounds)[:clips]]


def join_truth(motion: Motion, parts: list[WorkerTruth]) -> WorkerTruth:
    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    first = parts[0]
    arrays = ("rotations", "origins_mm", "dofs_deg", "points_mm", "joints_camera_mm", "contacts")
    return WorkerTruth(
        motion=motion,
        segments=first.segments,
        dof_names=first.dof_names,
        point_names=first.point_names,
        subject=Labels.concat([part.subject for part in parts]),
        **{name: joined(name) for name in (*arrays, "camera_rotation", "camera_position_mm", "focal_px")},
    )
