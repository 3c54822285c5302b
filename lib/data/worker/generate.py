"""Worker motion from a seed: subjects do tasks before cameras, and a detector watches.

Everything random comes from one tree of seeds (seed, split -> subject -> body, clips, cameras, detector), so the
same arguments give the same bytes and a larger set begins with the smaller one's subjects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib.data.motion import Labels, Motion
from lib.data.worker.anthropometry import Subject, draw_subject
from lib.data.worker.body_points import canonical_point, needed_segments, place_points, point_names
from lib.data.worker.camera import RANGES, Camera, draw_camera
from lib.data.worker.detector import CAPSULE_POINTS, CAPSULES, detect, hidden_by_body, hidden_by_objects
from lib.data.worker.inverse import solve
from lib.data.worker.kinematics import DOF_NAMES, SEGMENTS, forward, mirror_dofs
from lib.data.worker.script import Commands, Script
from lib.data.worker.tasks import TASKS, split_tasks
from lib.data.worker.truth import WorkerTruth
from lib.errors import UserError
from lib.skeleton import Skeleton

SPLITS = ("train", "validate", "test")
# how demanding the drawn tasks are, 0..1: lower shelves, heavier loads, longer reaches
SEVERITY = {"train": (0.0, 0.8), "validate": (0.1, 0.85), "test": (0.35, 1.0)}


@dataclass(frozen=True)
class Session:
    """Clips of one subject: pelvis (N*T,3) mm, degrees of freedom (D,N*T), and what the feet do."""

    subject: Subject
    tasks: tuple[str, ...]
    frames: int
    pelvis_mm: np.ndarray
    dofs: np.ndarray
    contacts: np.ndarray


def record_session(
    seeds: np.random.SeedSequence, subject: Subject, tasks: Sequence[str], seconds: float, fps: float, split: str
) -> Session:
    """One clip of each listed task by a subject, about half of them mirrored (left-handed)."""
    parts, mirrored = [], []
    for name, seed in zip(tasks, seeds.spawn(len(tasks)), strict=True):
        rng = np.random.default_rng(seed)
        script = Script(subject, rng, seconds, fps)
        TASKS.get(name)(script, float(rng.uniform(*SEVERITY[split])))
        parts.append(script.commands())
        mirrored.append(rng.random() < 0.5)
    commands = Commands.concat(parts)
    pelvis, dofs = solve(subject, commands)
    frames = round(seconds * fps)
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
    cameras: int = 1,
    tasks: Sequence[str] | None = None,
    detector: bool = True,
    split: str = "train",
) -> WorkerTruth:
    """The same as ``make_worker_motion``, with the exact pose of every frame beside the motion."""
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
    if split not in SPLITS:
        raise UserError(f"split '{split}' of the worker motion: allowed are {', '.join(SPLITS)}")
    known = list(tasks) if tasks is not None else list(split_tasks(split))
    for name in known:
        TASKS.get(name)
    counts = {"subjects": subjects, "clips": 1 if clips is None else clips, "cameras": cameras}
    for key, value in counts.items():
        if value < 1:
            raise UserError(f"worker: {key} is {value}, must be at least 1")
    if round(seconds * fps) < 2:
        raise UserError(f"worker: {seconds} s at {fps} fps is less than two frames")
    root = np.random.SeedSequence([seed, SPLITS.index(split)])
    films = []
    for number, person in enumerate(root.spawn(subjects)):
        body, order, clip_seeds, film_seeds = person.spawn(4)
        subject = draw_subject(np.random.default_rng(body), f"{split}_s{number:03d}")
        chosen = _task_order(np.random.default_rng(order), known, clips)
        session = record_session(clip_seeds, subject, chosen, seconds, fps, split)
        films.append(film(skeleton, session, film_seeds, cameras, fps, split, detector, with_truth))
    motion = Motion.concat([motion for motion, _ in films])
    if not with_truth:
        return motion, None
    return motion, _join_truth(motion, [truth for _, truth in films if truth is not None])


def _task_order(rng: np.random.Generator, tasks: list[str], clips: int | None) -> list[str]:
    """Tasks of one subject's clips: all once in a drawn order, then again as often as needed."""
    count = len(tasks) if clips is None else clips
    rounds = [rng.permutation(tasks) for _ in range(-(-count // len(tasks)))]
    return [str(name) for name in np.concatenate(rounds)[:count]]


def film(
    skeleton: Skeleton,
    session: Session,
    seeds: np.random.SeedSequence,
    cameras: int,
    fps: float,
    split: str,
    detector: bool,
    with_truth: bool,
) -> tuple[Motion, WorkerTruth | None]:
    """What ``cameras`` cameras see of each clip of a session; order: clip, then camera, then frame."""
    subject, clips, frames = session.subject, len(session.tasks), session.frames
    joint_points = tuple(canonical_point(name) for name in skeleton.canonical)
    names = tuple(dict.fromkeys((*joint_points, *(CAPSULE_POINTS if detector else ()))))
    segments = SEGMENTS if with_truth else needed_segments(names)
    rotation, origin = forward(subject, session.pelvis_mm, session.dofs, segments)
    world = place_points(subject, rotation, origin, names).reshape(clips, 1, frames, len(names), 3)
    column = [names.index(name) for name in joint_points]
    camera_seed, detector_seed = seeds.spawn(2)
    rng = np.random.default_rng(camera_seed)
    drawn = [
        draw_camera(rng, f"{split}_cam{clip * cameras + number:02d}", RANGES[split], filmed.reshape(-1, 3))
        for clip in range(clips)
        for filmed in [world[clip, 0, :: max(1, frames // 24), :, :][:, column]]
        for number in range(cameras)
    ]
    lens = _Lenses(drawn)
    videos = clips * cameras
    seen = np.broadcast_to(world, (clips, cameras, frames, len(names), 3)).reshape(videos, frames, len(names), 3)
    camera_mm = lens.to_camera(seen)
    px = lens.project(camera_mm)
    joints_camera, joints_px = camera_mm[:, :, column], px[:, :, column]
    root_depth = skeleton.root_of(joints_camera)[:, :, 0, 2]
    factor = root_depth / lens.focal[:, None]
    image = np.empty_like(joints_camera)
    image[..., :2] = joints_px
    image[..., 2] = (joints_camera[..., 2] - root_depth[..., None]) / factor[..., None]
    detected, confidence = joints_px, np.ones(joints_px.shape[:3], np.float32)
    if detector:
        rng = np.random.default_rng(detector_seed)
        ends = np.array([[names.index(a), names.index(b)] for a, b, _ in CAPSULES])
        radius = np.array([share for _, _, share in CAPSULES], np.float32) * np.float32(subject.stature_mm)
        exact = joints_px.astype(np.float32)
        hidden = hidden_by_body(
            exact,
            joints_camera[..., 2].astype(np.float32),
            px[:, :, ends].astype(np.float32),
            camera_mm[:, :, ends, 2].astype(np.float32),
            radius,
            (1.0 / factor).astype(np.float32),
        )
        stature_px = (subject.stature_mm / factor).astype(np.float32)
        hidden |= hidden_by_objects(rng, exact, stature_px.mean(1))
        detected, confidence = detect(rng, skeleton, exact, hidden, stature_px, fps)
    flat = videos * frames

    def labels(values: list[str]) -> Labels:
        kinds = list(dict.fromkeys(values))
        return Labels(np.repeat([kinds.index(value) for value in values], frames), kinds)

    sources = [f"{subject.name}_{number:02d}_{task}" for number, task in enumerate(session.tasks)]
    motion = Motion(
        joints_2d=detected.reshape(flat, -1, 2),
        confidence=confidence.reshape(flat, -1),
        joints_image=image.reshape(flat, -1, 3),
        joints_mm=(image * factor[..., None, None]).reshape(flat, -1, 3),
        factor_mm_per_px=factor.reshape(flat),
        source=labels([source for source in sources for _ in range(cameras)]),
        camera=labels([camera.name for camera in drawn]),
        action=labels([task for task in session.tasks for _ in range(cameras)]),
        fps=fps,
        size_px=np.repeat([camera.size_px for camera in drawn], frames, axis=0),
        skeleton=skeleton,
    )
    if not with_truth:
        return motion, None

    def per_video(array: np.ndarray) -> np.ndarray:
        """(N*T,...) repeated for every camera of its clip, float32."""
        shaped = array.reshape(clips, 1, frames, *array.shape[1:])
        repeated = np.broadcast_to(shaped, (clips, cameras, *shaped.shape[2:]))
        out = repeated.reshape(flat, *array.shape[1:])
        return out if out.dtype == bool else out.astype(np.float32)

    all_points = point_names()
    truth = WorkerTruth(
        motion=motion,
        segments=SEGMENTS,
        rotations=per_video(np.stack([rotation[name] for name in SEGMENTS], axis=1)),
        origins_mm=per_video(np.stack([origin[name] for name in SEGMENTS], axis=1)),
        dof_names=DOF_NAMES,
        dofs_deg=per_video(session.dofs.T),
        point_names=all_points,
        points_mm=per_video(place_points(subject, rotation, origin, all_points)),
        joints_camera_mm=joints_camera.reshape(flat, -1, 3).astype(np.float32),
        contacts=per_video(session.contacts),
        camera_rotation=np.repeat([camera.rotation for camera in drawn], frames, axis=0),
        camera_position_mm=np.repeat([camera.position_mm for camera in drawn], frames, axis=0),
        focal_px=np.repeat(lens.focal, frames),
        subject=Labels.of(subject.name, flat),
    )
    return motion, truth


class _Lenses:
    """Cameras of several videos at once: points (V,T,P,3)."""

    def __init__(self, cameras: list[Camera]) -> None:
        self.rotation = np.stack([camera.rotation for camera in cameras])
        self.position = np.stack([camera.position_mm for camera in cameras])
        self.focal = np.array([camera.focal_px for camera in cameras])
        self.centre = 0.5 * np.array([camera.size_px for camera in cameras], float)

    def to_camera(self, world: np.ndarray) -> np.ndarray:
        videos, frames, points = world.shape[:3]
        flat = world.reshape(videos, frames * points, 3) - self.position[:, None]
        # einsum, not BLAS: the result must not depend on the number of threads
        return np.einsum("vpi,vji->vpj", flat, self.rotation).reshape(videos, frames, points, 3)

    def project(self, camera_mm: np.ndarray) -> np.ndarray:
        scale = self.focal[:, None, None, None] / camera_mm[..., 2:]
        return camera_mm[..., :2] * scale + self.centre[:, None, None]


def _join_truth(motion: Motion, parts: list[WorkerTruth]) -> WorkerTruth:
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
