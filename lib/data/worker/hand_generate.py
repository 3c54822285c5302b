"""Hand motion from a seed: hands do tasks before cameras near and far, and a detector watches.

The tree of seeds is that of ``generate``: the same arguments give the same bytes, and a larger set begins with
the smaller one's subjects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lib.data.motion import Motion
from lib.data.worker.generate import LEAD_S, task_order
from lib.data.worker.hand_film import HandSession, film_hands, hand_side
from lib.data.worker.hand_motions import HAND_TASKS, split_hand_tasks
from lib.data.worker.hand_path import HandPath, draw_path
from lib.data.worker.hand_script import HandScript
from lib.data.worker.hand_shapes import CHANNELS, coupled
from lib.data.worker.hand_size import draw_hand
from lib.data.worker.hand_touch import hand_takes
from lib.data.worker.kinematics import rotation_zxy
from lib.data.worker.request import Request
from lib.data.worker.truth import WorkerTruth, joined
from lib.skeleton import Skeleton


def make_hand_motion(skeleton: Skeleton, *, subjects: int = 16, **request: Any) -> Motion:
    """Generated motion of single hands in a format of one hand, as the fields of ``Request`` say.

    Other formats, unknown tasks and splits raise ``UserError``.
    """
    return _make(skeleton, Request(subjects=subjects, **request), with_truth=False)[0]


def make_hand_truth(skeleton: Skeleton, *, subjects: int = 16, **request: Any) -> WorkerTruth:
    """The same as ``make_hand_motion``, with the exact pose of every frame beside the motion (no contacts)."""
    truth = _make(skeleton, Request(subjects=subjects, **request), with_truth=True)[1]
    assert truth is not None
    return truth


def _make(skeleton: Skeleton, request: Request, with_truth: bool) -> tuple[Motion, WorkerTruth | None]:
    hand_side(skeleton)  # refuses other formats before any work
    known = request.known_tasks(HAND_TASKS, split_hand_tasks)
    films = []
    for number, seeds in request.people():
        body, order, clip_seeds, film_seeds = seeds.spawn(4)
        chosen = task_order(np.random.default_rng(order), known, request.clips or len(known))
        session = record_hands(clip_seeds, body, f"{request.split}_h{number:03d}", chosen, request)
        films.append(film_hands(skeleton, session, film_seeds, request, with_truth))
    return joined(films)


def record_hands(
    seeds: np.random.SeedSequence,
    body: np.random.SeedSequence,
    name: str,
    tasks: Sequence[str],
    request: Request,
) -> HandSession:
    """One clip of each listed task by the hand of a drawn person."""
    frames, fps = request.frames, request.fps
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
