"""comparison.html: one file with the tables and figures of a comparison, which opens offline and runs no script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

from lib.comparison.compare import Comparison
from lib.comparison.figures import POINTS, angle_boxes, angles_by_figure, bland_altman, joint_boxes
from lib.comparison.measures import ALL_TASKS, LIMIT_SDS, Row
from lib.comparison.tables import STAND_INS, Table, angle_summary, headline, joint_table, task_table
from lib.files import atomic_write_bytes, atomic_write_text

STYLE = Path(__file__).with_name("page.css")


def write_comparison_page(
    out: Path,
    comparison: Comparison,
    rows: Sequence[Row],
    *,
    title: str,
    more: Mapping[str, Table] | None = None,
) -> None:
    """Write comparison.html and figures/*.png into a folder; ``more`` are tables of other results by their heading.

    Every text is escaped; the page's policy lets nothing load or run.
    """
    figures = _figures(comparison)
    for name, png in figures.items():
        atomic_write_bytes(out / "figures" / f"{name}.png", png)
    style = STYLE.read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body>\n<h1>{escape(title)}</h1>\n"
    )
    body = "\n".join(_sections(comparison, rows, figures, more or {}))
    atomic_write_text(out / "comparison.html", f"{head}{body}\n</body></html>\n")


def _figures(comparison: Comparison) -> dict[str, bytes]:
    """PNG by name, in the order of the page."""
    figures = {}
    if (joints := joint_boxes(comparison)) is not None:
        figures["joints"] = joints
    if comparison.truth_deg:
        figures["angles"] = angle_boxes(comparison)
    for name, angles in angles_by_figure(list(comparison.truth_deg)).items():
        figures[f"bland_altman_{name}"] = bland_altman(comparison, angles)
    return figures


def _sections(
    comparison: Comparison, rows: Sequence[Row], figures: Mapping[str, bytes], more: Mapping[str, Table]
) -> Iterator[str]:
    yield from (f"<p>{escape(line)}</p>" for line in headline(comparison))
    if comparison.notes:
        yield "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in comparison.notes) + "</ul>"
    yield "<h2>Joints, mm</h2>"
    yield _table(joint_table(comparison, rows))
    yield "<h2>Angles, degrees</h2>"
    yield _hint("Means over the angles of their absolute, root mean square and median errors.")
    yield _table(angle_summary(comparison, rows))
    if len(comparison.tasks()) > 1:
        yield "<h2>Tasks</h2>"
        yield _table(task_table(comparison, rows))
    if "joints" in figures:
        yield "<h2>Joint errors in each task</h2>"
        yield _hint("Box: middle half of the frames, line: median, whiskers: 95 of 100 frames.")
        yield _figure(figures["joints"], "Box plots of joint errors for each task and result")
    if "angles" in figures:
        yield "<h2>Differences of each angle</h2>"
        yield _hint("Box: middle half of the frames, line: median, whiskers: 95 of 100 frames.")
        yield _figure(figures["angles"], "Box plots of the differences of each angle and result")
        yield _hint(f"In the table, {STAND_INS}.")
        yield _details("Every measure of every angle", _table(_measures(comparison, rows)))
    if len(comparison.tasks()) > 1:
        yield _details(
            "Mean absolute error of every angle in every task, deg", _table(_by_task(comparison, rows))
        )
    for heading, table in more.items():
        yield f"<h2>{escape(heading)}</h2>"
        yield _table(table)
    if comparison.truth_deg:
        yield "<h2>Bland-Altman plots</h2>"
        yield _hint(
            f"Line: bias; dashed: bias ± {LIMIT_SDS} standard deviations; at most {POINTS} frames are drawn, evenly "
            "spaced. Frames of one video resemble each other: the limits describe these frames, not a population."
        )
    for name in angles_by_figure(list(comparison.truth_deg)):
        title = name.replace("_", " ")
        yield _details(title, _figure(figures[f"bland_altman_{name}"], f"Bland-Altman plots of {title}"))


def _measures(comparison: Comparison, rows: Sequence[Row]) -> Table:
    """One line an angle and result, all measures in degrees."""
    measures = ("mae", "rmse", "median", "bias", "sd", "low", "high")
    table = [
        ["angle", "result", "frames", "MAE", "RMSE", "median", "bias", "SD", "lower limit", "upper limit"]
    ]
    kept = [row for row in rows if row.kind == "angle" and row.task == ALL_TASKS]
    for name in dict.fromkeys(row.name for row in kept):
        for row in (row for row in kept if row.name == name):
            values = [f"{getattr(row.agreement, key):.1f}" for key in measures]
            mark = " ~" if name in comparison.stand_ins[row.result] else ""
            table.append([name.replace("_", " "), row.result + mark, str(row.agreement.frames), *values])
    return table


def _by_task(comparison: Comparison, rows: Sequence[Row]) -> Table:
    found = {(row.name, row.result, row.task): row for row in rows if row.kind == "angle"}
    tasks = comparison.tasks()
    table = [["angle", "result", *tasks]]
    for angle in comparison.truth_deg:
        for name in comparison.differences_deg:
            held = [found.get((angle, name, task)) for task in tasks]
            if any(held):
                cells = ["-" if row is None else f"{row.agreement.mae:.1f}" for row in held]
                table.append([angle.replace("_", " "), name, *cells])
    return table


def _table(table: Table) -> str:
    head, *lines = table
    rows = [_line(head, "th"), *(_line(line, "td") for line in lines)]
    return f'<div class="scroll"><table>{"".join(rows)}</table></div>'


def _line(cells: Sequence[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def _figure(png: bytes, text: str) -> str:
    data = base64.b64encode(png).decode()
    return f'<figure><img alt="{escape(text)}" src="data:image/png;base64,{data}"></figure>'


def _details(summary: str, content: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def _hint(text: str) -> str:
    return f'<p class="hint">{escape(text)}</p>'
