"""A split that models are measured on, with the protocol of its config: flips, roots, frames left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from lib.data.build import build_motion
from lib.data.checks import check_motion, raise_or_log
from lib.data.clips import ClipSet
from lib.data.motion import Motion
from lib.data.training_data import build_clips
from lib.engine import Runtime
from lib.evaluate import evaluate, kept_frames, predict, root_relative_mm, truth_factor
from lib.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class EvaluationSet:
    """Frames and clips of a split; ``kept`` (F,) bool are the frames that count."""

    split: str
    motion: Motion
    clips: ClipSet
    skeleton: Skeleton
    kept: np.ndarray
    batch_size: int
    rootrel: bool
    flip: bool
    pck_threshold_mm: float

    def predict(
        self, model: nn.Module, runtime: Runtime, losses: Callable[..., Any] | None = None
    ) -> tuple[np.ndarray, dict[str, float]]:
        """Predictions (F, J, 3) of every frame in the units of the batches, and the mean of each loss."""
        return predict(
            model,
            self.clips,
            self.skeleton,
            runtime,
            batch_size=self.batch_size,
            rootrel=self.rootrel,
            flip=self.flip,
            criterion=losses,
        )

    def measure(self, model: nn.Module, runtime: Runtime, losses: Callable[..., Any]) -> dict[str, float]:
        """Mean losses, and the mean errors over frames in mm."""
        prediction, means = self.predict(model, runtime, losses)
        summary = evaluate(
            root_relative_mm(prediction, self.clips),
            self.motion,
            self.skeleton,
            kept=self.kept,
            pck_threshold_mm=self.pck_threshold_mm,
        ).summary
        return {**means, "mpjpe_mm": summary["mpjpe_mm"], "p_mpjpe_mm": summary["p_mpjpe_mm"]}


def build_evaluation_set(config: Any, skeleton: Skeleton, split: str) -> EvaluationSet:
    """The evaluation set of a config's split: clips side by side, a last one flush with each video's end.

    Raises ``UserError`` for a set without labels in mm, or one that the checks of ``lib/data/checks.py`` refuse.
    """
    motion = build_motion(config, skeleton, split)
    truth_factor(motion)
    raise_or_log(check_motion(motion, rootrel=config.rootrel))
    return EvaluationSet(
        split=split,
        motion=motion,
        clips=build_clips(config, motion, training=False),
        skeleton=skeleton,
        kept=kept_frames(motion, config.skip_sources),
        batch_size=config.eval_batch_size,
        rootrel=config.rootrel,
        flip=config.eval_flip,
        pck_threshold_mm=config.pck_threshold_mm,
    )
