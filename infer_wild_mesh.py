#!/usr/bin/env python
"""MotionBERT's command for meshes: the same as infer_wild.py with the checkpoint as --mesh.

python infer_wild_mesh.py --vid_path clip.mp4 --json_path alphapose-results.json -o out -e CHECKPOINT --config CONFIG
"""

from __future__ import annotations

import sys

import infer_wild

# MotionBERT's flag -> ours
FLAGS = {"-e": "--mesh", "--evaluate": "--mesh", "--config": "--mesh_config"}

if __name__ == "__main__":
    sys.argv[1:] = [FLAGS.get(argument, argument) for argument in sys.argv[1:]]
    sys.exit(infer_wild.run())
