"""Exports of 3DSSPP: both layouts, files that are not whole, differences of results."""

import csv
from pathlib import Path

import numpy as np
import pytest

from lib.comparison.sspp import compare_exports
from lib.ergo.sspp_export import export_layout, read_export, version_6_header, write_export_csv
from lib.errors import UserError
from tools import sspp as tool


def export_line(header, task: str, seed: int) -> list[str]:
    """A line of numbers for that header, as the program lays it out."""
    rng = np.random.default_rng(seed)
    info = {"Analyst": "A", "Company Name": "C", "Units": "Metric", "Task Name": task, "Gender": "Male"}
    return [
        info.get(name, "Acceptable" if name == "Balance Status" else f"{rng.normal(100, 30):.2f}")
        if not name.endswith(" Start")
        else ""
        for name in header
    ]


V7_HEADER = [
    *("Analyst", "Company Name", "Units", "Task Name", "Gender", "Height", "Weight", "Summary Start"),
    *(
        "L5/S1 Compression",
        "Minimum Neck Percentile",
        "Strength Capability Percentile Start",
        "Right Wrist Flexion",
    ),
]


def write_export(path: Path, tasks, version: int, seed: int = 0) -> Path:
    header = list(version_6_header()) if version == 6 else V7_HEADER
    lines = []
    for number, task in enumerate(tasks):
        if version == 7:
            lines.append(header)
        lines.append(export_line(header, task, seed + number))
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    return path


def test_columns_of_version_6():
    header = version_6_header()
    assert len(header) == export_layout()["columns"] == 566
    counts, category = {"Info": 0}, "Info"
    for name in header:
        if name.endswith(" Start"):
            category = name.removesuffix(" Start")
        counts[category] = counts.get(category, 0) + (not name.endswith(" Start"))
    assert counts == {
        **{"Info": 7, "Summary": 12, "Strength Capability": 23, "Low Back": 57, "Fatigue": 69, "Balance": 7},
        **{"Hand Forces": 6, "Segment Angles": 39, "Posture Angles": 38, "Joint Locations": 96},
        **{"Joint Forces": 105, "Joint Moments": 96},
    }
    assert header[:9] == (*export_layout()["categories"]["Info"], "Summary Start", "L5/S1 Compression")
    assert header[-1] == "Center of Balls of Feet Z"


@pytest.mark.parametrize("version", [6, 7])
def test_exports_become_tidy_tables(tmp_path, version):
    path = write_export(tmp_path / "export.txt", ["lift", "lift", "lower", "lift"], version)
    table = read_export(path)
    columns = 566 - 11 if version == 6 else 10
    assert len(table.columns) == columns and table.values.shape == (4, columns)
    assert table.task == ("lift", "lift", "lower", "lift") and table.frame.tolist() == [0, 1, 0, 2]
    header = list(version_6_header()) if version == 6 else V7_HEADER
    expected = export_line(header, "lower", 2)
    assert table.column("Summary", "L5/S1 Compression")[2] == float(
        expected[header.index("L5/S1 Compression")]
    )
    long = list(table.long())
    assert len(long) == 4 * columns and long[0] == ("lift", 0, "Info", "Analyst", "A")
    write_export_csv(tmp_path / "long.csv", table)
    write_export_csv(tmp_path / "wide.csv", table, wide=True)
    with (tmp_path / "long.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert (
        len(rows) == len(long)
        and rows[-1]["task"] == "lift"
        and float(rows[-1]["value"]) == table.values[-1, -1]
    )
    with (tmp_path / "wide.csv").open() as file:
        wide = list(csv.reader(file))
    assert len(wide) == 5 and len(wide[0]) == columns + 2 and wide[0][9] == "Summary - L5/S1 Compression"
    with pytest.raises(UserError, match="no column"):
        table.column("Summary", "L6/S1 Compression")


def test_the_same_name_in_two_categories(tmp_path):
    table = read_export(write_export(tmp_path / "a.exp", ["lift"], 6))
    assert table.column("Summary", "L5/S1 Compression") != table.column("Low Back", "L5/S1 Compression")


def cut_field(lines):
    return [*lines[:-1], lines[-1].rsplit(",", 1)[0]]


