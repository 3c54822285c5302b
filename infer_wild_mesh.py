#!/usr/bin/env python
"""MotionBERT's command for meshes: the same as infer_wild.py with the checkpoint as --mesh.

python infer_wild_mesh.py --vid_path clip.mp4 --json_path alphapose-results.json -o out -e CHECKPOINT --config CONFIG
"""

from __future__ import annotations

import argparse
import sys

import infer_wild


def our_flags(argv: list[str]) -> list[str]:
    """MotionBERT's flags in terms of infer_wild.py; those that both have pass unchanged."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-e", "--evaluate", default=None)
    parser.add_argument("--config", default=None)
    parser.add_argument("--ref_3d_motion_path", default=None)
    given, others = parser.parse_known_args(argv)
    if given.ref_3d_motion_path:
        print(
            "--ref_3d_motion_path has no effect: add a lifter's joints with infer_wild.py -e and --mesh",
            file=sys.stderr,
        )
    for flag, value in (("--mesh", given.evaluate), ("--mesh_config", given.config)):
        others += [flag, value] if value else []
    return others


if __name__ == "__main__":
    sys.argv[1:] = our_flags(sys.argv[1:])
    sys.exit(infer_wild.run())
