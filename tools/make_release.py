#!/usr/bin/env python
"""Make a shipped model of a checkpoint: weights in half precision, what is needed to use them, and a card.

python tools/make_release.py runs/small/best_epoch.bin --name small --metrics "noisy 2D=runs/small/metrics.json" \\
    --summary "Bodies at work, H36M-17" --data "built-in worker motion, seed 0" --licence Apache-2.0 \\
    --limits "One person; feet on the floor"

Figures of the card come from files named with --metrics (metrics.json of train.py) and from nowhere else.
"""

from __future__ import annotations

import argparse
import datetime
import json
import logging
import re
import string
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib import engine
from lib.checkpoint import load_checkpoint, model_weights
from lib.checkpoint_formats import checkpoint_of_format
from lib.config import dump_config, load_config
from lib.config_formats import format_config
from lib.config_schema import SCHEMAS, PoseModelKeys
from lib.data.build import build_motion
from lib.data.motion import Motion
from lib.errors import UserError, run_script
from lib.files import atomic_path
from lib.hands import hands_of
from lib.shipped import CARD, CONFIG, FOLDER, WEIGHTS
from lib.skeleton import Skeleton, list_skeletons, load_skeleton
from lib.weight_file import save_weight_file, weight_file_header
from lib.wild.lift import load_lifter, predict_frames

TEMPLATE = FOLDER / "card_template.md"
# what a model is fed by, beside the keys of the model itself
FEEDING_KEYS = ("joint_format", "clip_len", "rootrel", "no_conf", "missing", "input_scale")
CONFIG_HEAD = (
    "# What this model is built and fed with. Its reader is that of built-in motion: one must be named.\n"
)
FIGURES = {
    "mpjpe_mm": "MPJPE mm",
    "p_mpjpe_mm": "P-MPJPE mm",
    "n_mpjpe_mm": "N-MPJPE mm",
    "depth_error_mm": "depth error mm",
    "acceleration_error_mm": "acceleration error mm",
    "frames": "frames",
}
TRIAL = {"subjects": 1, "clips": 2, "cameras_per_clip": 2, "seconds": 4.0}


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("checkpoint", metavar="CHECKPOINT", help="of train.py or train_hand.py")
    add("--name", required=True, help="what flags will call it: small letters, digits, - and _")
    add("--config", metavar="FILE", help="its YAML [config.yaml beside the checkpoint]")
    add("--joint_format", metavar="NAME", help="of a run of several formats, the one to ship [the main one]")
    add("--out", default=str(FOLDER), metavar="FOLDER", help="where its folder is made [data/models]")
    add("--summary", required=True, metavar="TEXT", help="first line of the card")
    add("--licence", required=True, metavar="TEXT", help="of the weights")
    add("--data", nargs="+", required=True, metavar="TEXT", help="what it was trained on: a line each")
    add("--limits", nargs="+", required=True, metavar="TEXT", help="what it cannot do: a line each")
    add("--metrics", nargs="+", required=True, metavar="[LABEL=]FILE", help="metrics.json of its evaluations")
    add("--more", metavar="FILE", help="Markdown that follows the figures, such as tables")
    add("--date", default=datetime.date.today().isoformat(), help="of the card [%(default)s]")
    add(
        "--tolerance",
        type=float,
        default=0.1,
        metavar="PERCENT",
        help="most that half precision may move a joint, of the pose's size [%(default)s]",
    )
    add("--force", action="store_true", help="replace a model of that name")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    arguments = parse_arguments(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    folder = Path(arguments.out, arguments.name)
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", arguments.name):
        raise UserError(f"--name {arguments.name}: small letters, digits, - and _ only, such as small")
    if folder.exists() and not arguments.force:
        raise UserError(f"{folder} is there already: choose another --name, or replace it with --force")
    figures = figures_table(arguments.metrics)
    source = Path(arguments.checkpoint)
    of_run = load_config(arguments.config or source.with_name("config.yaml"))
    config = format_config(of_run, arguments.joint_format) if arguments.joint_format else of_run
    checkpoint = load_checkpoint(source)
    if config.task == "mesh" or not checkpoint.get("meta"):
        raise UserError(f"{source}: only models of joints are shipped, with the meta that train.py writes")
    if config.joint_format not in list_skeletons():
        raise UserError(
            f"joint format {config.joint_format}: it must be one of configs/skeletons to be shipped"
        )
    skeleton = load_skeleton(config.joint_format).with_root(*config.root)
    checkpoint = checkpoint_of_format(checkpoint, skeleton.name)
    with atomic_path(folder) as made:
        made.mkdir()
        save_weight_file(made / WEIGHTS, model_weights(checkpoint), checkpoint["meta"])
        text = CONFIG_HEAD + dump_config(feeding_config(config, skeleton))
        (made / CONFIG).write_text(text, encoding="utf-8")
        moved = moved_by_rounding(source, config, made, skeleton)
        if not moved.max() <= arguments.tolerance:
            raise UserError(
                f"half precision moves a joint by up to {moved.max():.3g} % of the pose's size, --tolerance is "
                f"{arguments.tolerance:g} %: nothing was written"
            )
        text = card(arguments, config, of_run, checkpoint, skeleton, figures, moved, made / WEIGHTS)
        (made / CARD).write_text(text, encoding="utf-8")
    print(f"{folder}: half precision moves joints by up to {moved.max():.3f} % of the pose's size")
    return 0


def feeding_config(config: Any, skeleton: Skeleton) -> dict[str, Any]:
    """What is needed to build and feed the model; another joint format may stand in a config on top of it."""
    keys = (*FEEDING_KEYS, *PoseModelKeys.model_fields)
    own_root = skeleton.root != load_skeleton(skeleton.name).root
    root = {"root": list(skeleton.root)} if own_root else {}
    return {"task": config.task, "reader": reader_of(skeleton), **root, **{key: config[key] for key in keys}}


def reader_of(skeleton: Skeleton) -> str:
    """Reader of built-in motion in a joint format."""
    return "worker_hands" if len(hands_of(skeleton)) == 1 else "worker"


def trial_motion(skeleton: Skeleton) -> Motion:
    """A few seconds of built-in motion, seen by a detector."""
    return build_motion({"reader": reader_of(skeleton), "worker": TRIAL}, skeleton, "test")


def moved_by_rounding(source: Path, config: Any, made: Path, skeleton: Skeleton) -> np.ndarray:
    """How far half precision moves each joint (F,J), in % of the largest extent of its pose, on built-in motion."""
    motion = trial_motion(skeleton)
    runtime = engine.start_runtime(device="cpu")
    options = {"skeleton": skeleton, "runtime": runtime, "flip": False}
    before = load_lifter(source, config=config, **options)
    after = load_lifter(made / WEIGHTS, config=load_config(made / CONFIG), **options)
    poses, rounded = predict_frames(before, motion), predict_frames(after, motion)
    extent = np.ptp(poses, axis=1).max(-1)
    return 100 * np.linalg.norm(rounded - poses, axis=-1) / extent[:, None]


def figures_table(given: Sequence[str]) -> str:
    """Markdown table of evaluations and of the baselines beside each."""
    rows = []
    for text in given:
        label, _, file = text.rpartition("=")
        try:
            metrics = json.loads(Path(file).read_text(encoding="utf-8"))
            rows.append((label or f"split {metrics['split']}", metrics))
            rows += [(f"- {name}", values) for name, values in metrics.get("baselines", {}).items()]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"--metrics {file}: no metrics.json of an evaluation ({error!r})") from None
    keys = [key for key in FIGURES if any(key in values for _, values in rows)]
    lines = ["| | " + " | ".join(FIGURES[key] for key in keys) + " |", "|---|" + "---|" * len(keys)]
    lines += [
        f"| {label.replace('_', ' ')} | " + " | ".join(cell(v.get(key)) for key in keys) + " |"
        for label, v in rows
    ]
    return "\n".join(lines)


