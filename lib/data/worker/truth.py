"""What is known exactly about generated motion, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from lib.data.motion import Labels, Motion


@dataclass(frozen=True, eq=False, kw_only=True)
class WorkerTruth:
    """Exact pose of every frame of ``motion``: F frames, S segments, D degrees of freedom, K points, J joints

    Axes and signs are those of ``lib.data.worker.kinematics``: segment x forward, y up, z to the person's
    right, identity at anatomical zero; world y up, mm.
    """

    motion: Motion
    segments: tuple[str, ...]
    rotations: np.ndarray
    """(F,S,3,3) segment to world."""
    origins_mm: np.ndarray
    """(F,S,3) proximal joint of each segment in the world."""
    dof_names: tuple[str, ...]
    dofs_deg: np.ndarray
    """(F,D) degrees of freedom that the pose was made from."""
    point_names: tuple[str, ...]
    points_mm: np.ndarray
    """(F,K,3) every named point in the world."""
    joints_camera_mm: np.ndarray
    """(F,J,3) joints of the skeleton in camera axes, true perspective geometry (Motion.joints_mm is 2.5D)."""
    contacts: np.ndarray
    """(F,2,2) bool: left and right; heel and ball stand still on the floor."""
    camera_rotation: np.ndarray
    """(F,3,3) world to camera."""
    camera_position_mm: np.ndarray
    """(F,3) in the world."""
    focal_px: np.ndarray
    """(F,)"""
    subject: Labels

    def segment(self, name: str) -> np.ndarray:
        """Rotations (F,3,3) of one segment."""
        return self.rotations[:, self.segments.index(name)]

    def dof(self, name: str) -> np.ndarray:
        """One degree of freedom (F,) in degrees, for instance ``right_elbow_flexion``."""
        return self.dofs_deg[:, self.dof_names.index(name)]

    def point(self, name: str) -> np.ndarray:
        """World positions (F,3) mm of a named point."""
        return self.points_mm[:, self.point_names.index(name)]


def joined(films: Sequence[tuple[Motion, WorkerTruth | None]]) -> tuple[Motion, WorkerTruth | None]:
    """Several people's motion one after the other, and their truth where it was asked for."""
    motion = Motion.concat([motion for motion, _ in films])
    parts = [truth for _, truth in films if truth is not None]
    if not parts:
        return motion, None
    first = parts[0]
    kept = {"segments": first.segments, "dof_names": first.dof_names, "point_names": first.point_names}
    kept |= {"motion": motion, "subject": Labels.concat([part.subject for part in parts])}
    arrays = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(WorkerTruth)
        if field.name not in kept
    }
    return motion, WorkerTruth(**kept, **arrays)
