"""From a model and a set to predictions, measures in mm, baselines, tables and pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lib import metrics
from lib.data.clips import ClipSet
from lib.data.motion import Motion
from lib.data.targets import relative_target
from lib.draw import prediction_sheet
from lib.engine import Runtime
from lib.errors import UserError
from lib.geometry import flip_pose
from lib.hands import finger_rows
from lib.skeleton import Skeleton

# Measures that every table and metrics.json carry: key -> (heading, function of (prediction, truth) in mm).
POSE_MEASURES: dict[str, tuple[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]] = {
    "mpjpe_mm": ("MPJPE", metrics.mpjpe),
    "p_mpjpe_mm": ("P-MPJPE", metrics.p_mpjpe),
    "n_mpjpe_mm": ("N-MPJPE", metrics.n_mpjpe),
    "depth_error_mm": ("depth", metrics.depth_error),
}


@torch.no_grad()
def predict(
    model: nn.Module,
    clips: ClipSet,
    skeleton: Skeleton,
    runtime: Runtime,
    *,
    batch_size: int,
    rootrel: bool,
    flip: bool,
    criterion: Callable[..., tuple[Tensor, dict[str, Tensor]]] | None = None,
) -> tuple[np.ndarray, dict[str, float]]:
    """Predict every frame of a set: normalized poses (F, J, 3) and the mean of each loss over the clips.

    Frames that several clips cover are averaged; with ``flip`` a clip's prediction is averaged with that of its
    mirror image. Root-relative predictions have their root at zero.
    """
    was_training = model.training
    model.eval()
    total = torch.zeros(clips.num_frames, skeleton.num_joints, 3)
    count = torch.zeros(clips.num_frames)
    sums: dict[str, float] = {}
    for ids in torch.arange(len(clips)).split(batch_size):
        batch = clips.batch(ids)
        x = batch["input"].to(runtime.device)
        with runtime.autocast():
            y = model(x).float()
            if flip:
                y = (y + flip_pose(model(flip_pose(x, skeleton.flip_idx)).float(), skeleton.flip_idx)) / 2
        if rootrel:
            y = with_root_at_zero(y, skeleton)
        if criterion is not None and "target" in batch:
            target = relative_target(batch["target"].to(runtime.device), skeleton, rootrel)
            loss, terms = criterion(y, target)
            for name, value in {"loss": loss, **terms}.items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(ids)
        frames = batch["frames"].reshape(-1)
        total.index_add_(0, frames, y.cpu().reshape(-1, skeleton.num_joints, 3))
        count.index_add_(0, frames, torch.ones(len(frames)))
    model.train(was_training)
    if not bool((count > 0).all()):
        raise UserError(
            f"{int((count == 0).sum())} frames of the set lie in no clip; use a stride of at most clip_len"
        )
    return (total / count[:, None, None]).numpy(), {name: value / len(clips) for name, value in sums.items()}


def with_root_at_zero(x: Tensor, skeleton: Skeleton) -> Tensor:
    """Root-relative predictions (N, T, J, 3) whose root is where it must be.

    A root joint is set to zero, as MotionBERT's protocol does, and leaves the others where they are; a root that is
    the mean of joints is subtracted.
    """
    if skeleton.root_idx is None:
        return x - skeleton.root_of(x)
    x = x.clone()
    x[..., skeleton.root_idx, :] = 0
    return x


def root_relative_mm(normalized: np.ndarray, clips: ClipSet) -> np.ndarray:
    """Predictions (F, J, 3) in the units of a set's batches -> mm relative to the root, by each frame's scale."""
    factors = [truth_factor(motion) for motion in clips.motions]
    pose_mm = normalized * (clips.px_per_unit() * np.concatenate(factors))[:, None, None]
    return pose_mm - clips.skeleton.root_of(pose_mm)


def truth_factor(motion: Motion) -> np.ndarray:
    """mm per px (F,). Raises ``UserError`` for a set without 3D labels in mm."""
    if motion.joints_mm is None or motion.factor_mm_per_px is None:
        raise UserError(
            "this set has no labels in mm (joints_2.5d_image and 2.5d_factor): it can be trained on, not evaluated"
        )
    return motion.factor_mm_per_px


def truth_mm(motion: Motion, skeleton: Skeleton) -> np.ndarray:
    """Labels (F, J, 3) in mm relative to the root. Raises ``UserError`` for a set without them."""
    truth_factor(motion)
    return motion.joints_mm - skeleton.root_of(motion.joints_mm)


@dataclass
class Evaluation:
    """Measures of one set of predictions: per frame (F,), and what is computed from them."""

    per_frame: dict[str, np.ndarray]
    per_joint_mm: np.ndarray
    summary: dict[str, Any]


def evaluate(
    prediction_mm: np.ndarray,
    motion: Motion,
    skeleton: Skeleton,
    *,
    kept: np.ndarray,
    pck_threshold_mm: float,
) -> Evaluation:
    """Compare root-relative poses (F, J, 3) in mm with a set's labels on the frames that are ``kept`` (F,) bool.

    The summary holds frame means, means over actions (published Human3.6M figures are these), errors per action, per
    joint and, of formats with hands, per finger, PCK and AUC, velocity and acceleration errors per frame step, and
    the limb-length error.
    Raises ``UserError`` if no frame is kept or a prediction is not finite.
    """
    truth = truth_mm(motion, skeleton)
    if not kept.any():
        raise UserError("skip_sources leaves no frame to evaluate")
    broken = ~np.isfinite(prediction_mm).all((1, 2))
    if broken.any():
        raise UserError(
            f"the model's prediction is not finite on {int(broken.sum())} of {len(broken)} frames"
        )
    per_frame = {key: measure(prediction_mm, truth) for key, (_, measure) in POSE_MEASURES.items()}
    per_frame["pck"] = metrics.pck(prediction_mm, truth, pck_threshold_mm)
    per_frame["auc"] = metrics.auc(prediction_mm, truth, pck_threshold_mm)
    per_frame["limb_length_error_mm"] = metrics.limb_length_error(prediction_mm, truth, skeleton)
    if motion.derived_joints:
        measured = [row for row, joint in enumerate(skeleton.joints) if joint not in motion.derived_joints]
        per_frame["mpjpe_measured_joints_mm"] = metrics.mpjpe(prediction_mm[:, measured], truth[:, measured])
    per_frame["mpjve_mm"] = metrics.mpjve(prediction_mm, truth, motion.videos)
    per_frame["acceleration_error_mm"] = metrics.acceleration_error(prediction_mm, truth, motion.videos)
    per_joint = np.linalg.norm(prediction_mm - truth, axis=-1)[kept].mean(0)

    summary: dict[str, Any] = {key: _mean(values[kept]) for key, values in per_frame.items()}
    actions = np.asarray(motion.action)
    summary["actions"] = {
        str(action): {key: _mean(per_frame[key][kept & (actions == action)]) for key in POSE_MEASURES}
        | {"frames": int((kept & (actions == action)).sum())}
        for action in np.unique(actions[kept])
    }
    summary["action_mean"] = {
        key: _mean(np.array([row[key] for row in summary["actions"].values()])) for key in POSE_MEASURES
    }
    summary["per_joint_mm"] = dict(zip(skeleton.joints, map(float, per_joint), strict=True))
    if rows := finger_rows(skeleton):
        summary["fingers_mm"] = {name: float(per_joint[joints].mean()) for name, joints in rows.items()}
    summary["frames"], summary["frames_left_out"] = int(kept.sum()), int((~kept).sum())
    return Evaluation(per_frame, per_joint, summary)


def kept_frames(motion: Motion, skip_sources: Sequence[str]) -> np.ndarray:
    """Frames (F,) bool whose source holds none of the given parts of names."""
    skipped = [any(part in name for part in skip_sources) for name in motion.source.names]
    return ~np.asarray(skipped, dtype=bool)[motion.source.codes]


def baselines_mm(clips: ClipSet, train: Motion | None) -> dict[str, np.ndarray]:
    """What any lifter has to beat, as root-relative poses (F, J, 3) in mm.

    ``mean_pose``: the mean training pose for every frame. ``depth_zero``: the 2D that the model is given, with every
    joint at the root's depth. ``mean_depth``: the same with the mean training depth of each joint. Without a training
    set with labels in mm (clip folders have none) only ``depth_zero`` is there.
    """
    motion, skeleton = Motion.concat(clips.motions), clips.skeleton
    given_px = motion.joints_image[..., :2] if clips.from_labels else motion.joints_2d
    flat = np.pad(given_px, ((0, 0), (0, 0), (0, 1))) * truth_factor(motion)[:, None, None]
    flat = flat - skeleton.root_of(flat)
    if train is None or train.joints_mm is None:
        return {"depth_zero": flat}
    mean_pose = truth_mm(train, skeleton).mean(0)
    with_depth = flat.copy()
    with_depth[..., 2] = mean_pose[:, 2]
    return {
        "mean_pose": np.broadcast_to(mean_pose, flat.shape),
        "depth_zero": flat,
        "mean_depth": with_depth,
    }


def table(
    rows: Mapping[str, Mapping[str, float]], columns: Mapping[str, str], first: str, digits: int = 1
) -> str:
    """Plain text table: one line a row name, columns given as key -> heading; missing values are a dash."""
    lines = [[first, *columns.values()]]
    for name, values in rows.items():
        cells = [values.get(key) for key in columns]
        lines.append([name, *("-" if cell is None else f"{cell:.{digits}f}" for cell in cells)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    text.insert(1, "-" * len(text[0]))
    return "\n".join(text)


def draw_predictions(
    path: Path,
    prediction_mm: np.ndarray,
    motion: Motion,
    skeleton: Skeleton,
    errors_mm: np.ndarray,
    count: int = 8,
) -> Path:
    """Picture of predictions beside truth for frames from the best to the worst, evenly spaced by their error."""
    order = np.argsort(errors_mm)
    rows = order[np.linspace(0.02 * len(order), 0.98 * len(order) - 1, count).astype(int)]
    titles = [
        f"{motion.action[int(row)]} ({motion.source[int(row)]}): {errors_mm[row]:.0f} mm" for row in rows
    ]
    truth = truth_mm(motion, skeleton)[rows]
    return prediction_sheet(path, motion.joints_2d[rows], prediction_mm[rows], truth, titles, skeleton)


def _mean(values: np.ndarray) -> float | None:
    """Mean of the defined values; None where there is none (a frame's velocity error needs a neighbour)."""
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else None
