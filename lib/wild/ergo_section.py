"""The report page's section on posture scores: timeline, body map, worst moments, shares of time, assumptions.

Letters: F frames, M methods, P parts of the body.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from io import BytesIO
from pathlib import Path

import numpy as np

from lib.ergo.holds import MINUTE_S, UNKNOWN
from lib.ergo.limits import limits_mark, risk_colors, unknown_color
from lib.ergo.niosh import OUTSIDE, LiftGeometry, Niosh
from lib.ergo.result import MethodResult
from lib.ergo.scores import DISCLAIMER, Assessment
from lib.skeleton import Skeleton
from lib.wild.ergo_body import RISK_NAMES, body_map, part_of_joint, swatch
from lib.wild.ergo_moments import Moment
from lib.wild.page import PageSection
from lib.wild.page_data import data_block, json_block
from lib.wild.records import WorldMotion

HERE = Path(__file__).parent
PER_MINUTE = "events a minute"
NO_LEVEL = 255  # of the bytes that the page reads
TIMELINE = """<p class="hint">Action level over time; click or tap to go there. Grey: no score.</p>
<div class="heat ergo-time"><canvas id="ergo-lines" role="img"
aria-label="Action level of each method over time; the table below holds the shares of time"></canvas>
<div class="cursor" id="ergo-cursor"></div><p class="tip" id="ergo-tip" hidden></p></div>
"""


def ergo_section(
    assessment: Assessment,
    world: WorldMotion,
    notes: Sequence[str],
    moments: Sequence[Moment],
    lift: tuple[LiftGeometry, Niosh, Niosh] | None = None,
) -> PageSection:
    """The section; notes are put before the assessment's own assumptions, moments in their order."""
    html = "".join(
        [
            f'<p class="ergo-word"><strong>{escape(DISCLAIMER)}</strong> Scores of a pose estimated from video; '
            "what was assumed is listed below.</p>\n",
            TIMELINE,
            body_map(assessment),
            _moments(moments, assessment, world),
            _shares(assessment),
            _lift(lift, assessment) if lift else "",
            _lists(assessment, notes),
        ]
    )
    return PageSection(
        title="Posture scores",
        html=html,
        script=(HERE / "ergo_section.js").read_text("utf-8"),
        style=(HERE / "ergo_section.css").read_text("utf-8"),
        data=_data(assessment, world.skeleton),
    )


def _data(assessment: Assessment, skeleton: Skeleton) -> Iterator[str]:
    results = list(assessment.methods.values())
    parts = list(assessment.parts)
    yield json_block(
        "ergo-data",
        {
            "methods": [
                {
                    "title": result.title,
                    "levels": [[level.name, level.color] for level in result.levels],
                    "hasScore": "score" in result.frames,
                }
                for result in results
            ],
            "parts": parts,
            "riskColors": risk_colors(),
            "riskNames": RISK_NAMES,
            "unknown": unknown_color(),
            "partOfJoint": [
                parts.index(part) if (part := part_of_joint(name)) in parts else -1
                for name in skeleton.canonical
            ],
        },
    )
    levels = np.stack([result.level for result in results])
    scores = np.stack([np.nan_to_num(result.frames.get("score", result.level * 0.0)) for result in results])
    for name, values in (
        ("ergo-levels", np.where(levels == UNKNOWN, NO_LEVEL, levels)),
        ("ergo-scores", scores),
        (
            "ergo-risks",
            np.stack([np.where(risk == UNKNOWN, NO_LEVEL, risk) for risk in assessment.parts.values()]),
        ),
    ):
        yield from data_block(name, BytesIO(values.astype(np.uint8).tobytes()))


def _moments(moments: Sequence[Moment], assessment: Assessment, world: WorldMotion) -> str:
    if not moments:
        return "<h3>Worst moments</h3>\n<p>No method asks for action at any moment.</p>\n"
    items = ""
    for moment in moments:
        second = world.time_s[moment.frame]
        words = "; ".join(
            f"{result.title} {_score_text(result, moment.frame)}"
            for result in assessment.methods.values()
            if result.level[moment.frame] > 0 and ("score" in result.frames or len(assessment.methods) < 3)
        )
        if why := _worst_parts(assessment, moment.frame):
            words += f". {why}"
        items += (
            f'<li><button type="button" class="ergo-moment" data-seconds="{second:.6f}">{moment.html}'
            f"<span><b>{second:.2f} s</b> {escape(words)}</span></button></li>\n"
        )
    return (
        f'<h3>Worst moments</h3>\n<p class="hint">{len(moments)} spread over time, chosen by the mean risk of the '
        f'methods; click to go there.</p>\n<ol class="ergo-moments">\n{items}</ol>\n'
    )


def _worst_parts(assessment: Assessment, frame: int) -> str:
    """The parts at the highest risk of a moment, if that is high."""
    risks = {part.replace("_", " "): int(risk[frame]) for part, risk in assessment.parts.items()}
    worst = max(risks.values())
    return (
        f"{RISK_NAMES[worst].capitalize()}: {', '.join(part for part in risks if risks[part] == worst)}"
        if worst > 1
        else ""
    )


def _score_text(result: MethodResult, frame: int) -> str:
    score = f"{result.frames['score'][frame]:.0f}, " if "score" in result.frames else ""
    return score + result.levels[result.level[frame]].name


