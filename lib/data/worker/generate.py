"""Worker motion from a seed: subjects do tasks before cameras, and a detector watches.

Everything random comes from one tree of seeds (seed, split -> subject -> body, clips, cameras, detector), so
the same arguments give the same bytes and a larger set begins with the smaller one's subjects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lib.data.motion import Motion
from lib.data.worker.anthropometry import Subject, draw_subject
from lib.data.worker.film import Session, film
from lib.data.worker.hand_grips import shape_grasps
from lib.data.worker.inverse import solve
from lib.data.worker.kinematics import mirror_dofs
from lib.data.worker.request import Request
from lib.data.worker.script import Commands, Script
from lib.data.worker.tasks import TASKS, split_tasks
from lib.data.worker.truth import WorkerTruth, joined
from lib.skeleton import Skeleton

LEAD_S = 3.0  # clips begin somewhere in the first seconds of what the worker does
CLIPS_PER_PERSON, CLIP_LEAD_S = 4, 8.0  # in worker_clips, whose clips may be much shorter than a task
# how demanding the drawn tasks are, 0..1: lower shelves, heavier loads, longer reaches
SEVERITY = {"train": (0.0, 0.8), "validate": (0.1, 0.85), "test": (0.35, 1.0)}


def record_session(
    seeds: np.random.SeedSequence, subject: Subject, tasks: Sequence[str], request: Request, lead_s: float
) -> Session:
    """One clip of each listed task by a subject, about half of them mirrored (left-handed)."""
    frames, fps = request.frames, request.fps
    parts, mirrored = [], []
    for name, seed in zip(tasks, seeds.spawn(len(tasks)), strict=True):
        rng = np.random.default_rng(seed)
        script = Script(subject, rng, frames / fps + lead_s, fps)
        TASKS.get(name)(script, float(rng.uniform(*SEVERITY[request.split])))
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
    return Session(subject, tuple(tasks), frames, dofs, pelvis, contacts)


def make_worker_motion(skeleton: Skeleton, **request: Any) -> Motion:
    """Generated motion of people at work, as the fields of ``Request`` say (``seed`` must be given).

    Unknown tasks, splits and joints raise ``UserError``.
    """
    return _make(skeleton, Request(**request), with_truth=False)[0]


def make_worker_truth(skeleton: Skeleton, **request: Any) -> WorkerTruth:
    """The same as ``make_worker_motion``, with the exact pose of every frame beside the motion."""
    truth = _make(skeleton, Request(**request), with_truth=True)[1]
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
    request = Request(
        seed=int(rng.integers(2**63)),
        seconds=clip_len / fps,
        fps=fps,
        cameras=1,
        tasks=tasks,
        detector=detector,
        split=split,
    )
    known = request.known_tasks(TASKS, split_tasks)
    people = np.random.SeedSequence(request.seed).spawn(-(-n // CLIPS_PER_PERSON))
    motions = []
    for number, seeds in enumerate(people):
        clips = min(CLIPS_PER_PERSON, n - number * CLIPS_PER_PERSON)
        session, films = _session(seeds, number, known, clips, request, CLIP_LEAD_S)
        motions.append(film(skeleton, session, films, request, with_truth=False)[0])
    return Motion.concat(motions)


def _make(skeleton: Skeleton, request: Request, with_truth: bool) -> tuple[Motion, WorkerTruth | None]:
    return joined(
        [film(skeleton, session, seeds, request, with_truth) for session, seeds in draw_sessions(request)]
    )


def draw_sessions(request: Request) -> Iterator[tuple[Session, np.random.SeedSequence]]:
    """The people of ``make_worker_motion`` at work, one after the other, and the seeds for filming each."""
    known = request.known_tasks(TASKS, split_tasks)
    for number, seeds in request.people():
        yield _session(seeds, number, known, request.clips or len(known), request, LEAD_S)


def _session(
    seeds: np.random.SeedSequence, number: int, tasks: list[str], clips: int, request: Request, lead_s: float
) -> tuple[Session, np.random.SeedSequence]:
    """A new person doing ``clips`` of the tasks, and the seeds for filming it."""
    body, order, clip_seeds, film_seeds = seeds.spawn(4)
    subject = draw_subject(np.random.default_rng(body), f"{request.split}_s{number:03d}")
    chosen = task_order(np.random.default_rng(order), tasks, clips)
    return record_session(clip_seeds, subject, chosen, request, lead_s), film_seeds


def task_order(rng: np.random.Generator, tasks: list[str], clips: int) -> list[str]:
    """Tasks of one subject's clips: all once in a drawn order, then again as often as needed."""
    rounds = [rng.permutation(tasks) for _ in range(-(-clips // len(tasks)))]
    return [str(name) for name in np.concatenate(rounds)[:clips]]
