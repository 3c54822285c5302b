"""Conversion of poses between joint formats: a linear map made from anatomical names and rules.

Letters: Js joints of the source, Jt joints of the target, C channels.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lib.anatomy import rule_weights, shared_rules
from lib.errors import UserError

if TYPE_CHECKING:
    from lib.skeleton import Skeleton

logger = logging.getLogger(__name__)

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Conversion:
    """Linear map from one joint format to another."""

    matrix: NDArray[np.float32]
    """(Jt, Js); the rows of missing joints are zero, all others sum to 1."""
    exact: NDArray[np.bool_]
    """(Jt,) the joint is the same anatomical point, or made of others by its very definition."""
    missing: NDArray[np.bool_]
    """(Jt,) there is no rule for the joint."""
    rules: Mapping[str, str]
    """Target joint -> how it is made."""

    def apply(self, x: Floats, confidence: Floats | None = None) -> tuple[Floats, Floats]:
        """Poses x (..., Js, C) in the target format: (..., Jt, C) and their confidence (..., Jt).

        A joint made from several has the lowest confidence of its sources; without ``confidence`` all sources
        count as 1. Missing joints are NaN with confidence 0. Wrong shapes raise ``UserError``.
        """
        if x.shape[-2] != self.matrix.shape[1]:
            raise UserError(f"the conversion expects {self.matrix.shape[1]} joints, given {x.shape}")
        if confidence is None:
            confidence = np.ones(x.shape[:-1], x.dtype)
        if confidence.shape != x.shape[:-1]:
            raise UserError(f"poses {x.shape} need confidence {x.shape[:-1]}, given {confidence.shape}")
        joints = [np.flatnonzero(row) for row in self.matrix]
        made = np.full((*x.shape[:-2], len(joints), x.shape[-1]), np.nan, x.dtype)
        lowest = np.zeros(made.shape[:-1], confidence.dtype)
        # joint by joint, so that a NaN spreads only to what is made of it
        for target, sources in enumerate(joints):
            if len(sources):
                weights = self.matrix[target, sources].astype(x.dtype)
                made[..., target, :] = np.einsum("...sc,s->...c", x[..., sources, :], weights)
                lowest[..., target] = confidence[..., sources].min(-1)
        return made, lowest


def conversion(
    source: Skeleton, target: Skeleton, allow_missing: bool = False, log: bool = True
) -> Conversion:
    """Linear map from ``source`` poses to ``target`` poses.

    For each target joint, in this order: the source's rule for this very target, the same anatomical point,
    the source's own rule, the shared rules. Without any the joint is refused with ``UserError``, or NaN with
    ``allow_missing``. Approximate joints are reported in one line of the log.
    """
    matrix = np.zeros((target.num_joints, source.num_joints), np.float64)
    exact = np.zeros(target.num_joints, np.bool_)
    missing = np.zeros(target.num_joints, np.bool_)
    rules: dict[str, str] = {}
    for row, (joint, name) in enumerate(zip(target.joints, target.canonical, strict=True)):
        found = _resolve(name, source, target.name, ())
        if found is None:
            missing[row] = True
            continue
        weights, exact[row] = found
        for number, weight in weights.items():
            matrix[row, number] = weight
        terms = " + ".join(_term(weight, source.joints[number]) for number, weight in weights.items())
        rules[joint] = terms if exact[row] else f"{terms} (approximate)"
    without = [target.joints[number] for number in np.flatnonzero(missing)]
    if without and not allow_missing:
        raise UserError(
            f"{source.name} cannot be converted to {target.name}: no rule for {', '.join(without)}; "
            f"add one under 'derived' in the YAML of {source.name}, or allow missing joints"
        )
    approximate = [target.joints[number] for number in np.flatnonzero(~exact & ~missing)]
    if log and (approximate or without):
        logger.info(
            "%s to %s: approximate joints: %s; missing joints: %s",
            source.name,
            target.name,
            ", ".join(approximate) or "none",
            ", ".join(without) or "none",
        )
    return Conversion(matrix.astype(np.float32), exact, missing, rules)


def _term(weight: float, joint: str) -> str:
    return joint if weight == 1.0 else f"{weight:.4g} {joint}"


def _candidates(name: str, source: Skeleton, target: str) -> Iterator[dict[str, Any] | None]:
    """Rules for one anatomical name, best first; None stands for the joint itself."""
    if name in (own := source.derived_for.get(target, {})):
        yield own[name]
    if name in source.canonical:
        yield None
    if name in source.derived:
        yield source.derived[name]
    yield from shared_rules().get(name, ())


def _resolve(
    name: str, source: Skeleton, target: str, above: tuple[str, ...]
) -> tuple[dict[int, float], bool] | None:
    """Weights on source joints and whether they are exact, through as many rules as needed."""
    for rule in _candidates(name, source, target):
        if rule is None:
            return {source.canonical.index(name): 1.0}, True
        kind, parts = rule_weights(rule)
        if set(parts) & {name, *above}:  # a rule that needs what is being made leads nowhere
            continue
        found = {part: _resolve(part, source, target, (*above, name)) for part in parts}
        weights: dict[int, float] = {}
        exact = kind == "exact"
        for part, resolved in found.items():
            if resolved is None:
                break
            for number, weight in resolved[0].items():
                weights[number] = weights.get(number, 0.0) + parts[part] * weight
            exact = exact and resolved[1]
        else:
            return weights, exact
    return None
