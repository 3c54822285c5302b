#!/usr/bin/env python
"""Write batch files for 3DSSPP from 3D joints, and read what 3DSSPP exports; docs/sspp.md.

    python tools/sspp.py write out/X3D_world.npz lift.txt --stature 1.75 --weight 80 --gender male --load_kg 10
    python tools/sspp.py read batchinput_export.txt lift.csv

JOINTS are X3D_world.npz of infer_wild.py, predictions.npz of train.py, or a data pickle.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.comparison.files import load_labels, load_result
from lib.ergo.sspp import FORMS, GENDERS, BatchSettings, Clip, HandLoad, Person, write_batch
from lib.ergo.sspp_export import read_export, write_export_csv
from lib.ergo.sspp_frames import FACINGS, FLOORS
from lib.ergo.sspp_points import conventions
from lib.errors import UserError, error_line
from lib.pose_result import PoseResult
from lib.skeleton import load_skeleton
from lib.wild.hand_formats import load_union


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    write = commands.add_parser("write", help="joints to a batch file")
    write.set_defaults(run=run_write)
    add, default = write.add_argument, BatchSettings()
    add("joints", metavar="JOINTS", type=Path)
    add("out", metavar="OUT.txt", type=Path)
    add("--stature", type=float, metavar="M", help="the person's height (required)")
    add("--weight", type=float, metavar="KG", help="the person's weight (required)")
    add("--gender", choices=GENDERS, help="of 3DSSPP's body (required)")
    add("--load_kg", type=float, default=0.0, metavar="KG", help="load in the hands [%(default)s]")
    add("--load_side", default="both", metavar="SIDE", help="both, left or right [%(default)s]")
    add("--load_seconds", type=float, nargs=2, metavar=("BEGIN", "END"), help="when it is held [always]")
    add("--form", choices=FORMS.names(), default=default.form, help="39 points or 42 angles [%(default)s]")
    add("--convention", choices=conventions(), default=default.convention, help="of points [%(default)s]")
    add("--every", type=int, default=default.every, metavar="N", help="only every Nth frame [%(default)s]")
    add("--facing", choices=FACINGS, default=default.facing, help="direction of y [%(default)s]")
    add("--floor", choices=FLOORS, help="where z = 0 is [start; frame for poses without their place]")
    add("--foot_height_m", type=float, default=default.foot_height_m, metavar="M", help="[%(default)s]")
    add("--foot_speed_m_s", type=float, default=default.foot_speed_m_s, metavar="V", help="[%(default)s]")
    add("--only", default="", metavar="TEXT", help="only videos with this in their source or camera")
    add("--task", metavar="NAME", help="task name [that of the video]")
    for name in ("analyst", "comments", "company"):
        add(f"--{name}", default=getattr(default, name), metavar="TEXT")
    add("--pitch", type=float, metavar="DEG", help="how far the camera looks down, if the file has no up")
    add("--fps", type=float, metavar="N", help="frames a second, if the file does not say")
    add("--joint_format", metavar="FORMAT", help="of a pickle, or the YAML of your own format")
    add("--split", default="test", help="of a pickle [%(default)s]")
    read = commands.add_parser("read", help="export of version 6 (.exp) or 7 (.txt) to CSV")
    read.set_defaults(run=run_read)
    read.add_argument("export", type=Path)
    read.add_argument("out", metavar="OUT.csv", type=Path)
    read.add_argument("--wide", action="store_true", help="one row a frame, not one a value")
    return parser.parse_args(argv)


def run_write(arguments: argparse.Namespace) -> None:
    if lacking := [name for name in ("stature", "weight", "gender") if getattr(arguments, name) is None]:
        raise UserError(f"3DSSPP needs the person: give {', '.join(f'--{name}' for name in lacking)}")
    person = Person(arguments.gender, arguments.stature, arguments.weight)
    result = read_result(arguments)
    clips = clips_of(result, person, arguments)
    settings = BatchSettings(
        form=arguments.form,
        convention=arguments.convention,
        facing=arguments.facing,
        floor=arguments.floor or ("start" if all(clip.in_room for clip in clips) else "frame"),
        foot_height_m=arguments.foot_height_m,
        foot_speed_m_s=arguments.foot_speed_m_s,
        every=arguments.every,
        load_seconds=tuple(arguments.load_seconds) if arguments.load_seconds else None,
        analyst=arguments.analyst,
        comments=arguments.comments,
        company=arguments.company,
    )
    load = HandLoad.of_weight(arguments.load_kg, arguments.load_side)
    report = write_batch(arguments.out, clips, result.skeleton, person, load, settings)
    feet = ", ".join(f"{word} in {count}" for word, count in report.support.items() if count)
    print(
        f"{arguments.out}: {report.frames} frames of {len(clips)} tasks; {report.left_out} left out; "
        f"feet that bear weight: {feet}"
    )
    print("\n".join(f"  {line}" for line in report.assumptions))


def read_result(arguments: argparse.Namespace) -> PoseResult:
    """Poses of any of the three kinds of file."""
    path, joint_format = arguments.joints, arguments.joint_format
    if path.suffix != ".pkl":
        own = joint_format and joint_format.lower().endswith((".yaml", ".yml"))
        return load_result(path, "", load_skeleton(joint_format) if own else None, load_union)
    if joint_format is None:
        raise UserError(f"{path} does not say its joint format: give --joint_format")
    return load_labels(path, arguments.split, load_skeleton(joint_format))


def clips_of(result: PoseResult, person: Person, arguments: argparse.Namespace) -> list[Clip]:
    """One clip a video, in metres."""
    fps = result.fps if arguments.fps is None else arguments.fps
    if fps is None:
        raise UserError(f"{arguments.joints} does not say its frame rate: give --fps")
    if not 0 < fps < np.inf:
        raise UserError(f"--fps {fps:g}: must be over 0")
    up = result.up
    if arguments.pitch is not None and up is None:
        pitch = np.radians(arguments.pitch)
        up = np.broadcast_to([0.0, -np.cos(pitch), -np.sin(pitch)], (result.num_frames, 3))
    if up is None:
        raise UserError(
            f"{arguments.joints} does not say which way is up: give --pitch (0 for a level camera)"
        )
    metres, notes = 1.0, result.notes
    if result.units == "arbitrary":  # 1 is the person's height
        metres = person.stature_m
        notes = (*notes, f"size not measured: scaled so that the person is {metres:g} m tall")
    clips = []
    for key, rows in result.videos().items():
        if arguments.only not in " ".join(key):
            continue
        name = " ".join(filter(None, key)) or result.name
        clips.append(
            Clip(
                task=arguments.task or name,
                positions_m=result.joints_mm[rows] * (metres / 1000.0),
                fps=fps,
                up=up[rows],
                frames=result.frame[rows],
                in_room=result.axes == "world",
                notes=notes,
            )
        )
    if not clips:
        known = "; ".join(" ".join(key) for key in list(result.videos())[:5])
        raise UserError(f"no video has '{arguments.only}' in its source or camera; there are {known}")
    return clips


def run_read(arguments: argparse.Namespace) -> None:
    table = read_export(arguments.export)
    write_export_csv(arguments.out, table, wide=arguments.wide)
    counts = ", ".join(f"{task} ({table.task.count(task)})" for task in dict.fromkeys(table.task))
    print(f"{arguments.out}: {len(table.task)} frames, {len(table.columns)} columns; tasks: {counts}")


def main(argv: list[str] | None = None) -> int:
    """Write or read as the command line says; a user's mistake is one line and exit code 2."""
    arguments = parse_arguments(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        arguments.run(arguments)
    except (UserError, OSError) as error:
        print(error_line(error), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
