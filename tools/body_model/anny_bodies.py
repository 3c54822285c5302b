"""Bodies of the Anny model in SMPL's T-pose."""

from __future__ import annotations

from dataclasses import dataclass

import anny
import numpy as np
import torch
from anny.face_segmentation import get_face_segmentation_mask
from anny.shape_distribution import SimpleShapeDistribution

from tools.body_model.rig import TO_SMPL_AXES, TPose

AGES = (20.0, 65.0)
# of the eyes the front half; teeth, tongue and the insides of mouth and eye sockets are left out
OUTER_SKIN = ("body", "head", "hand.L", "hand.R", "foot.L", "foot.R", "eye_front.L", "eye_front.R")
BATCH = 50

Phenotypes = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Bodies:
    """N bodies in the T-pose; metres, x to the left, y up, z forward."""

    vertices: np.ndarray
    """(N,V,3)"""
    joints: np.ndarray
    """(N,R,3) those of anny: where its bones begin."""


class AnnyBodies:
    """Anny's adults. Its mesh is symmetric to the last digit."""

    def __init__(self) -> None:
        self.model = anny.Anny(topology="anny-quads", phenotypes="all", skinning_method="lbs").double()
        self.bones: list[str] = list(self.model.bone_labels)
        self.parents: list[int] = list(self.model.bone_parents)
        outside = get_face_segmentation_mask(self.model, OUTER_SKIN).numpy()
        self.quads = np.asarray(self.model.faces)[outside]
        template = self.model.template_vertices.numpy()
        self.weights = np.zeros((len(template), len(self.bones)))
        by_vertex = np.arange(len(template))[:, None]
        indices, shares = self.model.vertex_bone_indices, self.model.vertex_bone_weights
        np.add.at(self.weights, (by_vertex, indices.numpy()), shares.numpy())
        number = {row: place for place, row in enumerate(_keys(template))}
        self.mirror = np.array([number[row] for row in _keys(template * [-1, 1, 1])])
        self._t_pose = TPose(self.bones, self.parents)

    def adults(self, count: int, seed: int) -> Phenotypes:
        """Phenotypes (N,) of men and women with the heights and weights that anny fitted to WHO data."""
        torch.manual_seed(seed)  # anny draws from torch's global generator
        ages = torch.distributions.Uniform(*torch.tensor(AGES).double())
        return SimpleShapeDistribution(self.model, ages).sample(count)[1]

    def bodies(self, phenotypes: Phenotypes, kept: np.ndarray | slice = slice(None)) -> Bodies:
        """T-posed bodies of phenotypes (N,), of all vertices or those kept."""
        vertices, joints = [], []
        for start in range(0, len(phenotypes["age"]), BATCH):
            some = {name: values[start : start + BATCH] for name, values in phenotypes.items()}
            rest = self.model.get_rest_model(self.model.get_phenotype_blendshape_coefficients(**some))
            skin, heads = (rest[key].numpy() @ TO_SMPL_AXES.T for key in ("rest_vertices", "rest_bone_heads"))
            rotations, shifts, posed = self._t_pose.bone_transforms(heads)
            vertices.append(self._t_pose.skin(skin[:, kept], self.weights[kept], rotations, shifts))
            joints.append(posed)
        return Bodies(np.concatenate(vertices), np.concatenate(joints))


def _keys(points: np.ndarray) -> list[tuple[float, ...]]:
    return [tuple(row) for row in (points.round(9) + 0.0).tolist()]  # + 0.0: no negative zeros