@pytest.mark.parametrize(
    ("version", "change", "message"),
    [
        (6, cut_field, "line 3 has 565 fields.* 566"),
        (6, lambda lines: [lines[0] + ",1", *lines[1:]], "line 1 has 567"),
        (6, lambda lines: [*lines[:-1], lines[-1][:300]], "cut off"),
        (6, lambda lines: [], "empty"),
        (6, lambda lines: [lines[0], lines[1].replace("A", '"A', 1)], "no CSV"),
        (7, cut_field, "line 6 has 11 fields.* 12"),
        (7, lambda lines: lines[:-1], "header without data"),
        (7, lambda lines: [*lines[:2], *lines[3:]], "must repeat the header"),
        (7, lambda lines: [lines[0], *lines], "a line is missing"),
        (7, lambda lines: lines[1:], "566"),
    ],
)
def test_exports_that_are_not_whole(tmp_path, version, change, message):
    path = write_export(tmp_path / "export.txt", ["lift"] * 3, version)
    path.write_text("\n".join(change(path.read_text().splitlines())))
    with pytest.raises(UserError, match=message):
        read_export(path)


def test_differences_of_exports(tmp_path):
    truth = read_export(write_export(tmp_path / "a.txt", ["lift", "lift", "lower"], 7))
    other = read_export(write_export(tmp_path / "b.txt", ["lift", "lift", "lower"], 7, seed=9))
    rows = compare_exports({"truth": truth, "same": truth, "model": other}, "truth")
    assert {row.result for row in rows} == {"same", "model"}
    assert {row.task for row in rows} == {"lift", "lower", "all"}
    assert all(row.agreement.largest == row.agreement.bias == 0 for row in rows if row.result == "same")
    column = "Summary - L5/S1 Compression"
    wanted = ("model", "lift", column)
    found = next(row.agreement for row in rows if (row.result, row.task, row.name) == wanted)
    error = (other.column("Summary", "L5/S1 Compression") - truth.column("Summary", "L5/S1 Compression"))[:2]
    assert found.frames == 2 and found.largest == np.abs(error).max()
    assert found.bias == pytest.approx(error.mean()) and found.mae == pytest.approx(np.abs(error).mean())
    assert found.rmse == pytest.approx(np.sqrt((error**2).mean()))
    assert found.high - found.bias == pytest.approx(1.96 * error.std(ddof=1))


def test_frames_are_paired_by_task_and_number(tmp_path):
    path = write_export(tmp_path / "a.txt", ["lift", "lift", "lower"], 7)
    lines = path.read_text().splitlines()
    (tmp_path / "b.txt").write_text("\n".join([*lines[4:], *lines[:4]]))
    rows = compare_exports({"truth": read_export(path), "other": read_export(tmp_path / "b.txt")}, "truth")
    assert rows and all(row.agreement.largest == 0 for row in rows)


def test_exports_that_do_not_belong_together(tmp_path):
    table = {
        name: read_export(write_export(tmp_path / f"{name}.txt", tasks, version))
        for name, tasks, version in [
            ("truth", ["lift"] * 3, 7),
            ("short", ["lift"] * 2, 7),
            ("renamed", ["lower"] * 3, 7),
            ("old", ["lift"] * 3, 6),
        ]
    }
    for name in ("short", "renamed"):
        with pytest.raises(UserError, match="same frames"):
            compare_exports({"truth": table["truth"], name: table[name]}, "truth")
    with pytest.raises(UserError, match="did you mean 'truth'"):
        compare_exports(table, "truht")
    path = tmp_path / "english.txt"
    path.write_text((tmp_path / "truth.txt").read_text().replace("Metric", "English"))
    with pytest.raises(UserError, match="units"):
        compare_exports({"truth": table["truth"], "english": read_export(path)}, "truth")
    # columns that only one version has are left out
    both = compare_exports({"truth": table["truth"], "old": table["old"]}, "truth")
    assert {row.name.split(" - ")[1] for row in both} == {"Height", "Weight", "L5/S1 Compression"}


def test_the_tool_reads_exports(tmp_path, capsys):
    path = write_export(tmp_path / "batchinput_export.txt", ["lift", "lower"], 7)
    assert tool.main(["read", str(path), str(tmp_path / "out.csv")]) == 0
    assert "2 frames, 10 columns; tasks: lift (1), lower (1)" in capsys.readouterr().out
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 21
    assert tool.main(["read", str(tmp_path / "none.txt"), str(tmp_path / "out.csv")]) == 2
