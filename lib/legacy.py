"""MotionBERT's and its fork's keys and flags in our terms: the only place that knows them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from lib.errors import UserError
from lib.hands import hands_of
from lib.shipped import weights_file
from lib.skeleton import load_skeleton

# Weights of losses. What the angle keys mean depends on the file: see ANGLE_LOSSES.
LOSS_KEYS = {
    "lambda_3d": "mpjpe",
    "loss_3d": "mpjpe",
    "lambda_scale": "n_mpjpe",
    "lambda_3d_velocity": "velocity",
    "lambda_3dv": "velocity",
    "lambda_lv": "limb_var",
    "lambda_lg": "limb_gt",
    "lambda_pose": "pose",
    "loss_pose": "pose",
    "lambda_shape": "shape",
    "loss_shape": "shape",
    "lambda_norm": "norm",
}
# MotionBERT compares angles (L1); the fork, whose files name a joint_format, replaced that by 1 - cosine.
ANGLE_LOSSES = {"lambda_a": ("angle", "angle_cos"), "lambda_av": ("angle_velocity", "angle_velocity_cos")}
RENAMED_KEYS = {"scale_range_pretrain": "scale_range"}
# Sets of a mesh config, in the order in which the old code trains on them in an epoch: key of the file, name,
# reader, key of the epochs, and sizes of images, which the old code takes to be these for all.
MESH_SETS: tuple[tuple[str, str, str, str | None, dict[str, Any]], ...] = (
    ("dt_file_VEHS7M", "VEHS7M", "vehs", "warmup_h36m", {}),
    ("dt_file_VEHS7M37", "VEHS7M37", "vehs", "warmup_h36m", {}),
    ("dt_file_h36m", "h36m", "h36m", "warmup_h36m", {}),
    (
        "dt_file_coco",
        "coco",
        "pickle",
        "warmup_coco",
        {"images": True, "evaluate": False, "res_w": 640, "res_h": 640},
    ),
    ("dt_file_pw3d", "pw3d", "pickle", None, {"train": False, "res_w": 1920, "res_h": 1920}),
)
MESH_SET_KEYS = (*(key for key, *_ in MESH_SETS), "warmup_h36m", "warmup_coco", "train_pw3d")
JOINTS_OF_A_HAND = 21
# Keys that the old code reads nowhere.
DROPPED_KEYS = ("dataset", "dropout_loc")

TOLD_KEYS = ("joint_format", "reader")  # told from the other keys where they are absent or null
KNOWN_KEYS = (*LOSS_KEYS, *ANGLE_LOSSES, *RENAMED_KEYS, *MESH_SET_KEYS)

NO_SIZE = "res_w and res_h are not given, and vehs needs them; the fork took 1920, 1200"
DEFAULT_SELECTION = "latest_epoch.bin"

ACTION_KEYS = ("model_version", "action_classes", "data_split", "random_move", "dropout_ratio", "temp")
OTHER_BACKBONES = ("tcn", "poseformer", "mixste", "stgcn")

# Recordings of Human3.6M whose labels are wrong; MotionBERT leaves them out of every evaluation.
H36M_FAULTY_SOURCES = ("s_09_act_05_subact_02", "s_09_act_10_subact_02", "s_09_act_13_subact_01")


class NotBuiltError(UserError):
    """A key asks for something that this project does not have."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def old_names(key: str) -> list[str]:
    """Old keys that may stand behind one of ours (``losses.velocity``)."""
    names = [old for old, new in RENAMED_KEYS.items() if new == key]
    names += [old for old, loss in LOSS_KEYS.items() if key == f"losses.{loss}"]
    return names + [old for old, pair in ANGLE_LOSSES.items() if key.removeprefix("losses.") in pair]


def is_old(raw: Mapping[str, Any]) -> bool:
    """Whether a config is MotionBERT's or the fork's, by its keys: those carry keys that nothing reads."""
    return raw.get("reader") is None or any(key in raw for key in (*KNOWN_KEYS, *DROPPED_KEYS))


def loss_names(raw: Mapping[str, Any]) -> dict[str, str]:
    """Our name of the loss for each old key of a weight that a config has."""
    cosine = raw.get("joint_format") is not None
    names = LOSS_KEYS | {key: pair[cosine] for key, pair in ANGLE_LOSSES.items()}
    return {key: names[key] for key in raw if key in names}


