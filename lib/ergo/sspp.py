"""Batch files for 3DSSPP, the static strength program of the University of Michigan: joints in, commands out.

Layout and units are those of public pipelines and of 3DSSPP's own reader; no 3DSSPP program was at hand to try them.
F frames, J joints.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lib.ergo.sspp_angles import angle_rules, joa_angles
from lib.ergo.sspp_frames import FACINGS, FLOORS, NONE, SUPPORT_WORDS, Clip, Placed, place_clip
from lib.ergo.sspp_points import LocPoints
from lib.errors import UserError, did_you_mean
from lib.files import atomic_write_text
from lib.registry import Registry
from lib.skeleton import Skeleton

__all__ = ["FORMS", "BatchReport", "BatchSettings", "Clip", "HandLoad", "Person", "write_batch"]

logger = logging.getLogger("ergolift")

GRAVITY_M_S2 = 9.81
GENDERS = {"male": 0, "female": 1}
METRIC, OWN_HEIGHT_AND_WEIGHT = 1, 3
BACK_REST_CM = 20.0  # unused while standing; 3DSSPP wants more than 19.05
COMMENT_LENGTH = (
    200  # 3DSSPP skips at most 256 characters of a comment; what is left would be read as a command
)


@dataclass(frozen=True)
class Person:
    """Anthropometry; values no adult has raise ``UserError``."""

    gender: str
    stature_m: float
    weight_kg: float

    def __post_init__(self) -> None:
        if self.gender not in GENDERS:
            hint = did_you_mean(self.gender, GENDERS)
            raise UserError(f"gender '{self.gender}'{hint}; 3DSSPP knows {', '.join(GENDERS)}")
        if not 1.0 <= self.stature_m <= 2.5:
            raise UserError(f"stature {self.stature_m:g} m; give metres from 1.0 to 2.5")
        if not 30.0 <= self.weight_kg <= 300.0:
            raise UserError(f"weight {self.weight_kg:g} kg; give kilograms from 30 to 300")


@dataclass(frozen=True)
class HandLoad:
    """Force on each hand: newtons, and its direction in degrees (-90 vertical: a weight that pulls down)."""

    left_n: float = 0.0
    right_n: float = 0.0
    vertical_deg: float = -90.0
    horizontal_deg: float = 0.0

    def __post_init__(self) -> None:
        if not (np.isfinite([self.left_n, self.right_n]).all() and min(self.left_n, self.right_n) >= 0):
            raise UserError(f"hand forces {self.left_n:g} and {self.right_n:g} N; give numbers from 0 up")

    @classmethod
    def of_weight(cls, load_kg: float, side: str = "both") -> HandLoad:
        """Weight of a load held in the ``left`` or ``right`` hand, or shared equally by ``both``."""
        shares = {"both": (0.5, 0.5), "left": (1.0, 0.0), "right": (0.0, 1.0)}
        if side not in shares:
            raise UserError(f"load side '{side}'{did_you_mean(side, shares)}; allowed: {', '.join(shares)}")
        left, right = (share * load_kg * GRAVITY_M_S2 for share in shares[side])
        return cls(left, right)


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """How the file is written; words that are not known raise ``UserError`` when it is."""

    form: str = "LOC"
    convention: str = "joint_centers"
    facing: str = "person"
    floor: str = "start"
    foot_height_m: float = 0.05
    foot_speed_m_s: float = 0.5
    every: int = 1
    load_seconds: tuple[float, float] | None = None
    """From when to when the load is in the hands, seconds of each clip; None: always."""
    analyst: str = "ErgoLift"
    comments: str = ""
    company: str = ""

    def __post_init__(self) -> None:
        if self.every < 1:
            raise UserError(f"every {self.every}: write every frame (1) or every 2nd, 3rd ... one")
        if not self.foot_height_m > 0 or not self.foot_speed_m_s > 0:
            raise UserError("foot_height_m and foot_speed_m_s must be over 0")
        if self.load_seconds and not self.load_seconds[0] <= self.load_seconds[1]:
            begin, end = self.load_seconds
            raise UserError(
                f"load_seconds {begin:g} to {end:g}: the load must be taken before it is put down"
            )


@dataclass(frozen=True)
class BatchReport:
    """What was written."""

    frames: int
    left_out: int
    """Frames in which a joint was absent."""
    assumptions: tuple[str, ...]
    support: dict[str, int] = field(default_factory=dict)
    """Number of frames by feet that bear."""


# Lines of one frame from (placed clip, its row, SUP line, HAN line), and the AUT line before all frames
Form = Callable[[Placed, int, str, str], Iterator[str]]
FORMS: Registry[tuple[int, Form]] = Registry("form of 3DSSPP file")


def _locations(placed: Placed, row: int, support: str, hands: str) -> Iterator[str]:
    """LOC does not trigger the automatic output, HAN does: it comes last."""
    yield "LOC " + " ".join(_number(value) for value in placed.points[row].ravel())
    yield support
    yield hands


def _joint_angles(placed: Placed, row: int, support: str, hands: str) -> Iterator[str]:
    """HAN and JOA would each trigger the automatic output, so it is off and EXP asks for one line a frame.

    HAN sets the load of the current frame only and therefore stands in each.
    """
    yield hands
    yield support
    yield "JOA " + " ".join(map(str, joa_angles(placed.points[row : row + 1])[0]))
    yield "EXP"


FORMS.register("LOC")((1, _locations))
FORMS.register("JOA")((0, _joint_angles))


def write_batch(
    path: str | Path,
    clips: Sequence[Clip],
    skeleton: Skeleton,
    person: Person,
    load: HandLoad,
    settings: BatchSettings | None = None,
) -> BatchReport:
    """Write a batch file of one or more tasks: metric, metres, newtons, degrees; FRM counts from 0 over all tasks.

    A comment before each frame tells its number and second in the source. Formats without a body, clips without a
    known frame, and positions that are no metres raise ``UserError``; nothing is written then.
    """
    settings = settings or BatchSettings()
    automatic, form = FORMS.get(settings.form)
    rules = LocPoints(skeleton, settings.convention)
    if not clips:
        raise UserError("no motion given: nothing to write")
    placed = [
        place_clip(
            clip,
            skeleton,
            rules,
            stature_m=person.stature_m,
            facing=settings.facing,
            floor=settings.floor,
            foot_height_m=settings.foot_height_m,
            foot_speed_m_s=settings.foot_speed_m_s,
            every=settings.every,
        )
        for clip in clips
    ]
    wanted = sum(-(-len(clip.positions_m) // settings.every) for clip in clips)
    frames = sum(len(one.rows) for one in placed)
    support = {
        word: int(sum((one.support == number).sum() for one in placed))
        for number, word in SUPPORT_WORDS.items()
    }
    if settings.load_seconds and not any(
        _is_held(clip.seconds[one.rows], settings).any() for clip, one in zip(clips, placed, strict=True)
    ):
        begin, end = settings.load_seconds
        raise UserError(f"load_seconds {begin:g} to {end:g}: no frame that is written lies between them")
    assumptions = _assumptions(rules, clips, placed, load, settings, max(0, wanted - frames))
    lines = ["3DSSPPBATCHFILE", *map(_comment, assumptions), _description(clips[0].task, settings)]
    stature_cm = _number(100.0 * person.stature_m)
    lines.append(
        f"ANT {GENDERS[person.gender]} {OWN_HEIGHT_AND_WEIGHT} {stature_cm} {_number(person.weight_kg)}"
    )
    lines += [_comment("automatic output" if automatic else "output by EXP"), f"AUT {automatic}"]
    number = 0
    for clip, one in zip(clips, placed, strict=True):
        if number:
            lines.append(_description(clip.task, settings))
        for row, source_row in enumerate(one.rows):
            source = source_row if clip.frames is None else clip.frames[source_row]
            second = clip.seconds[source_row]
            lines += [_comment(f"source frame {source} at {second:.3f} s"), f"FRM {number}"]
            tilt = 0 if np.isnan(one.tilt_deg[row]) else round(float(one.tilt_deg[row]))
            feet = f"SUP {one.support[row]} 0 0 0 {BACK_REST_CM:.1f} {tilt}"
            lines += form(one, row, feet, _hands(load, second, settings))
            number += 1
    lines.append(_comment("Task done"))
    # no line break at the end: 3DSSPP would read one more, empty command and report an error
    atomic_write_text(path, " #\n".join(lines) + " #")
    if none := support[SUPPORT_WORDS[NONE]]:
        logger.warning(
            f"{path}: no foot bears weight in {none} of {frames} frames, which 3DSSPP takes as a person in the air: "
            "leave them out, or raise --foot_height_m and --foot_speed_m_s"
        )
    return BatchReport(frames, max(0, wanted - frames), assumptions, support)


def _hands(load: HandLoad, second: float, settings: BatchSettings) -> str:
    held = _is_held(second, settings)
    direction = f"{_number(load.vertical_deg)} {_number(load.horizontal_deg)}"
    return "HAN " + " ".join(
        f"{_number(force if held else 0.0)} {direction}" for force in (load.left_n, load.right_n)
    )


def _is_held(second: Any, settings: BatchSettings) -> Any:
    """Whether the load is in the hands at a second, or at several."""
    begin, end = settings.load_seconds or (-np.inf, np.inf)
    return (begin <= second) & (second <= end)


def _assumptions(
    rules: LocPoints,
    clips: Sequence[Clip],
    placed: Sequence[Placed],
    load: HandLoad,
    settings: BatchSettings,
    left_out: int,
) -> tuple[str, ...]:
    """What a reader of the results must know, one line each."""
    lines = [
        *dict.fromkeys(note for clip in clips for note in clip.notes),
        f"made by ErgoLift from {rules.skeleton.name}, points by convention {settings.convention}",
        "metres, z up, x right, y forward: " + FACINGS[settings.facing],
        FLOORS[settings.floor],
        f"hands: {load.left_n:.1f} N left, {load.right_n:.1f} N right; left hand first in HAN (from 3DSSPP's reader)",
    ]
    feet = f"a foot bears while a point of it is under {settings.foot_height_m:g} m"
    in_room = all(clip.in_room for clip in clips)
    lines.append(
        feet
        + (f" and slower than {settings.foot_speed_m_s:g} m/s" if in_room else "; its speed is not known")
    )
    lines.append("standing in every frame: seated work is not told by joints")
    if settings.load_seconds:
        lines.append("load in the hands from {:g} to {:g} s only".format(*settings.load_seconds))
    if any(np.isnan(one.tilt_deg).any() for one in placed):
        lines.append(
            f"pelvic tilt written as 0: {rules.skeleton.name} has no points of the pelvis to measure it"
        )
    else:
        lines.append("pelvic tilt: line from the hip centre to L5/S1 against the vertical, forwards positive")
    if none := sum(int((one.support == NONE).sum()) for one in placed):
        lines.append(f"no foot bears weight in {none} of {sum(len(one.rows) for one in placed)} frames")
    if left_out:
        lines.append(f"{left_out} frames left out in which a joint is not known")
    if settings.form == "JOA":
        lines += angle_rules()["notes"]
    approximate = [point for point in rules.points if not point.exact and not point.name.startswith("right_")]
    for point in approximate:
        name = point.name.replace("left_", "left and right ", 1)
        lines.append(f"approximate: {name} = {point.text}")
    return tuple(lines)


def _description(task: str, settings: BatchSettings) -> str:
    texts = (task, settings.analyst, settings.comments, settings.company)
    return f"DES {METRIC} " + " ".join(f'"{_plain(text)}"' for text in texts)


def _comment(text: str) -> str:
    return f"COM {_plain(text)[:COMMENT_LENGTH]}"


def _plain(text: str) -> str:
    """ASCII text without the characters that end a text or a command."""
    ascii_only = text.encode("ascii", "replace").decode()
    return re.sub(r'["#\s]+', " ", ascii_only).strip()


def _number(value: float) -> str:
    """At most three decimals, without trailing zeros or a negative zero."""
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
