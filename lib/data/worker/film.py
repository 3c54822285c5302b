"""A session before its cameras: what each camera and its detector see, and the exact truth beside it.

N clips, C cameras to each, V = N*C videos of T frames; F = V*T frames in the order clip, camera, frame.
P points, J joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.data.motion import Labels, Motion
from lib.data.worker.anthropometry import Subject
from lib.data.worker.body_points import canonical_point, needed_segments, place_points, point_names
from lib.data.worker.camera import RANGES, Camera, draw_camera, image_labels
from lib.data.worker.detector import CAPSULE_POINTS, CAPSULES, detect, hidden_by_body, hidden_by_objects
from lib.data.worker.kinematics import DOF_NAMES, SEGMENTS, forward
from lib.data.worker.request import Request
from lib.data.worker.truth import WorkerTruth
from lib.skeleton import Skeleton

MOMENTS_TO_FRAME = 24  # moments of a clip that a camera is aimed by


@dataclass(frozen=True)
class Recording:
    """Clips of one subject, one of each task: degrees of freedom (D,N*T)."""

    subject: Subject
    tasks: tuple[str, ...]
    frames: int
    dofs: np.ndarray


@dataclass(frozen=True)
class Session(Recording):
    """Whole persons: pelvis (N*T,3) mm, foot contacts (N*T,2,2)."""

    pelvis_mm: np.ndarray
    contacts: np.ndarray


def film(
    skeleton: Skeleton,
    session: Session,
    seeds: np.random.SeedSequence,
    request: Request,
    with_truth: bool,
) -> tuple[Motion, WorkerTruth | None]:
    """What cameras drawn for the split see of each clip, and on demand the truth."""
    clips, frames, cameras, split = len(session.tasks), session.frames, request.cameras, request.split
    joint_points = tuple(canonical_point(name) for name in skeleton.canonical)
    names = tuple(dict.fromkeys((*joint_points, *(CAPSULE_POINTS if request.detector else ()))))
    column = [names.index(name) for name in joint_points]
    segments = SEGMENTS if with_truth else needed_segments(names)
    rotation, origin = forward(session.subject, session.pelvis_mm, session.dofs, segments)
    world = place_points(session.subject, rotation, origin, names).reshape(clips, frames, len(names), 3)
    camera_seed, detector_seed = seeds.spawn(2)
    rng = np.random.default_rng(camera_seed)
    aims = world[:, :: max(1, frames // MOMENTS_TO_FRAME)][:, :, column].reshape(clips, -1, 3)
    lenses = [
        draw_camera(rng, f"{split}_cam{clip * cameras + number:02d}", RANGES[split], aims[clip])
        for clip in range(clips)
        for number in range(cameras)
    ]
    focal = np.array([lens.focal_px for lens in lenses])
    camera_mm, px = project(lenses, np.repeat(world, cameras, axis=0))
    joints_mm, joints_px = camera_mm[:, :, column], px[:, :, column]
    image, factor = image_labels(skeleton, joints_mm, joints_px, focal[:, None])
    detected, confidence = joints_px, np.ones(image.shape[:-1])
    if request.detector:
        rng = np.random.default_rng(detector_seed)
        detected, confidence = _detections(
            rng, skeleton, session.subject, names, camera_mm, px, column, factor, request.fps
        )
    motion = motion_of_films(skeleton, session, lenses, request.fps, detected, confidence, image, factor)
    if not with_truth:
        return motion, None
    return motion, truth_of_films(
        motion,
        session,
        lenses,
        rotation,
        origin,
        joints_mm,
        session.contacts,
        dof_names=DOF_NAMES,
        point_names=point_names(),
    )


def motion_of_films(
    skeleton: Skeleton,
    recording: Recording,
    lenses: list[Camera],
    fps: float,
    detected: np.ndarray,
    confidence: np.ndarray,
    image: np.ndarray,
    factor: np.ndarray,
) -> Motion:
    """Motion of V videos of T frames, by clip and camera: detected (V,T,J,2) px, confidence (V,T,J), the labels
    image (V,T,J,3) px and factor (V,T) mm per px of ``image_labels``."""
    frames, tasks = recording.frames, recording.tasks
    flat, cameras = len(lenses) * frames, len(lenses) // len(tasks)
    sources = [f"{recording.subject.name}_{number:02d}_{task}" for number, task in enumerate(tasks)]
    return Motion(
        joints_2d=detected.reshape(flat, -1, 2),
        confidence=confidence.reshape(flat, -1),
        joints_image=image.reshape(flat, -1, 3),
        joints_mm=(image * factor[..., None, None]).reshape(flat, -1, 3),
        factor_mm_per_px=factor.reshape(flat),
        source=labels_of(sources, cameras * frames),
        camera=labels_of([lens.name for lens in lenses], frames),
        action=labels_of(tasks, cameras * frames),
        fps=fps,
        size_px=np.repeat([lens.size_px for lens in lenses], frames, axis=0),
        skeleton=skeleton,
    )


def truth_of_films(
    motion: Motion,
    recording: Recording,
    lenses: list[Camera],
    rotation: dict[str, np.ndarray],
    origin: dict[str, np.ndarray],
    joints_mm: np.ndarray,
    contacts: np.ndarray,
    *,
    dof_names: tuple[str, ...],
    point_names: tuple[str, ...],
) -> WorkerTruth:
    """The truth beside ``motion_of_films``: segments in the world (N*T,...), joints (V,T,J,3) in camera axes."""
    clips, frames = len(recording.tasks), recording.frames

    def per_video(array: np.ndarray) -> np.ndarray:
        """(N*T,...) -> (F,...): every clip once for each of its cameras, float32 unless bool."""
        repeated = np.repeat(array.reshape(clips, frames, *array.shape[1:]), len(lenses) // clips, axis=0)
        return repeated.reshape(-1, *array.shape[1:]).astype(bool if array.dtype == bool else np.float32)

    return WorkerTruth(
        motion=motion,
        segments=tuple(rotation),
        rotations=per_video(np.stack(list(rotation.values()), axis=1)),
        origins_mm=per_video(np.stack(list(origin.values()), axis=1)),
        dof_names=dof_names,
        dofs_deg=per_video(recording.dofs.T),
        point_names=point_names,
        points_mm=per_video(place_points(recording.subject, rotation, origin, point_names)),
        joints_camera_mm=joints_mm.reshape(motion.num_frames, -1, 3).astype(np.float32),
        contacts=per_video(contacts),
        camera_rotation=np.repeat([lens.rotation for lens in lenses], frames, axis=0),
        camera_position_mm=np.repeat([lens.position_mm for lens in lenses], frames, axis=0),
        focal_px=np.repeat([lens.focal_px for lens in lenses], frames),
        subject=Labels.of(recording.subject.name, motion.num_frames),
    )


def project(cameras: list[Camera], world: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (V,T,P,3) in camera axes, mm, and in the image, px (V,T,P,2), each video by its own camera."""
    rotation = np.stack([camera.rotation for camera in cameras])
    position = np.stack([camera.position_mm for camera in cameras])
    focal = np.array([camera.focal_px for camera in cameras])[:, None, None, None]
    centre = 0.5 * np.array([camera.size_px for camera in cameras], float)[:, None, None]
    flat = world.reshape(len(cameras), -1, 3) - position[:, None]
    # einsum, not BLAS: the same bytes whatever the number of threads
    camera_mm = np.einsum("vpi,vji->vpj", flat, rotation).reshape(world.shape)
    return camera_mm, camera_mm[..., :2] * (focal / camera_mm[..., 2:]) + centre


