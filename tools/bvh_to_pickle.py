"""Motion capture in BVH files -> a data pickle in MotionBERT's layout, seen by drawn cameras, on drawn bodies.

    python tools/bvh_to_pickle.py --bvh FOLDER --out data/motion3d/cmu.pkl --split configs/splits/cmu.yaml \
        --mapping configs/bvh/cmu_h36m17.yaml --joint_format H36M-17 --fps 60 --bodies 4 --cameras 4 --seed 0

What the file holds, and what is measured on it, is told in docs/real_motion.md.
"""

from __future__ import annotations

import argparse
import csv
import pickle
import re
import sys
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.data.bvh import BvhMapping, load_bvh_mapping, read_bvh
from lib.errors import UserError
from lib.files import atomic_path
from lib.geometry import flip_pose
from lib.skeleton import Skeleton, conversion, load_skeleton


@dataclass(frozen=True)
class Clip:
    """One file, what it shows, and where it goes."""

    path: Path
    subject: str
    action: str
    split: str


def find_clips(folder: Path, split_file: Path) -> list[Clip]:
    """Every BVH file of the folder with its subject's split; files of no split raise ``UserError``.

    Actions come from the column ``description`` of an ``INDEX.tsv`` beside the files, else from the file's name.
    """
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() == ".bvh")
    if not paths:
        raise UserError(f"{folder}: no .bvh file there")
    pattern, split_of, rest = read_split(split_file)
    actions = {}
    if (folder / "INDEX.tsv").exists():
        with (folder / "INDEX.tsv").open(encoding="utf-8", newline="") as file:
            actions = {row.get("id"): row.get("description") for row in csv.DictReader(file, delimiter="\t")}
    clips = []
    for path in paths:
        found = pattern.search(path.stem)
        if not found:
            raise UserError(f"{split_file}: the pattern '{pattern.pattern}' finds no subject in {path.name}")
        subject = found.group(1)
        split = split_of.get(subject, rest)
        if split is None:
            raise UserError(f"{split_file}: subject '{subject}' ({path.name}) is in no split, and none takes the rest")
        clips.append(Clip(path, subject, actions.get(path.stem) or path.stem, split))
    return clips


def read_split(path: Path) -> tuple[re.Pattern[str], dict[str, str], str | None]:
    """The pattern that finds a subject in a file's name, the split of each subject, and the split of all others."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        pattern, splits = re.compile(raw["subject"]), dict(raw["splits"])
    except (OSError, yaml.YAMLError, re.error, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: a split file has 'subject' (a pattern) and 'splits': {error}") from error
    if pattern.groups != 1:
        raise UserError(f"{path}: the pattern '{raw['subject']}' needs one group (...), the subject")
    split_of: dict[str, str] = {}
    rest = None
    for split, subjects in splits.items():
        if subjects == "rest":
            if rest:
                raise UserError(f"{path}: both {rest} and {split} take the rest")
            rest = split
            continue
        for subject in subjects:
            if not isinstance(subject, str):  # 02 would be read as the number 2
                raise UserError(f"{path}: subject {subject} of {split} must stand in quotes")
            if subject in split_of:
                raise UserError(f"{path}: subject {subject} is in {split_of[subject]} and in {split}")
            split_of[subject] = split
    return pattern, split_of, rest