def _shares(assessment: Assessment) -> str:
    rows = ""
    for result in assessment.methods.values():
        bar, at = "", 0.0
        for level, share in zip(result.levels, result.shares.values(), strict=True):
            if share:
                bar += f'<path d="M{100 * at:.2f} 0H{100 * (at + share):.2f}V8H{100 * at:.2f}Z" fill="{level.color}"/>'
            at += share
        texts = "".join(
            f"<span>{swatch(level.color)}{escape(level.name)} {result.shares[level.name]:.1%}</span> "
            for level in result.levels
        )
        mark = f" <small>{result.mark}</small>" if result.mark else ""
        rows += (
            f'<tr><th scope="row">{escape(result.title)}{mark}</th><td><svg class="ergo-bar" viewBox="0 0 100 8" '
            f'preserveAspectRatio="none" aria-hidden="true">{bar}</svg><p class="key">{texts}</p></td></tr>\n'
        )
    scored_s = float(assessment.known.sum()) / assessment.fps
    details = "".join(_summary_table(result, scored_s) for result in assessment.methods.values())
    return (
        "<h3>Share of time by action level</h3>\n"
        f'<table class="ergo-shares"><tbody>\n{rows}</tbody></table>\n'
        f"<details><summary>Longest holds, events a minute, and more</summary>\n{details}</details>\n"
    )


def _summary_table(result: MethodResult, scored_s: float) -> str:
    """A method's summary: what stands before the first comma of its texts makes the rows, what follows the columns."""
    cells: dict[str, dict[str, str]] = {}
    for text, value in result.summary.items():
        row, _, column = text.partition(", ")
        if column != "share of time":
            cells.setdefault(row, {})[_heading(column, scored_s)] = _cell(column, value)
    columns = list(dict.fromkeys(column for row in cells.values() for column in row))
    heads = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    rows = "".join(
        f'<tr><th scope="row">{escape(row.replace("_", " "))}</th>'
        + "".join(f"<td>{escape(values.get(column, ''))}</td>" for column in columns)
        + "</tr>\n"
        for row, values in cells.items()
    )
    return (
        f'<div class="scroll"><table class="numbers"><thead><tr><th scope="col">{escape(result.title)}</th>{heads}</tr>'
        f"</thead><tbody>\n{rows}</tbody></table></div>\n"
    )


def _heading(column: str, scored_s: float) -> str:
    """Of a column; what is told by the minute says so where it comes from less than one."""
    if column == PER_MINUTE and scored_s < MINUTE_S:
        return f"{column}, extrapolated from {scored_s:.1f} s"
    return column or "score"


def _cell(column: str, value: float | str) -> str:
    """A value as exactly as a video can tell it."""
    if isinstance(value, str):
        return value
    if column.startswith("share of"):
        return f"{value:.0%}"
    return f"{round(float(value), 1):g}"


def _lift(lift: tuple[LiftGeometry, Niosh, Niosh], assessment: Assessment) -> str:
    geometry, begin, end = lift
    rows = {
        "H, hands in front of the ankles, cm": (geometry.h_cm, geometry.end_h_cm),
        "V, hands above the floor, cm": (geometry.v_cm, geometry.end_v_cm),
        "D, way of the load, cm": (geometry.d_cm, geometry.d_cm),
        "A, turn to the side, degrees": (abs(geometry.a_deg), abs(geometry.end_a_deg)),
    }
    for name, value in begin.lines().items():
        unit = ", kg" if name == "weight_limit" else ""
        rows[name.replace("_", " ").replace("weight limit", "recommended weight limit") + unit] = (
            value,
            end.lines()[name],
        )
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(f"<td>{_lift_cell(one)}</td>" for one in pair)
        + "</tr>\n"
        for name, pair in rows.items()
    )
    outside = "".join(
        f"<p><strong>{moment}: {OUTSIDE}.</strong> {escape('; '.join(one.outside))}. The multiplier is then 0 and "
        "there is no lifting index; that is no measure of the risk.</p>\n"
        for moment, one in (("Begin", begin), ("End", end))
        if one.outside
    )
    return (
        f"<h3>NIOSH lifting equation <small>{limits_mark('niosh')}</small></h3>\n"
        f'<p class="hint">Lift of {assessment.inputs.load_kg:g} kg; H, V, D and A are estimated from joint centres.'
        f"</p>\n{outside}"
        '<div class="scroll"><table class="numbers"><thead><tr><th scope="col"></th><th scope="col">Begin</th>'
        f'<th scope="col">End</th></tr></thead><tbody>\n{body}</tbody></table></div>\n'
    )


def _lift_cell(value: float) -> str:
    """A number; "–" for an index that there is not: without a load, or outside of the equation."""
    return f"{value:.2f}" if np.isfinite(value) else "–"


def _lists(assessment: Assessment, notes: Sequence[str]) -> str:
    def items(lines: Sequence[str]) -> str:
        return "".join(f"<li>{escape(line)}</li>\n" for line in lines)

    return (
        f'<div class="notes"><h3>Assumed</h3><ul>\n{items([*notes, *assessment.assumptions])}</ul></div>\n'
        f"<details><summary>Thresholds</summary><ul>\n{items(assessment.thresholds.lines())}</ul></details>\n"
    )
