"""2D motion to a moving body: what the mesh model predicts for a whole video, and where the body stands.

Letters: F frames, N windows, T frames of a window, J joints of the format, K joints of the body, B shape components.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from lib.data.motion import Motion
from lib.errors import UserError
from lib.geometry import nearest_rotation
from lib.wild.arrays import over_video
from lib.wild.camera_pitch import level_camera
from lib.wild.lift import predict_frames
from lib.wild.mesh_lifter import MeshLifter
from lib.wild.mesh_motion import MeshMotion
from lib.wild.records import WorldMotion

if TYPE_CHECKING:
    from lib.body import BodyModel
    from lib.body_regressor import KeypointRegressor

Progress = Callable[[int], None]


def lift_mesh(model: MeshLifter, motion: Motion, *, progress: Progress | None = None) -> MeshMotion:
    """The body in the frames of a motion, in camera axes and metres, not moved from where the body model has it.

    Any length, in windows that are blended as in ``lib.wild.lift.lift``, with its errors. Each rotation is the weighted
    mean on the rotation group (Moakher 2002) of what all windows and their mirror images say of the frame; the shape
    is one for all frames, their mean by how well the person was seen.
    """
    said = predict_frames(model, motion, progress)
    body = model.network.body
    matrices = said[:, : 9 * body.num_joints].reshape(-1, body.num_joints, 3, 3)
    seen = motion.confidence.astype(np.float64).mean(-1)
    return MeshMotion(
        rotations=nearest_rotation(matrices),
        shape=np.average(said[:, 9 * body.num_joints :], axis=0, weights=seen if seen.any() else None),
        translation=np.zeros((len(said), 3), np.float32),
        scale=1.0,
        axes="camera",
        units="m",
        fps=float(motion.fps or 0.0),
        body=body.name,
        joint_names=body.joint_names,
    )


def regressed_joints(mesh: MeshMotion, body: BodyModel, regressor: KeypointRegressor) -> np.ndarray:
    """Joints (F,J,3) of the regressor's format on the body, in the mesh's axes and units; NaN where it is absent."""
    joints = np.full((mesh.num_frames, regressor.skeleton.num_joints, 3), np.nan, np.float32)
    for rows, found in mesh.points(lambda pose, shape: regressor.of(body, pose, shape), _device(body)):
        joints[rows] = found
    return joints


def motion_of_mesh(mesh: MeshMotion, body: BodyModel, regressor: KeypointRegressor, motion: Motion) -> Motion:
    """The motion with ``joints_image`` (F,J,3) px from its mesh (of ``lift_mesh``), for use without a lifter.

    Weak perspective: each frame's px per metre and place in the image in closed form, from the keypoints seen.
    """
    joints = regressed_joints(mesh, body, regressor).astype(np.float64)
    weights = motion.confidence + 1e-6  # where nothing was seen, what is held counts
    spread, middle = _centred(joints[..., :2], weights)
    spread_px, middle_px = _centred(motion.joints_2d.astype(np.float64), weights)
    scale = np.sqrt(_square(spread_px, weights) / _square(spread, weights))[:, None, None]
    depth = joints[..., 2:] - motion.skeleton.root_of(joints)[..., 2:]
    image = np.concatenate([(joints[..., :2] - middle) * scale + middle_px, depth * scale], axis=-1)
    return replace(motion, joints_image=image)


def place_mesh(
    mesh: MeshMotion,
    body: BodyModel,
    regressor: KeypointRegressor,
    world: WorldMotion,
    frames: np.ndarray,
    stature: float | None = None,
) -> MeshMotion:
    """The mesh of ``lift_mesh`` in the world, over all frames of the video, its joints where those of ``world`` are.

    frames (F,): the video frame of each frame of the mesh. In closed form, over the joints that both formats have: one
    scale for the person, so that the body is ``stature`` high in the world's units, or without it the ratio of how far
    the joints spread (Horn 1987; unlike a least-squares scale, it does not shrink the body where the two poses differ),
    and each frame's translation with least squared error. Where no joint of a foot is known, the world's floor is not
    under the soles: then the body is moved up onto them. Raises ``UserError`` if they share less than two joints.
    """
    ours, theirs = _common_joints(regressor, world)
    level = level_camera(np.eye(3), world.pitch_deg).T  # rows became columns
    rotations = mesh.rotations.copy()
    rotations[:, 0] = level @ rotations[:, 0]
    level_mesh = replace(mesh, rotations=rotations, axes="world", fps=world.fps, units=world.units)
    joints = regressed_joints(level_mesh, body, regressor)[:, ours].astype(np.float64)
    target = world.positions[frames][:, theirs].astype(np.float64)
    known = np.isfinite(target).all(-1) & np.isfinite(joints).all(-1)
    present = known.any(-1)
    spread, middle = _centred(joints, known)
    target_spread, target_middle = _centred(target, known)
    squares, target_squares = (_square(each, known).sum() for each in (spread, target_spread))
    scale = float(np.sqrt(target_squares / squares)) if squares > 0 and target_squares > 0 else 1.0
    if stature is not None:
        scale = stature / _height_m(body, mesh.shape)
    translation = (target_middle - scale * middle)[:, 0]
    rotations[~present] = np.nan
    note = f"The body stands where the 3D joints are; its own metres times {scale:.3f} are the units here."
    return replace(
        level_mesh,
        rotations=over_video(rotations, frames, world.num_frames),
        translation=over_video(translation, frames, world.num_frames),
        scale=scale,
        notes=(*mesh.notes, note),
    )


def _height_m(body: BodyModel, shape: np.ndarray) -> float:
    """Height of a shaped body in its rest pose, in which it stands upright."""
    pose = torch.zeros(1, 3 * body.num_joints, device=_device(body))
    with torch.inference_mode():
        y = body(pose, torch.as_tensor(shape, dtype=torch.float32, device=_device(body))[None])[0, :, 1]
    return float(y.max() - y.min())


def _device(body: BodyModel) -> torch.device:
    return next(body.buffers()).device


def _common_joints(regressor: KeypointRegressor, world: WorldMotion) -> tuple[list[int], list[int]]:
    """Numbers of the joints that the body's format and the world's both have, in each."""
    ours, theirs = regressor.skeleton, world.skeleton
    shared = [name for name in ours.canonical if name in theirs.canonical]
    if len(shared) < 2:
        raise UserError(
            f"the mesh's joints are {ours.name}, the 3D joints are {theirs.name}: with {len(shared)} joints in common "
            "the body cannot be placed"
        )
    return [ours.canonical.index(name) for name in shared], [theirs.canonical.index(name) for name in shared]


def _centred(points: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (F,J,C) less their weighted mean, and that mean (F,1,C); points of weight 0 may be NaN and become 0."""
    weights = weights[..., None].astype(np.float64)
    points = np.where(weights > 0, points, 0.0)
    total = weights.sum(1, keepdims=True)
    middle = (points * weights).sum(1, keepdims=True) / np.where(total > 0, total, np.nan)
    return np.where(weights > 0, points - middle, 0.0), middle


def _square(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted sum (F,) of squares of points (F,J,C)."""
    return ((points**2).sum(-1) * weights).sum(-1)
