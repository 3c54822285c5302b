"""A person's body over all frames of a video: joint rotations, one shape, and where the body stands.

Letters: F frames, K joints of the body, B shape components.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from lib.geometry import axis_angle_to_matrix, matrix_to_axis_angle
from lib.wild.records import load_npz, save_npz

_FRAMES_AT_ONCE = 64


@dataclass(frozen=True, eq=False, kw_only=True)
class MeshMotion:
    """One person's body; a vertex is ``scale * body(rotations, shape) + translation``, where the body is in metres.

    rotations (F,K,3,3) of each joint in its parent, the first in ``axes``: "camera" (x right, y down, z forward) or
    "world" (as in ``WorldMotion``); translation (F,3) in ``units``; both NaN in frames without the person. shape (B,)
    and scale hold for all frames.
    """

    rotations: np.ndarray
    shape: np.ndarray
    translation: np.ndarray
    scale: float
    axes: str
    units: str
    fps: float
    body: str
    """Name of the body model."""
    joint_names: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())
    """What was assumed or is approximate, for the report."""

    @property
    def num_frames(self) -> int:
        """Frames F."""
        return len(self.rotations)

    @property
    def present(self) -> np.ndarray:
        """(F,) bool: frames in which the body is known."""
        return np.isfinite(self.rotations[:, 0, 0, 0]) & np.isfinite(self.translation).all(-1)

    def points(
        self,
        function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        device: torch.device,
        frames: np.ndarray | None = None,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Points of the body, a batch of frames after the other: numbers (N,) and points (N,P,3) in ``units``.

        function: from rotations (N,K,3,3) and shape (B,) on ``device`` to points in metres, such as a body's vertices.
        frames (F,) must be present; None takes all that are.
        """
        at = np.flatnonzero(self.present) if frames is None else frames
        shape = torch.as_tensor(self.shape, dtype=torch.float32, device=device)
        for rows in np.array_split(at, max(1, -(-len(at) // _FRAMES_AT_ONCE))):
            with torch.inference_mode():
                points = function(torch.from_numpy(self.rotations[rows]).to(device), shape).cpu().numpy()
            yield rows, points * self.scale + self.translation[rows, None]

    def save(self, path: str | Path) -> None:
        """Write mesh.npz: ``pose`` (F,3K) axis-angle, ``shape``, ``translation``, ``scale``, ``present`` and more."""
        present = self.present
        pose = np.full((self.num_frames, 3 * len(self.joint_names)), np.nan, np.float32)
        pose[present] = matrix_to_axis_angle(self.rotations[present]).reshape(present.sum(), -1)
        save_npz(
            path,
            {
                "pose": pose,
                "shape": self.shape.astype(np.float32),
                "translation": self.translation.astype(np.float32),
                "scale": self.scale,
                "present": present,
                "joints": np.array(self.joint_names),
                "body": self.body,
                "axes": self.axes,
                "units": self.units,
                "fps": self.fps,
                "notes": np.array(self.notes, dtype=str),
            },
        )

    @classmethod
    def load(cls, path: str | Path) -> MeshMotion:
        """Read what ``save`` wrote; raises ``UserError`` for another file."""
        texts = ("body", "axes", "units")
        stored = load_npz(path, ("pose", "shape", "translation", "scale", "joints", "fps", "notes", *texts))
        pose = stored["pose"].reshape(len(stored["pose"]), -1, 3)
        rotations = np.full((*pose.shape, 3), np.nan, np.float32)
        known = np.isfinite(pose).all((1, 2))
        rotations[known] = axis_angle_to_matrix(pose[known])
        return cls(
            rotations=rotations,
            shape=stored["shape"],
            translation=stored["translation"],
            scale=float(stored["scale"]),
            fps=float(stored["fps"]),
            joint_names=tuple(map(str, stored["joints"])),
            notes=tuple(map(str, stored["notes"])),
            **{name: str(stored[name]) for name in texts},
        )
