"""The joint formats of a run: the terms of each, its model, and the sets that it learns from and is judged on.

The main one comes first; the others share all layers with it but those that ``format_layers`` gives them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from lib.data.checks import check_split_overlap, raise_or_log
from lib.data.hand_sides import check_hand_sides
from lib.data.training_data import TrainingData, build_training_data
from lib.engine import Runtime
from lib.errors import UserError
from lib.evaluation_set import EvaluationSet, build_evaluation_set
from lib.model.build import build_model
from lib.model.DSTformer import DSTformer
from lib.model.formats import load_own_layers, share_layers, start_from_main
from lib.skeleton import Skeleton, load_skeleton

logger = logging.getLogger(__name__)

MEAN_OF_FORMATS = "mean_mpjpe_mm"


@dataclass(frozen=True, eq=False)
class RunFormat:
    """One joint format of a run; ``config`` is the run's with what differs for it."""

    config: Any
    skeleton: Skeleton
    model: DSTformer
    is_main: bool

    @property
    def name(self) -> str:
        """Name of the joint format."""
        return self.skeleton.name

    def named(self, figures: Mapping[str, float]) -> dict[str, float]:
        """Figures of this format under names of their own: those of the main one stay as they are."""
        return {name if self.is_main else f"{self.name}/{name}": value for name, value in figures.items()}


@dataclass(frozen=True, eq=False)
class FormatSets:
    """Sets of one format; None where a run that asks for no evaluation has none."""

    training: TrainingData
    validation: EvaluationSet | None
    test: EvaluationSet | None


def skeleton_of(config: Any) -> Skeleton:
    """Joint format of a config, with its root."""
    return load_skeleton(config.joint_format).with_root(*config.root)


def build_formats(configs: Sequence[Any], device: torch.device) -> list[RunFormat]:
    """Formats with a model each, from a config each (``lib.config_formats.format_configs``): nothing is shared yet."""
    skeletons = [skeleton_of(config) for config in configs]
    return [
        RunFormat(config, skeleton, build_model(config, skeleton).to(device), is_main=number == 0)
        for number, (config, skeleton) in enumerate(zip(configs, skeletons, strict=True))
    ]


def join_formats(formats: Sequence[RunFormat], pretrained: dict[str, Any] | None) -> DSTformer:
    """Let all formats share the layers of the main one, whose model, with the others' own layers in it, is returned.

    A format's own layers start from the checkpoint ``pretrained`` if that knows the format, else from the main one's,
    joint by joint.
    """
    main, *others = formats
    config = main.config
    for other in others:
        share_layers(main.model, other.model, other.name, config.format_layers)
        if pretrained and load_own_layers(main.model, other.name, pretrained):
            logger.info(f"{other.name}: its own layers come from the checkpoint")
            continue
        joints = start_from_main(main.model, main.skeleton, other.model, other.skeleton)
        named = ", ".join(joints) or "none"
        logger.info(f"{other.name}: {len(joints)} joints start as those of {main.name}: {named}")
    return main.model


def build_format_sets(config: Any, skeleton: Skeleton) -> FormatSets:
    """Read and check the sets of a format; raises ``UserError`` for what would train or judge silently wrong."""
    training = build_training_data(config, skeleton)
    validation = None if config.no_eval else build_evaluation_set(config, skeleton, config.eval_split)
    test = build_test_set(config, skeleton, validation)
    raise_or_log(check_hand_sides(training.labelled_motion))
    for other in {validation, test} - {None}:
        raise_or_log(check_split_overlap(training.labelled_motion, other.motion))
    return FormatSets(training, validation, test)


def build_test_set(config: Any, skeleton: Skeleton, validation: EvaluationSet | None) -> EvaluationSet | None:
    """Set of the final table; None if a run that asks for no evaluation has none."""
    split = config.test_split or config.eval_split
    if validation is not None and split == config.eval_split:
        return validation
    try:
        return build_evaluation_set(config, skeleton, split)
    except UserError as error:
        if not config.no_eval:
            raise
        logger.warning(f"there will be no final table: {error}")
        return None


def measure_formats(
    formats: Sequence[RunFormat],
    sets: Sequence[FormatSets],
    runtime: Runtime,
    losses: Mapping[str, Callable[..., Any]],
) -> dict[str, float]:
    """Mean losses and errors in mm of every format; of several also the mean of their errors, ``MEAN_OF_FORMATS``.

    ``losses`` by name of the format.
    """
    found: dict[str, float] = {}
    errors = []
    for each, own in zip(formats, sets, strict=True):
        measured = own.validation.measure(each.model, runtime, losses[each.name])
        found |= each.named(measured)
        errors.append(measured["mpjpe_mm"])
    return found | ({MEAN_OF_FORMATS: sum(errors) / len(errors)} if len(formats) > 1 else {})
