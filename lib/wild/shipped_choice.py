"""Which shipped model lifts, where the flags name no checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from lib.errors import UserError
from lib.shipped import NONE_YET, choose_model, list_models
from lib.skeleton import Skeleton, load_skeleton
from lib.wild.detectors import DETECTORS, build_detector, closing_detector
from lib.wild.hand_formats import bare_hand
from lib.wild.hand_stage import DETECTOR as HAND_DETECTOR
from lib.wild.keypoint_files import read_keypoints

logger = logging.getLogger(__name__)

NAME_ONE = "name a checkpoint with -e. `make quickstart` trains one in a few minutes: -e runs/quickstart/best_epoch.bin"
NAME_HANDS = "name a checkpoint of hands behind --hands; train_hand.py trains one"


def shipped_lifter(
    keypoint_files: Sequence[str],
    joint_format: str | None,
    detector: str,
    options: Mapping[str, Any],
) -> str:
    """Weights of the model for the keypoints at hand: those of the first file, or else of the detector.

    joint_format: of the files, where it is given; options: the detector's. Raises ``UserError`` if none fits.
    """
    if not list_models():  # told before any file is read
        raise UserError(f"{NONE_YET}: {NAME_ONE}")
    if keypoint_files:
        found = load_skeleton(joint_format) if joint_format else _format_of_file(keypoint_files[0])
    else:
        found = _format_of_detector(detector, options)
    model = choose_model(bare_hand(found), NAME_ONE)
    logger.info(f"without -e the shipped model {model} lifts {found.name}")
    return str(model.weights)


def shipped_hands() -> str:
    """Weights of the model for the hands that are looked for at people's wrists; errors as above."""
    model = choose_model(load_skeleton(DETECTORS.get(HAND_DETECTOR).joint_format), NAME_HANDS)
    logger.info(f"without a checkpoint behind --hands the shipped model {model} lifts hands")
    return str(model.weights)


def _format_of_file(path: str) -> Skeleton:
    return read_keypoints(path, joint_format=None).skeleton


def _format_of_detector(name: str, options: Mapping[str, Any]) -> Skeleton:
    usual = options.get("joint_format") or getattr(DETECTORS.get(name), "joint_format", None)
    if usual:
        return load_skeleton(usual)
    with closing_detector(build_detector(name, **options)) as detector:
        return detector.skeleton
