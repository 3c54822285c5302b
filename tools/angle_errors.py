#!/usr/bin/env python
"""How far the joint angles of several joint formats are from those of the built-in worker's segments.

python tools/angle_errors.py                        # 10,000 frames; RTM-66, RTM-37, RTM-24, H36M-17, UBHand-48
python tools/angle_errors.py --write_zero_posture   # make configs/angles/_zero_posture.yaml anew

Two references, both from the rotation matrices of segments and the lengths of bones, never from joints:
  definition  what docs/angles.md defines, with the person's own segment axes of head, hand and pelvis, and the person's
              own zero posture; the finger's and forearm's angles are those that the pose was made from
  anatomy     the angle between two segments (head and thorax, arm and thorax ...) that the pose was made from
A cell: mean absolute difference / mean difference / mean absolute difference without each person's constant, which
comes from proportions unlike those of the built-in body; degrees. ~ marks stand-ins for points that the format lacks.
ergo3d: largest difference to that package where it has the angle; undefined: share of frames without a value.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.angle_definitions import ZERO_POSTURE
from lib.angles import approximate_angles, joint_angles
from lib.data.worker import WorkerTruth, make_worker_truth
from lib.data.worker.anthropometry import Subject, reference_subject
from lib.data.worker.body_points import canonical_point, place_points, point_names
from lib.data.worker.generate import draw_sessions
from lib.data.worker.kinematics import DOF_NAMES, forward
from lib.data.worker.request import Request
from lib.files import atomic_write_text
from lib.skeleton import Skeleton, load_skeleton
from tests.angle_oracle import UP, Angles, ergo3d_of, references, wrap_deg

FORMATS = ("RTM-66", "RTM-37", "RTM-24", "H36M-17", "UBHand-48")
CLIPS, SECONDS, FPS = 6, 8.0, 30.0


def zero_posture() -> dict[str, list[float]]:
    """Points of the midline and the right side (mm) of the reference person at anatomical zero."""
    subject = reference_subject()
    rotation, origin = forward(subject, np.zeros((1, 3)), np.zeros((len(DOF_NAMES), 1)))
    names = tuple(
        name for name in point_names() if not name.startswith("left_") and name != "right_heel_sole"
    )
    points = place_points(subject, rotation, origin, names)[0]
    return {
        name: [round(float(value), 2) for value in point] for name, point in zip(names, points, strict=True)
    }


def ours(truth: WorkerTruth, skeleton: Skeleton, zero: bool = True) -> Angles:
    """Angles of a format, both conventions, degrees."""
    joints = np.stack([truth.point(canonical_point(name)) for name in skeleton.canonical], axis=1)
    found: Angles = {}
    for convention in ("paper", "VEHS"):
        found |= joint_angles(joints, skeleton, up=UP, convention=convention, zero_posture=zero)
    return {name: np.degrees(angle) for name, angle in found.items()}


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--joint_format", nargs="+", default=FORMATS, help="joint formats (default: %(default)s)"
    )
    parser.add_argument("--frames", type=int, default=10_000, help="number of frames (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the generated motion (default: %(default)s)")
    parser.add_argument("--write_zero_posture", action="store_true", help="write the zero posture and stop")
    return parser.parse_args(argv)


def rows(
    truth: WorkerTruth, people: dict[str, Subject], formats: list[str], frames: int
) -> Iterator[list[str]]:
    """Lines of the table, left and right together."""
    skeletons = [load_skeleton(name) for name in formats]
    definition, anatomy = references(truth, people)
    found = [ours(truth, skeleton) for skeleton in skeletons]
    marked = [
        set().union(*(approximate_angles(one, kind) for kind in ("paper", "VEHS"))) for one in skeletons
    ]
    raw = {one.name: ours(truth, one, zero=False) for one in skeletons if "RRS" in one.joints}
    theirs = {one.name: ergo3d_of(truth, one) for one in skeletons if one.name in raw}
    yield ["angle", *(f"{name}: definition" for name in formats), "anatomy, best", "ergo3d", "undefined"]
    person = np.unique(np.asarray(truth.subject)[:frames], return_inverse=True)[1]
    names = dict.fromkeys(
        name.removeprefix("left_").removeprefix("right_") for angles in found for name in angles
    )

    def both(angles: Angles, name: str) -> np.ndarray | None:
        parts = [angles[key][:frames] for key in (name, f"left_{name}", f"right_{name}") if key in angles]
        return np.concatenate(parts) if parts else None

    for name in names:
        cells, reference = [], both(definition, name)
        commanded = both(anatomy, name)
        reference = commanded if reference is None else reference
        for angles, near in zip(found, marked, strict=True):
            own = both(angles, name)
            stand_in = own is not None and any(key.endswith(name) for key in near)
            cells.append(cell(own, reference, person) + (" ~" if stand_in else ""))
        best = next(both(angles, name) for angles in found if both(angles, name) is not None)
        pairs = [(both(raw[key], name), both(theirs[key], name)) for key in theirs]
        other = [np.nanmax(np.abs(wrap_deg(one - two))) for one, two in pairs if two is not None]
        largest = f"{max(other):.3f}" if other else ""
        yield [name, *cells, cell(best, commanded, person), largest, f"{np.isnan(best).mean():.1%}"]


def cell(angle: np.ndarray | None, reference: np.ndarray | None, person: np.ndarray) -> str:
    """Mean absolute and mean difference in degrees, and the first without the constant of each person (F,)."""
    if angle is None or reference is None:
        return "-"
    difference = wrap_deg(angle - reference)
    person = np.tile(person, len(difference) // len(person)) + 1000 * np.repeat(
        np.arange(len(difference) // len(person)), len(person)
    )
    own = [difference[person == one] for one in np.unique(person)]
    varying = np.concatenate([part - np.nanmedian(part) for part in own if not np.isnan(part).all()])
    means = (np.nanmean(np.abs(difference)), np.nanmean(difference), np.nanmean(np.abs(varying)))
    return "{:.2f} / {:+.2f} / {:.2f}".format(*means)


def main(argv: list[str] | None = None) -> None:
    arguments = parse_arguments(argv)
    if arguments.write_zero_posture:
        head = (
            "# The built-in body of 1750 mm in the zero posture: upright, arms hanging, palms to the thighs.\n"
            "# x forward, y up, z to the person's right, mm; the left side is the mirror image.\n"
            "# Made by: python tools/angle_errors.py --write_zero_posture\n"
        )
        text = yaml.safe_dump(zero_posture(), default_flow_style=None, sort_keys=False)
        atomic_write_text(ZERO_POSTURE, head + text)
        print(f"wrote {ZERO_POSTURE}")
        return
    per_person = round(CLIPS * SECONDS * FPS)
    how = {"seed": arguments.seed, "subjects": -(-arguments.frames // per_person), "clips": CLIPS}
    how |= {"seconds": SECONDS, "fps": FPS, "tasks": None, "split": "train"}
    people = {session.subject.name: session.subject for session, _ in draw_sessions(Request(**how))}
    truth = make_worker_truth(load_skeleton("H36M-17"), **how, cameras=1, detector=False)
    table = list(rows(truth, people, list(arguments.joint_format), arguments.frames))
    for line in table:
        print("| " + " | ".join(line) + " |")
        if line is table[0]:
            print("|" + "---|" * len(line))


if __name__ == "__main__":
    main()