def translate(raw: Mapping[str, Any], task: str = "pose3d") -> tuple[dict[str, Any], list[str]]:
    """Keys of a config in our terms, and a note on each assumption; keys of ours pass unchanged.

    A joint format or reader that cannot be told stays absent. Raises ``NotBuiltError`` for what is not built.
    """
    _refuse_what_is_not_built(raw)
    notes: list[str] = []
    new = {RENAMED_KEYS.get(key, key): value for key, value in raw.items()}
    new = {key: value for key, value in new.items() if value is not None or key not in TOLD_KEYS}
    for key in [key for key in DROPPED_KEYS if key in new]:
        notes.append(f"{key}: {new.pop(key)} has no effect, here as in MotionBERT")
    if str(new.get("backbone")).lower() == "dstformer_coreml":
        new["backbone"] = "DSTformer"
        notes.append("backbone: DSTformer_coreml has the weights of DSTformer, which is taken")
    has_old_losses = _translate_losses(new, notes)
    if has_old_losses and "joint_format" in new and "root_idx" not in new and "root" not in new:
        notes.append(f"root_idx is not given: the root of the joint format {new['joint_format']} is taken")
    if "joint_format" not in new and new.get("num_joints") == 17:
        new["joint_format"] = "H36M-17"
        new.setdefault("root_idx", 0)
        notes.append("joint_format is not given: 17 joints are taken for H36M-17, root 0")
    if task == "hand" and is_old(raw):
        _translate_hands(new, notes)
    if task != "mesh" and "reader" not in new:
        _tell_reader(new, notes)
    if task == "mesh" and "sets" not in new:
        _translate_mesh_sets(new, notes)
    return new, notes


def _refuse_what_is_not_built(raw: Mapping[str, Any]) -> None:
    action = [key for key in raw if key in ACTION_KEYS]
    if action:
        raise NotBuiltError(action[0], f"action recognition is not built (keys {', '.join(action)})")
    backbone = str(raw.get("backbone", "")).replace("-", "").lower()
    if backbone in OTHER_BACKBONES:
        raise NotBuiltError("backbone", f"the backbone {raw['backbone']} is not built; there is DSTformer")


def _translate_losses(new: dict[str, Any], notes: list[str]) -> bool:
    """Turn the old weights into a block ``losses``; False if there are none."""
    cosine = "joint_format" in new
    old = {loss: new.pop(key) for key, loss in loss_names(new).items()}
    if not old:
        return False
    own = new.get("losses")
    weights = {"mpjpe": 1.0} | old | (own if isinstance(own, dict) else {})
    new["losses"] = {name: weight for name, weight in weights.items() if weight != 0}
    if isinstance(new.get("flip"), bool):
        new.setdefault("eval_flip", new["flip"])  # one key does both there
    used = [key for key, pair in ANGLE_LOSSES.items() if cosine and pair[1] in new["losses"]]
    if used:
        notes.append(f"{', '.join(used)} beside a joint_format: 1 - cosine as in the fork, not upstream's L1")
    return True


def _translate_hands(new: dict[str, Any], notes: list[str]) -> None:
    """Undo what the fork's files of hands say and cannot mean: a mirrored hand, the joints of another format."""
    try:
        skeleton = load_skeleton(str(new.get("joint_format")))
    except UserError:
        return
    if len(hands_of(skeleton)) == 1 and new.get("flip") is True:
        new["flip"] = new["eval_flip"] = False
        notes.append(
            f"flip: True is taken for False: {skeleton.name} has one hand, and a mirrored right hand is a left hand"
        )
    if len(hands_of(skeleton)) == 2 and new.get("num_joints") == JOINTS_OF_A_HAND:
        new["num_joints"] = skeleton.num_joints
        notes.append(
            f"num_joints: {JOINTS_OF_A_HAND} are those of one hand; the {skeleton.num_joints} of {skeleton.name} "
            "are taken"
        )


