"""What an evaluation of a mesh model leaves behind: the table beside baselines, metrics.json, a picture of bodies."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lib.body_picture import bodies_side_by_side
from lib.data.mesh_clips import MeshClips
from lib.engine import Runtime
from lib.errors import UserError
from lib.evaluate import table
from lib.files import atomic_write_text
from lib.mesh_evaluation import MESH_MEASURES, predict_joints
from lib.mesh_target import mesh_target
from lib.model.mesh_regressor import MeshRegressor
from lib.pose_result import save_predictions

logger = logging.getLogger(__name__)

PICTURES = 6


def write_mesh_report(
    out: Path,
    summary: Mapping[str, Any],
    model: MeshRegressor,
    clips: MeshClips,
    runtime: Runtime,
    *,
    flip: bool,
) -> str:
    """Write the measures of ``evaluate_mesh`` (with ``baselines``) and a picture; returns the table's text.

    Files: metrics.json, table.txt, predictions.npz (joints of every frame in mm, for ``tools/compare.py``), meshes.png
    (frames spread over the set, truth beside prediction).
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}; choose another --out_path") from None
    text = mesh_report_text(summary)
    atomic_write_text(out / "metrics.json", json.dumps(summary, indent=1) + "\n")
    atomic_write_text(out / "table.txt", text + "\n")
    save_predictions(out / "predictions.npz", predict_joints(model, clips, runtime, flip=flip), clips.motion)
    try:
        draw_meshes(out / "meshes.png", model, clips, runtime, flip)
    except UserError as error:
        logger.warning(f"no meshes.png: {error}")
    return text


def mesh_report_text(summary: Mapping[str, Any]) -> str:
    """Tables per action, and of the model beside its baselines."""
    columns = {key: f"{name} mm" for key, name in MESH_MEASURES.items() if key in summary}
    rows = dict(sorted(summary["actions"].items()))
    parts = [table(rows, columns, "action")] if len(rows) > 1 else []
    models = {
        "this model": summary,
        "this model, mean over actions": summary["action_mean"],
        **summary["baselines"],
    }
    parts.append(table(models, columns, "all frames"))
    ratios = [
        f"{values['mpjpe_mm'] / summary['mpjpe_mm']:.2f} x {name}"
        for name, values in summary["baselines"].items()
    ]
    parts.append("MPJPE of the baselines over this model's: " + ", ".join(ratios))
    if summary.get("approximate_joints"):
        parts.append(f"among the 14 joints, approximate: {', '.join(summary['approximate_joints'])}")
    parts.append(f"{summary['frames']} frames")
    return "\n\n".join(parts)


@torch.no_grad()
def draw_meshes(path: Path, model: MeshRegressor, clips: MeshClips, runtime: Runtime, flip: bool) -> None:
    """Bodies in the middle frames of clips spread over the set: truth beside prediction, front and side."""
    model.eval()
    ids = torch.linspace(0, len(clips) - 1, PICTURES).round().long()
    batch = clips.batch(ids)
    middle = batch["frames"].shape[1] // 2
    output = model.predict(batch["input"].to(runtime.device), flip)
    predicted = {name: value[:, middle] for name, value in output.items()}
    true = {name: batch[name][:, middle].to(runtime.device) for name in ("pose", "shape")}
    skeleton = model.regressor.skeleton
    target = mesh_target(model.body, model.regressor, true, skeleton, need_vertices=True)
    vertices = model.vertices(predicted) - skeleton.root_of(predicted["kp_3d"])
    errors = (vertices - target["verts"]).norm(dim=-1).mean(-1)
    titles = [
        f"{clips.motion.action[int(frame)]}: {error:.0f} mm"
        for frame, error in zip(batch["frames"][:, middle], errors, strict=True)
    ]
    pairs = np.stack([target["verts"].cpu().numpy(), vertices.cpu().numpy()], 1) / 1000
    bodies_side_by_side(path, pairs, model.body.faces, titles)
