#!/usr/bin/env python
"""Cut a config's data into MotionBERT's clip folders: one pickle a clip, FOLDER/SPLIT/00000000.pkl and on.

    python tools/convert_clips.py --config configs/pose3d/h36m_lite.yaml --out data/motion3d/MB3D_f243s81/H36M

Training clips start every data_stride frames, those of other splits every clip_len. This project trains from
the big file directly, and faster; the folders are for other code that reads MotionBERT's layout.
"""

from __future__ import annotations

import argparse
import logging
import pickle
import re
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.config import load_config
from lib.data.build import build_motion
from lib.data.clips import ClipSet
from lib.errors import UserError
from lib.files import atomic_path
from lib.skeleton import load_skeleton


def convert(config: Any, out: Path, splits: list[str]) -> dict[str, int]:
    """Write the clips of these splits; gives their numbers. Clips that were there before are gone.

    Raises ``UserError`` for a folder that holds anything but clips.
    """
    skeleton = load_skeleton(config.joint_format)
    counts = {}
    for split in splits:
        _refuse_other_content(out / split)
        reader = config.train_reader if split == config.train_split else None
        motion = build_motion(config, skeleton, split, reader=reader)
        stride = config.data_stride if split == config.train_split else config.clip_len
        clips = ClipSet(motion, config.clip_len, stride)
        with atomic_path(out / split) as folder:
            folder.mkdir()
            for number in tqdm(range(len(clips)), desc=split, unit="clip"):
                batch = clips.batch([number])
                label = batch["target"][0].numpy() if clips.has_3d else None
                content = {"data_input": batch["input"][0].numpy(), "data_label": label}
                (folder / f"{number:08d}.pkl").write_bytes(pickle.dumps(content, protocol=4))
        counts[split] = len(clips)
    return counts


def _refuse_other_content(folder: Path) -> None:
    if not folder.exists():
        return
    other = [path.name for path in folder.iterdir() if not re.fullmatch(r"\d{8}\.pkl", path.name)]
    if other:
        raise UserError(
            f"{folder} holds {other[0]}, which is no clip; its content would be replaced: give another"
        )


def main(argv: list[str] | None = None) -> int:
    """Convert as the command line says; a user's mistake is one line and exit code 2."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True, help="YAML of the data")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="data_root/subset to write")
    parser.add_argument(
        "--splits", nargs="+", metavar="SPLIT", help="train_split and eval_split if not given"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a config key"
    )
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        config = load_config(arguments.config, arguments.set, task="pose3d")
        splits = arguments.splits or list(dict.fromkeys([config.train_split, config.eval_split]))
        counts = convert(config, arguments.out, splits)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for split, count in counts.items():
        print(f"{arguments.out / split}: {count} clips of {config.clip_len} frames")
    return 0


if __name__ == "__main__":
    sys.exit(main())
