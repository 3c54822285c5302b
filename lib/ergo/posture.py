"""Angle series as the scores take them: which part, which sign, and what stands in for what is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lib.ergo.limits import Thresholds
from lib.errors import UserError

SIDES = ("left", "right")
MIN_DOWN = 0.05  # below it tan() of a projected angle says nothing about the arm's direction


@dataclass(frozen=True, eq=False)
class Arm:
    """One arm over time, all (F,) deg and without NaN; ``known``: the upper arm was."""

    known: np.ndarray
    elevation: np.ndarray
    """Angle of the upper arm from hanging along the trunk, 0 to 180."""
    is_back: np.ndarray
    """The arm points more to the back than to the side or the front."""
    out: np.ndarray
    """Angle of the upper arm out of the sagittal plane, positive away from the body."""
    rotation: np.ndarray
    raised: np.ndarray
    elbow: np.ndarray
    hand: np.ndarray
    """Wrist's distance from the midline in half shoulder widths, positive on the own side."""
    wrist_flexion: np.ndarray
    wrist_deviation: np.ndarray
    pronation: np.ndarray

    @property
    def flexion(self) -> np.ndarray:
        """Elevation, negative to the back."""
        return np.where(self.is_back, -self.elevation, self.elevation)


class Posture:
    """Angle series of one person, degrees, by the names of ``lib.angles``; unknown parts get a neutral value.

    angles_deg: name -> (F,), NaN where unknown; names that are not there are unknown throughout. ``known``: frames with
    a trunk and an arm, which alone are scored. ``assumed`` says what was filled in. Raises ``UserError`` if no trunk or
    no arm is among the series, or lengths differ.
    """

    def __init__(self, angles_deg: Mapping[str, np.ndarray], fps: float, thresholds: Thresholds) -> None:
        if not angles_deg or len({len(series) for series in angles_deg.values()}) != 1:
            raise UserError("posture scores need angle series of one length")
        if not fps > 0:
            raise UserError(f"posture scores need the frames per second; given: {fps}")
        self.angles = {name: np.asarray(series, np.float64) for name, series in angles_deg.items()}
        self.fps, self.thresholds = fps, thresholds
        self.num_frames = len(next(iter(self.angles.values())))
        self._blanks: list[tuple[str, str, np.ndarray]] = []
        trunk = self.first_of("trunk_flexion", "back_flexion")
        arms = {
            side: self.first_of(f"{side}_shoulder_elevation", f"{side}_shoulder_flexion") for side in SIDES
        }
        has_arm = np.isfinite(arms["left"]) | np.isfinite(arms["right"])
        self.known = np.isfinite(trunk) & has_arm
        for what, one in (
            ("the trunk's inclination (trunk_flexion)", trunk),
            ("an upper arm", np.where(has_arm, 0, np.nan)),
        ):
            if not np.isfinite(one).any():
                raise UserError(
                    f"posture scores need {what}, which this joint format or this motion does not give; "
                    f"angles at hand: {', '.join(sorted(self.angles))}"
                )
        self.trunk_flexion = np.where(np.isfinite(trunk), trunk, 0.0)
        self.trunk_lateral = self._filled(
            "side bend of the trunk", "straight", "trunk_lateral", "back_lateral"
        )
        self.trunk_rotation = self._filled("twist of the trunk", "none", "back_rotation")
        neck = self.first_of("neck_flexion")
        if not np.isfinite(neck).any():
            neck = self.first_of("head_flexion") - trunk
        self.neck_known = np.isfinite(neck)
        self.neck_flexion = self._noted("flexion of the neck", "straight", neck)
        self.neck_lateral = self._filled("side bend of the neck", "straight", "neck_lateral")
        self.neck_rotation = self._filled("twist of the neck", "none", "neck_rotation")
        head = self.first_of("head_flexion")
        if not np.isfinite(head).any():
            head = self.first_of("neck_flexion") + trunk
        self.head_known = np.isfinite(head)
        self.head_flexion = self._noted("inclination of the head", "upright", head)
        self.knee = {side: self._filled(f"{side} knee", "straight", f"{side}_knee_flexion") for side in SIDES}
        self.arms = {side: self._arm(side) for side in SIDES}

    def first_of(self, *names: str) -> np.ndarray:
        """The first of these series that has any value, (F,); NaN throughout if none has."""
        for name in names:
            if name in self.angles and np.isfinite(self.angles[name]).any():
                return self.angles[name]
        return np.full(self.num_frames, np.nan)

    def scored(self, values: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
        """Scores (F,) as floats, NaN in frames that have none."""
        return np.where(self.known if known is None else known & self.known, values, np.nan)

    @property
    def assumed(self) -> list[str]:
        """What is unknown in frames that are scored, and what was taken instead."""
        lines = []
        total = self.known.sum()
        told: dict[tuple[str, str, str], list[str]] = {}  # what, share, neutral -> sides
        for what, neutral, missing in self._blanks:
            share = (missing & self.known).sum() / total if total else 0.0
            side, _, part = what.partition(" ") if what.startswith(SIDES) else ("", "", what)
            if share:
                told.setdefault((part, _percent(share), neutral), []).append(side)
        for (part, share, neutral), sides in told.items():
            which = " and ".join(filter(None, sides))
            lines.append(
                f"{which} {part}: unknown in {share} of the scored frames, taken as {neutral}".lstrip()
            )
        for side in SIDES:
            share = (~self.arms[side].known & self.known).sum() / total if total else 0.0
            if share:
                lines.append(
                    f"{side} arm: unknown in {_percent(share)} of the scored frames, scored by the other arm"
                )
        if (gone := 1 - self.known.mean()) > 0:
            lines.append(f"{_percent(gone)} of all frames have no trunk or no arm and get no score")
        return lines

    def _filled(self, what: str, neutral: str, *names: str) -> np.ndarray:
        return self._noted(what, neutral, self.first_of(*names))

    def _noted(self, what: str, neutral: str, series: np.ndarray, value: float = 0.0) -> np.ndarray:
        missing = ~np.isfinite(series)
        self._blanks.append((what, neutral, missing))
        return np.where(missing, value, series)

    def _arm(self, side: str) -> Arm:
        elevation = self.first_of(f"{side}_shoulder_elevation", f"{side}_shoulder_flexion")
        known = np.isfinite(elevation)
        flexion = self.first_of(f"{side}_shoulder_flexion")
        out, is_back = _direction(
            np.abs(elevation),
            flexion,
            self.first_of(f"{side}_shoulder_horizontal_abduction"),
            self.first_of(f"{side}_shoulder_abduction"),
        )

        def part(what: str, neutral: str, series: np.ndarray, value: float = 0.0) -> np.ndarray:
            missing = ~np.isfinite(series)
            self._blanks.append((f"{side} {what}", neutral, missing & known))
            return np.where(missing, value, series)

        def named(what: str, neutral: str, name: str, value: float = 0.0) -> np.ndarray:
            return part(what, neutral, self.first_of(f"{side}_{name}"), value)

        return Arm(
            known=known,
            elevation=np.where(known, np.abs(elevation), 0.0),
            is_back=is_back,
            out=part("arm's abduction", "none", out),
            rotation=named("upper arm's rotation", "none", "shoulder_rotation"),
            raised=named("shoulder's height", "not raised", "shoulder_raise"),
            elbow=named("elbow", "bent to 80 degrees", "elbow_flexion", 80.0),
            hand=named("hand's place across the body", "in front of the shoulder", "hand_lateral", 1.0),
            wrist_flexion=named("wrist's flexion", "straight", "wrist_flexion"),
            wrist_deviation=named("wrist's deviation", "none", "wrist_deviation"),
            pronation=named("forearm's twist", "middle", "forearm_pronation"),
        )


def _direction(
    elevation: np.ndarray, flexion: np.ndarray, horizontal: np.ndarray, abduction: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Angle out of the sagittal plane (F,) deg, NaN where unknown, and whether the arm points to the back (F,) bool.

    From the elevation and, in this order, the direction around the trunk or the projected angles, which say nothing
    where the upper arm is level.
    """
    down, length = np.cos(np.radians(elevation)), np.sin(np.radians(elevation))
    usable = np.abs(down) > MIN_DOWN
    with np.errstate(invalid="ignore"):
        front = np.where(usable, down * np.tan(np.radians(flexion)), np.nan)
        aside = np.where(usable, down * np.tan(np.radians(abduction)), np.nan)
        # the direction around the trunk counts from straight aside towards the front
        front = np.where(np.isfinite(horizontal), length * np.sin(np.radians(horizontal)), front)
        aside = np.where(np.isfinite(horizontal), length * np.cos(np.radians(horizontal)), aside)
        # one of the two gives the size of the other
        rest = np.sqrt(np.clip(length**2 - front**2, 0, None))
        aside = np.where(np.isfinite(aside), aside, rest)
        aside = np.clip(aside, -length, length)
        is_back = (front < 0) & (np.abs(front) > np.abs(aside)) & (elevation < 90)
    return np.degrees(np.arcsin(aside)), is_back


def _percent(share: float) -> str:
    return "all" if share == 1 else f"{100 * share:.1f} %" if share >= 0.001 else "under 0.1 %"
