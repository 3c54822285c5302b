#!/usr/bin/env python
"""Compare poses of any number of models, in any joint formats, with the truth: angles, joints, tasks; docs/compare.md.

python tools/compare.py configs/pose3d/compare_rtm.yaml small=runs/a/predictions.npz large=runs/b/predictions.npz
python tools/compare.py mocap.pkl --joint_format truth=RTM-66 video=out/X3D_world.npz \\
    --source video=lift_03 --camera video=left -o runs/comparison

TRUTH and RESULT are predictions.npz of train.py, train_mesh.py or tools/predict.py, X3D_world.npz of infer_wild.py,
a data pickle, or the YAML of a config; a name may stand before each. Without one a result is called as its file says,
or as its folder; where two are called the same, with the folder above that differs.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.angles import CONVENTIONS
from lib.comparison.alignment import align
from lib.comparison.compare import compare, comparison_rows
from lib.comparison.files import load_labels, load_result
from lib.comparison.page import write_comparison_page
from lib.comparison.sspp import sspp_rows, sspp_table
from lib.comparison.tables import aligned_text, comparison_text, write_rows
from lib.comparison.truth import LABELS, build_truth
from lib.config import load_config
from lib.errors import UserError, did_you_mean, run_script
from lib.files import atomic_write_text
from lib.pose_result import PoseResult, renamed
from lib.skeleton import load_skeleton
from lib.wild.hand_formats import load_union

TRUTH = "truth"
SSPP_LINES = 30  # in the terminal; an export has hundreds of columns
PER_RESULT = ("joint_format", "fps", "source", "camera", "up")  # flags that are given for each result


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("truth", metavar="TRUTH", help="what the others are measured by")
    add("results", metavar="[NAME=]RESULT", nargs="+")
    add("-o", "--out_path", default="comparison", metavar="FOLDER", help="where it is written [%(default)s]")
    add("--split", default="test", help="split of pickles and configs [%(default)s]")
    add(
        "--labels",
        choices=LABELS,
        default="true",
        help="a config's truth: the pose, or as lifters learn it [true]",
    )
    add("--convention", choices=CONVENTIONS, default="paper", help="of the shoulder angles [%(default)s]")
    add("--allow_missing", action="store_true", help="compare the frames that all have, and say their share")
    add("--own_axes", action="append", default=[], metavar="NAME", help="its camera is not the truth's")
    several = {"action": "append", "default": []}
    add(
        "--joint_format",
        **several,
        metavar="[NAME=]FORMAT",
        help="of a pickle, or the YAML of your own format",
    )
    add("--fps", **several, metavar="[NAME=]NUMBER", help="frames a second, where the file does not tell")
    add(
        "--source", **several, metavar="NAME=SOURCE", help="the truth's name of the one recording of a result"
    )
    add("--camera", **several, metavar="NAME=CAMERA", help="the truth's name of its camera")
    add(
        "--up",
        **several,
        metavar="[NAME=]X,Y,Z",
        help="which way is up, or .npy (frames, 3): 0,-1,0 for a level camera",
    )
    add(
        "--sspp",
        **several,
        metavar="NAME=FILE",
        help="3DSSPP export of a result; truth=FILE is compared with",
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    arguments = parse_arguments(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    exports = named_values("sspp", arguments.sspp)
    flags = {key: named_values(key, getattr(arguments, key)) for key in PER_RESULT}
    truth = read_result(arguments.truth, TRUTH, arguments, flags)
    results = [read_result(text, "", arguments, flags) for text in arguments.results]
    names = [result.name for result in (truth, *results)]
    names = told_apart(names, [f"{truth.name}={TRUTH}", *arguments.results])[1:]
    results = [
        result if result.name == name else read_result(text, name, arguments, flags)
        for result, name, text in zip(results, names, arguments.results, strict=True)
    ]
    check_names(
        flags | {"sspp": exports, "own_axes": dict.fromkeys(arguments.own_axes, "")}, [truth, *results]
    )
    comparison = compare(
        align(truth, results, allow_missing=arguments.allow_missing), convention=arguments.convention
    )
    rows = comparison_rows(comparison)
    text = comparison_text(comparison, rows)
    more = {}
    if exports:
        formats = {result.name: result.skeleton.name for result in (truth, *results)}
        rows += sspp_rows(exports, truth.name, formats)
        more["3DSSPP"] = sspp_table(rows)
        text += f"\n\n{aligned_text(more['3DSSPP'][: SSPP_LINES + 1])}\n({len(more['3DSSPP']) - 1} lines on the page)"
    out = Path(arguments.out_path)
    write_rows(out / "comparison.csv", rows)
    atomic_write_text(out / "comparison.txt", text + "\n")
    title = f"{', '.join(result.name for result in results)} against {truth.name}"
    write_comparison_page(out, comparison, rows, title=title, more=more)
    print(f"{text}\n\nwritten to {out}: comparison.html, comparison.csv, comparison.txt, figures")
    return 0


def named_values(flag: str, texts: Sequence[str]) -> dict[str, str]:
    """Values of a flag that may stand several times, as NAME=VALUE, or as VALUE for everybody (name "")."""
    found: dict[str, str] = {}
    for name, value in map(split_name, texts):
        if name in found:
            whom = name or "everybody"
            raise UserError(f"--{flag} is given twice for {whom}: {found[name]} and {value}; give it once")
        found[name] = value
    return found


def split_name(text: str) -> tuple[str, str]:
    """Name and value of NAME=VALUE; a path that is there, or has a folder before the sign, holds no name."""
    name, sign, value = text.partition("=")
    return (name, value) if sign and "/" not in name and not Path(text).exists() else ("", text)


def told_apart(names: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Names of results, of which those that stand twice and were not given begin with a folder that differs.

    texts are [NAME=]PATH as given. Files of one folder end in the file's name; what is the same file stays as it is.
    """
    found = list(names)
    for name in {name for name in names if names.count(name) > 1}:
        mine = [at for at, other in enumerate(names) if other == name and not split_name(texts[at])[0]]
        paths = [Path(texts[at]).resolve() for at in mine]
        folders = [[part for part in path.parent.parts if part != name] for path in paths]
        deepest = max(map(len, folders), default=0)
        ways = [["-".join([*parts[-count:], name]) for parts in folders] for count in range(1, deepest + 1)]
        ways.append([f"{name}-{path.stem}" for path in paths])
        for way in ways:
            if len({*way, *found}) == len(way) + len(set(found)):
                for at, new in zip(mine, way, strict=True):
                    found[at] = new
                break
    return found


