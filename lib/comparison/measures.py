"""Measures of agreement between a result and the truth, and the lines of a comparison.

Bland and Altman, Lancet 1986: the mean difference (bias), and the limits bias +- 1.96 standard deviations between
which 95 of 100 differences lie if they are normal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

LIMIT_SDS = 1.96
ALL_TASKS = "all"


@dataclass(frozen=True)
class Agreement:
    """Differences of one quantity over frames, result less truth, in its unit; sd and limits need two frames.

    mae, rmse, median and largest are of the differences without their sign.
    """

    frames: int
    mae: float
    rmse: float
    median: float
    largest: float
    bias: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """One line of the comparison: a quantity of a result in a task (``ALL_TASKS``).

    kind: "angle" (deg), "mean of angles" (deg; each measure's mean over the angles), "joints" (mm) or "3DSSPP".
    points: how many joints or angles it rests on. ``agreement`` of joints has errors for differences: their mean as
    mae, and no bias or limits.
    """

    result: str
    joint_format: str
    kind: str
    name: str
    task: str
    unit: str
    points: int
    agreement: Agreement

    def cells(self) -> dict[str, Any]:
        """Columns of the CSV."""
        values = asdict(self)
        return {key: value for key, value in values.items() if key != "agreement"} | values["agreement"]


def wrapped_deg(difference: np.ndarray) -> np.ndarray:
    """Differences of angles the short way round, -180 to below 180: 170 less -170 is -20, not 340."""
    return (difference + 180.0) % 360.0 - 180.0


def agreement(difference: np.ndarray, *, signed: bool = True) -> Agreement | None:
    """Measures over the finite differences; None without any. ``signed`` False: errors, which have no bias."""
    values = difference[np.isfinite(difference)]
    if not len(values):
        return None
    size = np.abs(values)
    bias = float(values.mean()) if signed else np.nan
    sd = float(values.std(ddof=1)) if signed and len(values) > 1 else np.nan
    return Agreement(
        frames=len(values),
        mae=float(size.mean()),
        rmse=float(np.sqrt(np.square(values).mean())),
        median=float(np.median(size)),
        largest=float(size.max()),
        bias=bias,
        sd=sd,
        low=bias - LIMIT_SDS * sd,
        high=bias + LIMIT_SDS * sd,
    )


def mean_agreement(held: Sequence[Agreement]) -> Agreement:
    """Mean of each measure over angles; of the others there is no meaningful mean."""
    means = {key: float(np.mean([getattr(each, key) for each in held])) for key in ("mae", "rmse", "median")}
    empty = dict.fromkeys(("largest", "bias", "sd", "low", "high"), np.nan)
    return Agreement(frames=max(each.frames for each in held), **means, **empty)
