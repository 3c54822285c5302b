"""A mesh checkpoint as a model that is ready to lift.

Letters: N windows, T frames of a window, J joints of the format, K joints of the body, B shape components.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lib.body import BodyModel
from lib.body_regressor import KeypointRegressor
from lib.checkpoint import check_meta, load_checkpoint, model_weights, source_skeleton_of
from lib.engine import Runtime
from lib.errors import UserError
from lib.geometry import flip_pose, flip_rotations
from lib.model.build import build_mesh_model
from lib.model.mesh_regressor import load_mesh_weights
from lib.wild.lifter import Lifter, LiftingOptions, lifting_terms

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, kw_only=True)
class MeshLifter(Lifter):
    """A ``MeshRegressor`` and the terms on which it sees motion, as for any ``Lifter``."""

    rootrel: bool = True

    @torch.inference_mode()
    def predict(self, windows: np.ndarray) -> np.ndarray:
        """Rotation matrices and shape (N,T,9K+B) for normalized keypoints (N,T,J,3) x, y, confidence.

        With ``flip`` the plain means with what the mirror image tells: matrices that are no rotations, to be added to
        those of other windows before the rotation nearest to the sum is taken.
        """
        x = torch.from_numpy(windows).to(self.runtime.device)
        if self.no_conf:
            x = x[..., :2]
        if self.flip:
            x = torch.cat([x, flip_pose(x, self.skeleton.flip_idx)])
        with self.runtime.autocast():
            rotations, shape = (part.float() for part in self.network.body_parameters(x))
        if self.flip:
            straight, mirrored = rotations.chunk(2)
            rotations = (straight + flip_rotations(mirrored, self.network.body_flip_idx)) / 2
            shape = torch.stack(shape.chunk(2)).mean(0)
        return torch.cat([rotations.flatten(2), shape], dim=-1).cpu().numpy()


def load_mesh_lifter(
    checkpoint_path: str | Path,
    *,
    config: Any,
    body: BodyModel,
    regressor: KeypointRegressor,
    runtime: Runtime,
    **options: Any,
) -> MeshLifter:
    """Model of a mesh checkpoint, by the config of the run that trained it; as ``load_lifter`` for the rest.

    body and regressor are those of the config. Raises ``UserError`` for a checkpoint of a pose model too.
    """
    wanted = LiftingOptions(**options)
    wanted.check(config)
    skeleton = regressor.skeleton
    checkpoint = load_checkpoint(checkpoint_path)
    meta, weights = checkpoint.get("meta", {}), model_weights(checkpoint)
    check_is_mesh(checkpoint_path, checkpoint)
    expected = {"joint_format": skeleton.name, "root": list(skeleton.root), "no_conf": config.no_conf}
    check_meta(meta, expected)
    network = build_mesh_model(config, body, regressor)
    source = source_skeleton_of(meta, None, skeleton)
    for line in load_mesh_weights(network, weights, skeleton=skeleton, source_skeleton=source):
        logger.info(line)
    return MeshLifter(
        network=network.to(runtime.device).eval(),
        **lifting_terms(config, meta, skeleton, runtime, wanted),
    )


def check_is_mesh(path: str | Path, checkpoint: dict[str, Any]) -> None:
    """Raise ``UserError`` for a checkpoint that holds no regressor of bodies."""
    if not any(name.startswith("backbone.") for name in model_weights(checkpoint)):
        raise UserError(
            f"{path} is the checkpoint of a pose model, which infer_wild.py takes as -e: --mesh needs one of bodies, "
            "which train_mesh.py makes"
        )
