#!/usr/bin/env python
"""Write the regressor of a joint format on a body mesh: a npy matrix (joints, vertices) whose rows sum to 1.

    python tools/make_regressor.py --joint_format RTM-66 --body data/mesh --out data/mesh/J_regressor_RTM-66.npy

The joints are made from vertex ids and joint-centre rules for SMPL, SMPL-H or SMPL-X, or from the keypoints of
the free body (no --body), and printed with their rules. Public sources place the hip joints differently:

    format   as the joint format says (RTM formats: 2in), or else as the body has it
    2in      50.8 mm inward from the greater trochanter, along the line of the anterior iliac spines (labels of
             VEHS motion capture)
    1in      25.4/380 of the way from one greater trochanter to the other (regressor of the VEHS-7M meshes)
    joint    the hip joint of the body model
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.anatomy import mirrored_rules
from lib.body import load_body
from lib.body_regressor import keypoint_regressor
from lib.errors import UserError
from lib.files import atomic_path
from lib.skeleton import load_skeleton
from lib.smpl_files import GENDERS

_TROCHANTERS = ["left_greater_trochanter", "right_greater_trochanter"]
HIPS = {
    "format": {},
    "2in": {"left_hip": {"from": _TROCHANTERS[0], "along": ["left_asis", "right_asis"], "mm": 50.8}},
    "1in": {"left_hip": {"from": _TROCHANTERS[0], "along": _TROCHANTERS, "share": 25.4 / 380}},
    "joint": {"left_hip": {"joint": "left_hip"}},
}


def main(argv: list[str] | None = None) -> int:
    """Write the matrix as the command line says; a user's mistake is one line and exit code 2."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--joint_format", required=True, metavar="NAME", help="joint format, or a YAML file")
    parser.add_argument(
        "--body", type=Path, metavar="PATH", help="body model or folder of them; free body if left out"
    )
    parser.add_argument("--gender", choices=GENDERS, default="neutral", help="which body of a folder")
    parser.add_argument("--hips", choices=HIPS, default="format", help="where the hip joints lie (see above)")
    parser.add_argument("--out", type=Path, required=True, metavar="NPY", help="file to write")
    arguments = parser.parse_args(argv)
    try:
        if arguments.out.suffix != ".npy":
            raise UserError(f"--out {arguments.out} must end in .npy")
        skeleton = load_skeleton(arguments.joint_format)
        body = load_body(arguments.body, gender=arguments.gender)
        regressor = keypoint_regressor(body, skeleton, rules=mirrored_rules(HIPS[arguments.hips]))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    with atomic_path(arguments.out) as temporary:
        np.save(temporary, regressor.rows)
    for joint, rule in regressor.rules.items():
        print(f"{joint:<24} {rule}")
    print(f"{arguments.out}: {skeleton.name} on {body.name}, {regressor.rows.shape}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
