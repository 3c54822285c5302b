"""What an evaluation leaves behind: the table beside honest baselines, metrics.json, X3D.npy and a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lib.data.clips import ClipSet
from lib.data.motion import Motion
from lib.errors import UserError
from lib.evaluate import (
    POSE_MEASURES,
    baselines_mm,
    draw_predictions,
    evaluate,
    root_relative_mm,
    table,
)
from lib.files import atomic_path, atomic_write_text
from lib.pose_result import save_predictions

COLUMNS = {key: f"{heading} mm" for key, (heading, _) in POSE_MEASURES.items()}


def write_report(
    out: Path,
    prediction: np.ndarray,
    clips: ClipSet,
    *,
    kept: np.ndarray,
    pck_threshold_mm: float,
    train_motion: Motion | None,
    untrained: np.ndarray | None,
    extra: Mapping[str, Any],
) -> str:
    """Write everything about predictions (F, J, 3) of a set into a folder; returns the table's text.

    ``prediction`` and ``untrained`` are in the units of the set's batches. Files: ``metrics.json`` (frame means,
    action means, per action, per joint, per finger, baselines, and ``extra``), ``X3D.npy`` (F, J, 3) px as MotionBERT
    writes it (a root-relative pose lies in the middle of the image), ``X3D_mm.npy`` (F, J, 3) mm relative to the root,
    ``predictions.npz`` (the same with the name of each frame, for comparisons), ``predictions.png``, ``table.txt``.
    Without a training set the baselines that need it are left out.
    """
    motion, skeleton = Motion.concat(clips.motions), clips.skeleton
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}; choose another --out_path") from None
    prediction_mm = root_relative_mm(prediction, clips)
    result = evaluate(prediction_mm, motion, skeleton, kept=kept, pck_threshold_mm=pck_threshold_mm)

    others = baselines_mm(clips, train_motion)
    if untrained is not None:
        others["untrained"] = root_relative_mm(untrained, clips)
    baselines = {}
    for name, pose_mm in others.items():
        summary = evaluate(pose_mm, motion, skeleton, kept=kept, pck_threshold_mm=pck_threshold_mm).summary
        baselines[name] = {key: summary[key] for key in (*POSE_MEASURES, "fingers_mm") if key in summary}

    summary = {**result.summary, "baselines": baselines, **extra}
    text = report_text(summary)
    atomic_write_text(out / "metrics.json", json.dumps(summary, indent=1) + "\n")
    atomic_write_text(out / "table.txt", text + "\n")
    middle_px = np.pad(motion.size_px / 2, ((0, 0), (0, 1)))[:, None]
    prediction_px = prediction * clips.px_per_unit()[:, None, None] + middle_px
    for name, array in (("X3D.npy", prediction_px), ("X3D_mm.npy", prediction_mm)):
        with atomic_path(out / name) as temporary:
            np.save(temporary, array.astype(np.float32))
    save_predictions(out / "predictions.npz", prediction_mm, motion)
    rows = np.flatnonzero(kept)
    draw_predictions(
        out / "predictions.png",
        prediction_mm[rows],
        motion.select(rows),
        skeleton,
        result.per_frame["mpjpe_mm"][rows],
    )
    return text


def report_text(summary: Mapping[str, Any]) -> str:
    """The final table: per action, the means, then the baselines, and how many times better than each the model is."""
    model = {key: summary[key] for key in COLUMNS}
    rows = {action: values for action, values in sorted(summary["actions"].items())}
    parts = [table(rows, COLUMNS, "action")] if len(rows) > 1 else []
    lifters = {
        "this model": model,
        "this model, mean over actions": summary["action_mean"],
        **summary["baselines"],
    }
    parts.append(table(lifters, COLUMNS, "all frames"))
    if "fingers_mm" in summary:
        parts.append(finger_table(summary))
    ratios = [
        f"{values['mpjpe_mm'] / model['mpjpe_mm']:.2f} x {name}"
        for name, values in summary["baselines"].items()
    ]
    if ratios:
        parts.append("MPJPE of the baselines over this model's: " + ", ".join(ratios))
    measured = summary.get("mpjpe_measured_joints_mm")
    if measured is not None:
        parts.append(f"MPJPE without joints that the data derives from others: {measured:.1f} mm")
    parts.append(
        f"{summary['frames']} frames ({summary['frames_left_out']} left out); "
        f"PCK {summary['pck']:.3f}, AUC {summary['auc']:.3f}, limb lengths {summary['limb_length_error_mm']:.1f} mm, "
        f"velocity {_mm(summary['mpjve_mm'])}, acceleration {_mm(summary['acceleration_error_mm'])} a frame step"
    )
    return "\n\n".join(parts)


def finger_table(summary: Mapping[str, Any]) -> str:
    """MPJPE of each finger, this model beside the baselines."""
    lifters = {"this model": summary, **summary["baselines"]}
    rows = {
        finger: {name: measures["fingers_mm"][finger] for name, measures in lifters.items()}
        for finger in summary["fingers_mm"]
    }
    return table(rows, {name: name for name in lifters}, "MPJPE mm")


def _mm(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} mm"