def _translate_mesh_sets(new: dict[str, Any], notes: list[str]) -> None:
    """Turn the old keys of files and of warm-up into ``sets``."""
    old = {key: new.pop(key) for key in MESH_SET_KEYS if key in new}
    sets = []
    for key, name, reader, epochs, more in MESH_SETS:
        if not isinstance(file := old.get(key), str):
            continue
        if reader == "h36m" and "vehs" in file.lower():
            reader = "vehs"
            notes.append(f"{key}: the reader vehs is taken, for the file is named so ({file})")
        entry = {"name": name, "reader": reader, "file": _in_root(file, str(new.get("data_root", "")))} | more
        if epochs and old.get(epochs) is not None:
            entry["until_epoch"] = old[epochs]
        if key == "dt_file_pw3d" and old.get("train_pw3d"):
            entry["train"] = True
        sets.append(entry)
    if not sets:
        return
    new["sets"] = sets
    told = ", ".join(f"{entry['name']} ({entry['reader']})" for entry in sets)
    notes.append(f"sets is not given: {told}, by MotionBERT's keys of files")
    last = [entry.get("until_epoch") for entry in sets if entry.get("train", True)]
    epochs = new.get("epochs")
    if isinstance(epochs, int) and last and all(isinstance(stop, int) and stop < epochs for stop in last):
        new["epochs"] = max(last)
        notes.append(f"epochs: {epochs}, but no set is trained on from epoch {max(last)} on: it ends there")
    if any(entry["reader"] == "vehs" for entry in sets):
        new.setdefault("eval_split", "validate")
        notes.append(f"evaluated on the split {new['eval_split']} (--test_set_keyword)")
        if "res_w" not in new:
            notes.append(NO_SIZE)


def _in_root(file: str, root: str) -> str:
    """``/folder/x.pkl`` beside a data_root ``/other/...`` is meant within it, not at the top of the disk."""
    parts, root_parts = PurePosixPath(file).parts, PurePosixPath(root).parts
    within = len(parts) > 2 and len(root_parts) > 1 and parts[0] == root_parts[0] == "/"
    return file.lstrip("/") if within and parts[1] != root_parts[1] else file


def _tell_reader(new: dict[str, Any], notes: list[str]) -> None:
    """Choose the reader by the keys that only one of them needs; leave it absent where several would fit.

    Names of files only decide between the two readers of pickles of 17 joints, each of which refuses the
    other's data (cameras that it does not know; no resolution).
    """
    if new.get("worker") is not None and "dt_file" not in new:
        reader, why = "worker", "there is a block 'worker'"
    elif "dt_file" not in new:
        if "subset_list" not in new or "data_root" not in new:
            return
        reader, why = "clips", "there are data_root and subset_list, but no dt_file"
    elif "res_w" in new or "res_h" in new:
        reader, why = "vehs", "the resolution is given"
    elif new.get("num_joints", 17) != 17:
        reader, why = "vehs", f"there are {new['num_joints']} joints"
    else:
        names = str([new.get(key) for key in ("dt_file", "subset_list", "data_root")]).lower()
        if ("h36m" in names) == ("vehs" in names):
            return
        reader = "h36m" if "h36m" in names else "vehs"
        why = f"there are 17 joints, no resolution, and the files are named so ({new['dt_file']})"
    new["reader"] = reader
    notes.append(f"reader is not given: {reader}, because {why}")
    if reader == "h36m" and "subset_list" in new:
        new.setdefault("train_reader", "clips")
        notes[-1] += "; trained on the clip folders of data_root"
    if reader == "vehs":
        new.setdefault("eval_split", "validate")
        notes[-1] += f"; evaluated on the split {new['eval_split']} (--test_set_keyword)"
        if "res_w" not in new:
            notes.append(NO_SIZE)
    _place_pickle(new, reader)


def _place_pickle(new: dict[str, Any], reader: str) -> None:
    """Folder of ``dt_file`` as the old scripts made it from ``data_root``."""
    root, file = new.get("data_root"), new.get("dt_file")
    if not isinstance(root, str) or not isinstance(file, str) or "dt_root" in new:
        return
    # the fork cuts at the last two slashes, so that a closing slash makes a difference there
    above, fork = str(PurePosixPath(root).parent), "/".join(root.split("/")[:-2]) or "."
    new["dt_root"] = above if reader == "h36m" else fork
    # "/RTM2D/x.pkl" beside ".../RTM2D/" is meant within it, not at the top of the disk
    parts = PurePosixPath(file).parts
    if len(parts) > 2 and parts[:2] == ("/", PurePosixPath(root).name):
        new["dt_file"] = file.lstrip("/")


