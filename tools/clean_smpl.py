#!/usr/bin/env python
"""Turn official SMPL pickles into plain npz files once: they load faster and need no care with pickles.

    python tools/clean_smpl.py data/mesh/basicModel_neutral_lbs_10_207_0_v1.0.0.pkl data/mesh/SMPL_MALE.pkl

Each npz lies beside its pickle under the same name, or in the folder given with --out.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.body import BodyModel
from lib.errors import UserError
from lib.files import atomic_path
from lib.smpl_files import read_smpl


def clean(source: Path, target: Path) -> BodyModel:
    """Write the arrays of a body model to ``target`` and give the body; ``UserError`` if they are none."""
    arrays = read_smpl(source)
    body = BodyModel(arrays, name=source.stem)
    with atomic_path(target) as temporary:
        np.savez_compressed(temporary, **arrays)
    return body


def main(argv: list[str] | None = None) -> int:
    """Convert as the command line says; a user's mistake is one line and exit code 2."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="PKL", help="official body models")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where the npz files go")
    arguments = parser.parse_args(argv)
    try:
        for source in arguments.files:
            target = (arguments.out or source.parent) / f"{source.stem}.npz"
            if target.exists() and target.samefile(source):
                raise UserError(f"{source} is a npz file already")
            body = clean(source, target)
            print(f"{target}: {body.kind}, {body.num_vertices} vertices, {body.num_joints} joints")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
