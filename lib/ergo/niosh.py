"""Revised NIOSH lifting equation (DHHS (NIOSH) 94-110, rev. 9/2021): recommended weight limit and lifting index."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np

from lib.ergo.limits import load_limits
from lib.errors import UserError
from lib.skeleton import Skeleton

HANDS = ("hand_center", "middle_mcp", "wrist")
"""Where the load is held: the first of these points that a joint format has."""


OUTSIDE = "outside of the equation"


@dataclass(frozen=True)
class Niosh:
    """Recommended weight limit in the load's own unit, lifting index (NaN without a load), and the six multipliers.

    outside: what lies beyond the equation's range and so has the multiplier 0, one text each: there the weight limit
    of 0 and the infinite index say that the equation does not hold, not how bad the lift is.
    """

    weight_limit: float
    lifting_index: float
    horizontal: float
    vertical: float
    distance: float
    asymmetry: float
    frequency: float
    coupling: float
    outside: tuple[str, ...] = ()

    def lines(self) -> dict[str, float]:
        """Name -> number, for tables."""
        return {name: value for name, value in asdict(self).items() if name != "outside"}


@dataclass(frozen=True)
class LiftGeometry:
    """H, V, D in cm and A in degrees of a lift, at its begin (and A at its end)."""

    h_cm: float
    v_cm: float
    d_cm: float
    a_deg: float
    end_h_cm: float
    end_v_cm: float
    end_a_deg: float


def niosh(
    h: float,
    v: float,
    d: float,
    a_deg: float,
    *,
    lifts_per_min: float,
    hours: float,
    coupling: str = "good",
    load: float = 0.0,
    units: str = "metric",
) -> Niosh:
    """Lifting equation RWL = LC HM VM DM AM FM CM and LI = load / RWL.

    h: hands in front of the ankles; v: hands above the floor; d: way the load is lifted; in cm and kg ("metric") or in
    inches and pounds ("inch"). a_deg: turn to the side. lifts_per_min is rounded up to the next column of the table,
    hours (a day of lifting, up to 8) to the next row. What lies beyond the equation's range is listed in ``outside``;
    values that cannot be meant at all raise ``UserError``.
    """
    stock = load_limits("niosh")
    if units not in ("metric", "inch"):
        raise UserError(f"units '{units}' of the lifting equation; allowed: metric (cm, kg), inch (in, lb)")
    if coupling not in stock["coupling"]:
        raise UserError(
            f"coupling '{coupling}' is not in the lifting equation; allowed: {', '.join(stock['coupling'])}"
        )
    given = {"h": h, "v": v, "d": d, "a_deg": abs(a_deg), "lifts_per_min": lifts_per_min, "load": load}
    most = stock["possible"] | stock["possible"][units]
    for name, value in given.items():
        if not 0 <= value <= most[name]:
            raise UserError(f"{name} of the lifting equation is {value:g}; possible are 0 to {most[name]}")
    longest = stock["frequency"][-1]["hours"]
    if not 0 <= hours <= longest:
        raise UserError(f"hours of lifting is {hours:g}; the equation knows 0 to {longest}")
    unit = stock[units]
    horizontal = 0.0 if h > unit["h_max"] else min(1.0, unit["h"] / max(h, 1e-9))
    vertical = 0.0 if v > unit["v_max"] else 1 - unit["v_step"] * abs(v - unit["v_zero"])
    distance = 0.0 if d > unit["d_max"] else 1.0 if d < unit["d_min"] else 0.82 + unit["d"] / d
    turn = abs(a_deg)
    asymmetry = 0.0 if turn > stock["asymmetry_max_deg"] else 1 - stock["asymmetry_step"] * turn
    is_high = int(v >= unit["v_zero"])
    grip = float(stock["coupling"][coupling][is_high])
    frequency = frequency_multiplier(lifts_per_min, hours, is_high=bool(is_high))
    length = {"metric": "cm", "inch": "in"}[units]
    beyond = {
        f"H of {h:.0f} {length} is over {unit['h_max']}": horizontal,
        f"V of {v:.0f} {length} is over {unit['v_max']}": vertical,
        f"D of {d:.0f} {length} is over {unit['d_max']}": distance,
        f"A of {turn:.0f} degrees is over {stock['asymmetry_max_deg']}": asymmetry,
        f"{lifts_per_min:g} lifts a minute for {hours:g} h are too many": frequency,
    }
    outside = tuple(text for text, multiplier in beyond.items() if multiplier == 0)
    limit = unit["load"] * horizontal * vertical * min(distance, 1.0) * asymmetry * frequency * grip
    index = math.nan if load == 0 else load / limit if limit > 0 else math.inf
    return Niosh(limit, index, horizontal, vertical, min(distance, 1.0), asymmetry, frequency, grip, outside)


def frequency_multiplier(lifts_per_min: float, hours: float, *, is_high: bool) -> float:
    """FM of the table; is_high: the hands are at 75 cm (30 in) or above."""
    stock = load_limits("niosh")
    row = next(row for row in stock["frequency"] if hours <= row["hours"])
    place = int(np.searchsorted(stock["lifts_per_min"], lifts_per_min, side="left"))
    multipliers = row["above" if is_high else "below"]
    return float(multipliers[place]) if place < len(multipliers) else 0.0


def lift_geometry(
    begin_m: np.ndarray, end_m: np.ndarray, skeleton: Skeleton, floor_m: float | None = 0.0
) -> LiftGeometry:
    """H, V, D and A estimated from the joints (J,3) in metres, Y up, at begin and end of a lift.

    Hands and ankles are joint centres: H and V are those of the wrists where a format has no hands, and the angle A is
    that of the hands' middle against the pelvis' forward axis. Raises ``UserError`` if a needed joint is missing.
    """
    ends = [_ends(np.asarray(joints, np.float64), skeleton, floor_m or 0.0) for joints in (begin_m, end_m)]
    (h, v, a), (end_h, end_v, end_a) = ends
    return LiftGeometry(h, v, abs(end_v - v), a, end_h, end_v, end_a)


def _ends(joints: np.ndarray, skeleton: Skeleton, floor_m: float) -> tuple[float, float, float]:
    """H cm, V cm, A deg of one moment."""

    def place(*names: str) -> np.ndarray:
        for name in names:
            index = skeleton.index_canonical(name)
            if index is not None and np.isfinite(joints[index]).all():
                return joints[index]
        raise UserError(
            f"the lifting equation needs the joint {names[-1]}, which is not known at this moment"
        )

    ankles = (place("left_ankle") + place("right_ankle")) / 2
    hands = sum(place(*(f"{side}_{name}" for name in HANDS)) for side in ("left", "right")) / 2
    across = place("right_hip") - place("left_hip")
    forward = np.array([across[2], -across[0]])  # X and Z; the body's right turned about Y up
    reach = np.array([hands[0] - ankles[0], hands[2] - ankles[2]])
    turn = math.degrees(
        math.atan2(forward[0] * reach[1] - forward[1] * reach[0], float(np.dot(forward, reach)))
    )
    return 100 * float(np.hypot(*reach)), 100 * float(hands[1] - floor_m), turn
