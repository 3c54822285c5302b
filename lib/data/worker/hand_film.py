"""Hands before their cameras: what each camera and its detector see, and the exact truth beside it.

N clips, C cameras to each, V = N*C videos of T frames; F = V*T frames in the order clip, camera, frame.
P points, J joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.data.motion import Motion
from lib.data.worker.anthropometry import Subject
from lib.data.worker.body_points import canonical_point, place_points
from lib.data.worker.camera import Camera, image_labels
from lib.data.worker.detector import hidden_by_body
from lib.data.worker.film import Recording, motion_of_films, project, truth_of_films
from lib.data.worker.hand_detector import BEHIND_MM, HAND_CAPSULES, detect_hand
from lib.data.worker.hand_path import HandPath, mirrored_camera, place_camera
from lib.data.worker.hand_pose import MIRROR, hand_frames, hand_points
from lib.data.worker.hand_shapes import CHANNELS
from lib.data.worker.kinematics import SIDES
from lib.data.worker.request import Request
from lib.data.worker.truth import WorkerTruth
from lib.errors import UserError
from lib.skeleton import Skeleton


@dataclass(frozen=True)
class HandSession(Recording):
    """Single hands, as a right hand does the tasks: the path of each clip; dofs are the angles (C,N*T) deg."""

    paths: list[HandPath]


def hand_side(skeleton: Skeleton) -> str:
    """The side of a format of one hand; "right" where it has none. Other formats raise ``UserError``."""
    names = [canonical_point(name) for name in skeleton.canonical]
    for side in SIDES:
        if all(name in hand_points(side) for name in names):
            return side
    raise UserError(
        f"joint_format {skeleton.name}: the reader worker_hands makes the joints of one hand only "
        "(Hand-21, Hand-21-left, Hand-21-right); the reader worker makes all formats"
    )


def film_hands(
    skeleton: Skeleton,
    session: HandSession,
    seeds: np.random.SeedSequence,
    request: Request,
    with_truth: bool,
) -> tuple[Motion, WorkerTruth | None]:
    """What cameras near and far see of each clip, and on demand the truth."""
    side, clips, frames = hand_side(skeleton), len(session.tasks), session.frames
    cameras = request.cameras
    joints = tuple(canonical_point(name) for name in skeleton.canonical)
    ends = [(f"{side}_{a}", f"{side}_{b}") for a, b, _ in HAND_CAPSULES]
    names = tuple(dict.fromkeys((*joints, *(name for pair in ends for name in pair))))
    forearm = np.concatenate([path.forearm for path in session.paths])
    wrist = np.concatenate([path.wrist_mm for path in session.paths])
    rotation, origin = hand_frames(session.subject, side, session.dofs, forearm, wrist)
    world = place_points(session.subject, rotation, origin, names).reshape(clips, frames, len(names), 3)
    camera_seed, detector_seed = seeds.spawn(2)
    lenses = _cameras(np.random.default_rng(camera_seed), session, world, side, request.split, cameras)
    focal = np.array([lens.focal_px for lens in lenses])
    camera_mm, px = project(lenses, np.repeat(world, cameras, axis=0))
    column = [names.index(name) for name in joints]
    joints_mm, joints_px = camera_mm[:, :, column], px[:, :, column]
    image, factor = image_labels(skeleton, joints_mm, joints_px, focal[:, None])
    detected, confidence = joints_px, np.ones(image.shape[:-1])
    if request.detector:
        rng = np.random.default_rng(detector_seed)
        width_px = np.array([lens.size_px[0] for lens in lenses], np.float32)[:, None, None]
        seen = _mirrored_px(px, width_px) if side == "left" else px
        detected, confidence = _detected(
            rng, skeleton, session.subject, names, joints, ends, seen, camera_mm[..., 2], factor, request.fps
        )
        detected = _mirrored_px(detected, width_px) if side == "left" else detected
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
        np.zeros((clips * frames, 2, 2), bool),
        dof_names=tuple(f"{side}_{name}" for name in CHANNELS),
        point_names=hand_points(side),
    )


def _detected(
    rng: np.random.Generator,
    skeleton: Skeleton,
    subject: Subject,
    names: tuple[str, ...],
    joints: tuple[str, ...],
    ends: list[tuple[str, str]],
    px: np.ndarray,
    depth_mm: np.ndarray,
    factor: np.ndarray,
    fps: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Detected joints (V,T,J,2) px and confidence (V,T,J) from named points (V,T,P) that bones may hide."""
    px, depth_mm = px.astype(np.float32), depth_mm.astype(np.float32)
    column = [names.index(name) for name in joints]
    capsule = np.array([[names.index(a), names.index(b)] for a, b in ends])
    radius_mm = np.array([share for *_, share in HAND_CAPSULES]) * subject.hand_length_mm
    hidden = hidden_by_body(
        px[:, :, column],
        depth_mm[:, :, column],
        px[:, :, capsule],
        depth_mm[:, :, capsule],
        radius_mm.astype(np.float32),
        (1.0 / factor).astype(np.float32),
        BEHIND_MM,
    )
    return detect_hand(rng, skeleton, px[:, :, column], hidden, fps)


def _mirrored_px(px: np.ndarray, width_px: np.ndarray) -> np.ndarray:
    """Points (V,T,P,2) px in images (V,1,1) px wide, left and right exchanged."""
    return np.stack([width_px - px[..., 0], px[..., 1]], axis=-1)


def _cameras(
    rng: np.random.Generator, session: HandSession, world: np.ndarray, side: str, split: str, cameras: int
) -> list[Camera]:
    """Cameras of each clip, the first as its path was made for; a left hand is filmed by the mirror image."""
    filmed = world if side == "right" else world * MIRROR
    filmed = filmed[:, :: max(1, session.frames // 60)]
    lenses = [
        place_camera(
            rng,
            f"{split}_cam{clip * cameras + number:02d}",
            split,
            session.paths[clip].first_view if number == 0 else None,
            filmed[clip].reshape(-1, 3),
        )
        for clip in range(len(session.tasks))
        for number in range(cameras)
    ]
    return lenses if side == "right" else [mirrored_camera(lens) for lens in lenses]
