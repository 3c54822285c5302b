#!/usr/bin/env python
"""Train a lifter of hands as one YAML says, or evaluate a checkpoint of it: train.py with a hand's defaults and checks.

python train_hand.py --config configs/hand/quickstart.yaml --checkpoint runs/hand
python train_hand.py --config configs/hand/quickstart.yaml --evaluate runs/hand/best_epoch.bin --out_path runs/table
torchrun --nproc_per_node 2 train_hand.py --config configs/hand/quickstart.yaml --checkpoint runs/hand
"""

from __future__ import annotations

import train
from lib.errors import run_script


def main(argv: list[str] | None = None) -> int:
    """Train or evaluate a config of hands, docs/add_hand_set.md."""
    return train.main(argv, task="hand", description=__doc__)


if __name__ == "__main__":
    run_script(main)
