"""Hand motion from a seed: hands do tasks before cameras near and far, and a detector watches.

The tree of seeds is that of ``generate``: the same arguments give the same bytes, and a larger set begins with
the smaller one's subjects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lib.data.motion import Motion
from lib.data.worker.generate import LEAD_S, SPLITS, join_truth, task_order
from lib.data.worker.hand_film import HandSession, film_hands, hand_side
from lib.data.worker.hand_motions import HAND_TASKS, split_hand_tasks
from lib.data.worker.hand_path import HandPath, draw_path
from lib.data.worker.hand_script import HandScript
from lib.data.worker.hand_shapes import CHANNELS, coupled
from lib.data.worker.hand_size import draw_hand
from lib.data.worker.hand_touch import hand_takes
from lib.data.worker.kinematics import rotation_zxy
from lib.data.worker.truth import WorkerTruth
from lib.errors import UserError
from lib.skeleton import Skeleton


def make_hand_motion(
    skeleton: Skeleton,
    *,
    seed: int,
    subjects: int = 16,
    clips: int | None = None,
    seconds: float = 8.0,
    fps: float = 30.0,
    cameras: int = 2,
    tasks: Sequence[str] | None = None,
    detector: bool = True,
    split: str = "train",
) -> Motion:
    """Generated motion of single hands: subjects * clips * cameras videos of ``seconds`` each.

    skeleton: a format of one hand; clips: per subject (None: one of each task); tasks: names (None: all of the
    split, see ``split_hand_tasks``); detector: False gives exact 2D and confidence 1. Other formats, unknown
    tasks and splits raise ``UserError``.
    """
    return _make(skeleton, seed, subjects, clips, seconds, fps, cameras, tasks, detector, split, False)[0]


def make_hand_truth(
    skeleton: Skeleton,
    *,
    seed: int,
    subjects: int = 16,
    clips: int | None = None,
    seconds: float = 8.0,
    fps: float = 30.0,
    cameras: int = 2,
    tasks: Sequence[str] | None = None,
    detector: bool = True,
    split: str = "train",
) -> WorkerTruth:
    """The same as ``make_hand_motion``, with the exact pose of every frame beside the motion (no contacts)."""
    truth = _make(skeleton, seed, subjects, clips, seconds, fps, cameras, tasks, detector, split, True)[1]
    assert truth is not None
    return truth


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
    hand_side(skeleton)
    known = _task_names(split, tasks)
    for key, value in {"subjects": subjects, "clips": clips, "cameras": cameras}.items():
        if value is not None and value < 1:
            raise UserError(f"worker: {key} is {value}, must be at least 1")
    if (frames := round(seconds * fps)) < 2:
        raise UserError(f"worker: {seconds} s at {fps} fps is less than two frames")
    filmed = []
    for number, seeds in enumerate(np.random.SeedSequence([seed, SPLITS.index(split)]).spawn(subjects)):
        body, order, clip_seeds, film_seeds = seeds.spawn(4)
        name = f"{split}_h{number:03d}"
        chosen = task_order(np.random.default_rng(order), known, clips or len(known))
        session = record_hands(clip_seeds, body, name, chosen, frames, fps)
        filmed.append(film_hands(skeleton, session, film_seeds, cameras, fps, split, detector, with_truth))
    motion = Motion.concat([motion for motion, _ in filmed])
    if not with_truth:
        return motion, None
    return motion, join_truth(motion, [truth for _, truth in filmed if truth is not None])


def record_hands(
    seeds: np.random.SeedSequence,
    body: np.random.SeedSequence,
    name: str,
    tasks: Sequence[str],
    frames: int,
    fps: float,
) -> HandSession:
    """One clip of each listed task by the hand of a drawn person."""
    body_seed, take_seed = body.spawn(2)
    subject = draw_hand(np.random.default_rng(body_seed), name)
    takes = hand_takes(np.random.default_rng(take_seed), subject)
    channels, paths = [], []
    for task, seed in zip(tasks, seeds.spawn(len(tasks)), strict=True):
        rng = np.random.default_rng(seed)
        tempo = subject.habit["tempo"] * float(rng.uniform(0.45, 1.2))
        script = HandScript(takes, rng, frames / fps + LEAD_S, tempo)
        HAND_TASKS.get(task)(script)
        times_s = float(rng.uniform(0.0, LEAD_S)) + np.arange(frames) / fps
        channels.append(script.channels(times_s))
        paths.append(draw_path(rng, times_s))
    angles = coupled(subject, np.concatenate(channels, axis=1))
    return HandSession(subject, tuple(tasks), frames, angles, _as_seen(angles, paths, frames))


def _as_seen(angles: np.ndarray, paths: list[HandPath], frames: int) -> list[HandPath]:
    """The paths with the forearm turned back by its mean pronation, so that the hand shows the side it should."""
    turn = angles[CHANNELS.index("forearm_pronation")].reshape(len(paths), frames).mean(1)
    return [
        replace(path, forearm=path.forearm @ rotation_zxy(0.0, 0.0, np.array(-mean)))
        for path, mean in zip(paths, turn, strict=True)
    ]


def _task_names(split: str, tasks: Sequence[str] | None) -> list[str]:
    """Names of the tasks to draw from; an unknown split or task, or none at all, raises ``UserError``."""
    if split not in SPLITS:
        raise UserError(f"split '{split}' of the hand motion: allowed are {', '.join(SPLITS)}")
    names = list(split_hand_tasks(split) if tasks is None else tasks)
    for name in names:
        HAND_TASKS.get(name)
    if not names:
        raise UserError(f"worker: tasks is empty; known: {', '.join(HAND_TASKS.names())}")
    return names