def check_names(flags: dict[str, dict[str, str]], everybody: Sequence[PoseResult]) -> None:
    """Raise ``UserError`` for a flag that names somebody who is not there."""
    names = [result.name for result in everybody]
    for flag, values in flags.items():
        for name in values:
            if name and name not in names:
                raise UserError(
                    f"--{flag} {name}: no result has that name{did_you_mean(name, names)}; there are {', '.join(names)}"
                )


def read_result(
    text: str, name: str, arguments: argparse.Namespace, flags: dict[str, dict[str, str]]
) -> PoseResult:
    """A result of any kind, told by the end of its file's name, with what the flags say of it."""
    given, path = split_name(text)
    reader = READERS.get(Path(path).suffix.lower())
    if reader is None:
        raise UserError(f"{path}: cannot tell what this is; allowed: files that end in {', '.join(READERS)}")
    joint_format = flags["joint_format"].get(given or name, flags["joint_format"].get(""))
    result = reader(path, given or name, joint_format, arguments)
    stated = flags["joint_format"].get(result.name)
    if stated is not None and load_skeleton(stated).joints != result.skeleton.joints:
        raise UserError(
            f"--joint_format {result.name}={stated}: {path} says itself that it holds {result.skeleton.name}; "
            "leave the flag out"
        )
    of_result = {key: values.get(result.name, values.get("")) for key, values in flags.items()}
    if of_result["fps"] is not None:
        result = replace(result, fps=number(of_result["fps"]))
    if of_result["up"] is not None:
        result = replace(result, up=direction(of_result["up"]))
    if result.name in arguments.own_axes:
        result = replace(result, axes="other", up=None)
    return renamed(result, source=of_result["source"], camera=of_result["camera"])


def number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UserError(f"--fps {text}: is no number of frames a second") from None


def direction(text: str) -> np.ndarray:
    """Up direction (3,), or (F,3) from a file."""
    try:
        values = (
            np.load(text, allow_pickle=False) if text.endswith(".npy") else np.array(text.split(","), float)
        )
    except (OSError, ValueError) as error:
        raise UserError(
            f"--up {text}: must be three numbers such as 0,-1,0, or a .npy file ({error})"
        ) from None
    if values.shape[-1:] != (3,) or values.ndim > 2:
        raise UserError(
            f"--up {text}: has shape {values.shape}, must be three numbers, or three for each frame"
        )
    length = np.linalg.norm(values, axis=-1)
    if not (np.isfinite(length) & (length > 0)).all():
        raise UserError(f"--up {text}: is no direction; must be finite and not 0,0,0 (in every frame)")
    return values


def read_npz(path: str, name: str, joint_format: str | None, arguments: argparse.Namespace) -> PoseResult:
    own = joint_format is not None and joint_format.lower().endswith((".yaml", ".yml"))
    return load_result(path, name, load_skeleton(joint_format) if own else None, load_union)


def read_pickle(path: str, name: str, joint_format: str | None, arguments: argparse.Namespace) -> PoseResult:
    if joint_format is None:
        raise UserError(f"{path} does not say its joint format: give --joint_format {name or 'NAME'}=FORMAT")
    return load_labels(path, arguments.split, load_skeleton(joint_format), name)


def read_config(path: str, name: str, joint_format: str | None, arguments: argparse.Namespace) -> PoseResult:
    config = load_config(path)
    skeleton = load_skeleton(config.joint_format).with_root(*config.root)
    labels = arguments.labels if name == TRUTH else "2.5d"
    return build_truth(config, skeleton, arguments.split, labels=labels, name=name or Path(path).stem)


READERS: dict[str, Callable[[str, str, str | None, argparse.Namespace], PoseResult]] = {
    ".npz": read_npz,
    ".pkl": read_pickle,
    ".yaml": read_config,
    ".yml": read_config,
}

if __name__ == "__main__":
    run_script(main)