def cell(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value)


def card(
    arguments: argparse.Namespace,
    config: Any,
    of_run: Any,
    checkpoint: Mapping[str, Any],
    skeleton: Skeleton,
    figures: str,
    moved: np.ndarray,
    weights: Path,
) -> str:
    """Text of the card, from the template; ``of_run`` is the config of the run, which may be of several formats."""
    meta, num_parameters = weight_file_header(weights)
    more = Path(arguments.more).read_text(encoding="utf-8") if arguments.more else ""
    rate = f"trained at {meta['fps']:g} frames/s" if meta.get("fps") else "of any frame rate"
    channels = "x, y" if config.no_conf else "x, y, confidence"
    clip_lens = (
        "1 frame" if config.maxlen == 1 else f"1 to {config.maxlen} frames (trained on {config.clip_len})"
    )
    return string.Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        name=arguments.name,
        summary=arguments.summary,
        joint_format=skeleton.name,
        num_joints=skeleton.num_joints,
        root="the mean of " * (len(skeleton.root) > 1) + ", ".join(skeleton.root),
        takes=f"{clip_lens}, {rate}; {channels}; input_scale: {config.input_scale}",
        gives=f"3D joints relative to {'the root' if config.rootrel else 'the first root, in depth alone'}",
        size=f"{num_parameters / 1e6:.2f} million weights, {weights.stat().st_size / 1e6:.1f} MB",
        licence=arguments.licence,
        date=f"{arguments.date}, of the checkpoint after epoch {checkpoint.get('epoch', 'unknown')}",
        data="\n".join(f"- {line}" for line in arguments.data),
        figures="\n\n".join(filter(None, [figures, more.strip()])),
        limits="\n".join(f"- {line}" for line in arguments.limits),
        precision=(
            f"Beside the weights in single precision, on {len(moved)} frames of built-in motion: no joint moves by "
            f"more than {moved.max():.3f} % of the largest extent of its pose, on average by {moved.mean():.4f} %."
        ),
        config=dump_config(training_keys(of_run)).rstrip(),
    )


def training_keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of a config that differ from the defaults; of paths the last name alone."""
    fields = SCHEMAS[config["task"]].model_fields

    def default(key: str) -> Any:
        value = None if fields[key].is_required() else fields[key].get_default()
        return value.model_dump() if hasattr(value, "model_dump") else value

    kept = {key: value for key, value in config.items() if value is not None and value != default(key)}
    return without_folders(kept)


def without_folders(value: Any) -> Any:
    """The same with the last name alone of every path."""
    if isinstance(value, Mapping):
        return {key: without_folders(part) for key, part in value.items()}
    if isinstance(value, list):
        return [without_folders(part) for part in value]
    return PurePath(value).name if isinstance(value, str) else value


if __name__ == "__main__":
    run_script(main)
