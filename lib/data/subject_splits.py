"""Motion files of a folder, sorted into splits by whole subjects (configs/splits/*.yaml)."""

from __future__ import annotations

import csv
import logging
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from lib.errors import UserError, did_you_mean

logger = logging.getLogger(__name__)

SPLITS = ("train", "validate", "test")


@dataclass(frozen=True)
class Clip:
    """One file, what it shows, and where it goes."""

    path: Path
    subject: str
    action: str
    split: str


def read_split(path: Path) -> tuple[re.Pattern[str], dict[str, str], str | None]:
    """Pattern that finds the subject in a file's name, the split of each subject, the split of all others."""
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
        if split not in SPLITS:
            hint = did_you_mean(str(split), SPLITS)
            raise UserError(f"{path}: split '{split}'{hint}; allowed: {', '.join(SPLITS)}")
        if subjects == "rest" and rest is None:
            rest = split
            continue
        if not isinstance(subjects, list):
            raise UserError(f"{path}: {split} must be a list of subjects, or 'rest' in one of the splits")
        for subject in subjects:
            if not isinstance(subject, str):  # 02 would be read as the number 2
                raise UserError(f"{path}: subject {subject} of {split} must stand in quotes")
            if subject in split_of:
                raise UserError(f"{path}: subject {subject} is in {split_of[subject]} and in {split}")
            split_of[subject] = split
    return pattern, split_of, rest


def find_clips(folder: Path, split_file: Path, suffix: str) -> list[Clip]:
    """Every file of the folder with its subject's split; a file of no split raises ``UserError``.

    Actions come from the columns ``id`` and ``description`` of an ``INDEX.tsv`` beside the files, else from
    the files' names. A subject of the split file without a file is a warning: it may be a slip of the pen.
    """
    paths = sorted(folder.glob(f"*{suffix}"))
    if not paths:
        raise UserError(f"{folder}: no {suffix} file there")
    pattern, split_of, rest = read_split(split_file)
    actions: dict[str | None, str | None] = {}
    if (index := folder / "INDEX.tsv").exists():
        with index.open(encoding="utf-8", newline="") as file:
            actions = {row.get("id"): row.get("description") for row in csv.DictReader(file, delimiter="\t")}
    clips = []
    for path in paths:
        found = pattern.search(path.stem)
        if not found:
            raise UserError(f"{split_file}: the pattern '{pattern.pattern}' finds no subject in {path.name}")
        split = split_of.get(found[1], rest)
        if split is None:
            raise UserError(
                f"{split_file}: subject '{found[1]}' ({path.name}) is in no split and none takes the rest"
            )
        clips.append(Clip(path, found[1], actions.get(path.stem) or path.stem, split))
    if absent := sorted(set(split_of) - {clip.subject for clip in clips}):
        logger.warning("%s names subjects that have no file in %s: %s", split_file, folder, ", ".join(absent))
    return clips