def _detections(
    rng: np.random.Generator,
    skeleton: Skeleton,
    subject: Subject,
    names: tuple[str, ...],
    camera_mm: np.ndarray,
    px: np.ndarray,
    column: list[int],
    factor: np.ndarray,
    fps: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Detected joints (V,T,J,2) px and confidence (V,T,J) from all points (V,T,P) and the joints' columns."""
    ends = np.array([[names.index(a), names.index(b)] for a, b, _ in CAPSULES])
    radius = np.array([share for _, _, share in CAPSULES], np.float32) * np.float32(subject.stature_mm)
    px, depth = px.astype(np.float32), camera_mm[..., 2].astype(np.float32)
    px_per_mm = (1.0 / factor).astype(np.float32)
    exact = px[:, :, column]
    hidden = hidden_by_body(exact, depth[:, :, column], px[:, :, ends], depth[:, :, ends], radius, px_per_mm)
    stature_px = np.float32(subject.stature_mm) * px_per_mm
    hidden |= hidden_by_objects(rng, exact, stature_px.mean(1))
    return detect(rng, skeleton, exact, hidden, stature_px, fps)


def labels_of(names: list[str] | tuple[str, ...], repeats: int) -> Labels:
    """Labels of frames, each name for ``repeats`` of them."""
    kinds = list(dict.fromkeys(names))
    return Labels(np.repeat([kinds.index(name) for name in names], repeats), kinds)