def add_legacy_flags(parser: argparse.ArgumentParser) -> None:
    """Flags that MotionBERT's and the fork's job scripts carry beside ``--config``, and their short forms."""
    add = parser.add_argument
    add("-c", "--checkpoint", default="checkpoint", metavar="FOLDER", help="folder of the run [%(default)s]")
    add("-p", "--pretrained", default="", metavar="PATH", help="file, folder or shipped model to start from")
    add("-ms", "--selection", default=DEFAULT_SELECTION, metavar="FILE", help="file there [%(default)s]")
    add("--discard_last_layer", action="store_true", help="those weights are of another joint format")
    add("-r", "--resume", default="", metavar="FILE", help="continue from this checkpoint, or 'auto'")
    add("-e", "--evaluate", default="", metavar="FILE", help="evaluate this checkpoint instead of training")
    add("-o", "--out_path", default="", metavar="FOLDER", help="where an evaluation is written")
    add("--test_set_keyword", choices=["test", "validate"], help="split to evaluate on [the config's]")
    add("-sd", "--seed", type=int, help="seed of everything random [the config's]")
    add("-freq", "--print_freq", type=int, metavar="STEPS", help="log the losses every so many steps")
    add("--res_w", type=int, metavar="PX", help="width of the images [the config's]")
    add("--res_h", type=int, metavar="PX", help="height of the images [the config's]")
    add("--fps", type=float, help="frames per second of the data [the config's]")
    add("--save_trace", action="store_true", help="has no effect")
    add("--wandb_project", metavar="NAME", help="log to Weights & Biases too, if it is installed")
    add("--wandb_name", metavar="NAME", help="name of the run there")
    add("--wandb_mode", choices=["online", "offline", "disabled"], help="how it runs")
    add("--note", default="", metavar="TEXT", help="a note on the run")


def flag_overrides(arguments: argparse.Namespace, task: str = "pose3d") -> list[str]:
    """Flags that are keys of the task's config, as texts for ``load_config``; ``--set`` comes last and wins."""
    keys = {
        "seed": "seed",
        "eval_split": "test_set_keyword",
        **({"test_split": "test_set_keyword"} if task != "mesh" else {}),
        "log_every_steps": "print_freq",
        "res_w": "res_w",
        "res_h": "res_h",
        "fps": "fps",
        "pretrained": "pretrained",
    }
    given = {key: getattr(arguments, flag, None) for key, flag in keys.items()}
    texts = [f"{key}={json.dumps(value)}" for key, value in given.items() if value not in (None, "")]
    return texts + list(getattr(arguments, "set", None) or [])


def wandb_options(arguments: argparse.Namespace, config: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the flags ask of Weights & Biases; None without ``--wandb_project``."""
    if not arguments.wandb_project:
        return None
    flags = {"project": "wandb_project", "name": "wandb_name", "mode": "wandb_mode", "notes": "note"}
    return {key: getattr(arguments, flag) for key, flag in flags.items()} | {"config": dict(config)}


def pretrained_file(arguments: argparse.Namespace, config: Mapping[str, Any]) -> Path:
    """File, ``--selection`` in a folder, or shipped model to start from. Raises ``UserError`` if none is named."""
    if not config["pretrained"]:
        raise UserError(
            "finetune is set: name the checkpoint to start from with --pretrained or the key pretrained"
        )
    path = Path(config["pretrained"])
    return path / arguments.selection if path.is_dir() else weights_file(path)


def flag_notes(arguments: argparse.Namespace, config: Mapping[str, Any] | None = None) -> list[str]:
    """One line for each given flag that does nothing here, beside these keys of a config."""
    notes = []
    pretrained = getattr(arguments, "pretrained", "") or (config or {}).get("pretrained")
    if getattr(arguments, "save_trace", False):
        notes.append("--save_trace has no effect: no traced model is written")
    if not getattr(arguments, "wandb_project", None):
        given = [flag for flag in ("wandb_name", "wandb_mode", "note") if getattr(arguments, flag, None)]
        notes += [f"--{flag} has no effect without --wandb_project" for flag in given]
    if getattr(arguments, "discard_last_layer", False) and not pretrained:
        notes.append("--discard_last_layer has no effect without --pretrained")
    selection = getattr(arguments, "selection", DEFAULT_SELECTION)
    if selection != DEFAULT_SELECTION and not (pretrained and Path(pretrained).is_dir()):
        notes.append(f"--selection {selection} has no effect: --pretrained names no folder that is there")
    return notes
