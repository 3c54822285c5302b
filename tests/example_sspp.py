"""A person in known poses for tests of 3DSSPP, as joints of any format, points and clips: x right, y forward, z up."""

from pathlib import Path

import numpy as np

from lib.data.worker.anthropometry import reference_subject
from lib.data.worker.body_points import needed_segments, place_points
from lib.data.worker.body_points import point_names as worker_points
from lib.data.worker.kinematics import DOF_INDEX, DOF_NAMES, forward
from lib.ergo.sspp import BatchSettings, Clip, HandLoad, Person, write_batch
from lib.ergo.sspp_angles import joa_angles, joa_names
from lib.ergo.sspp_batch import read_batch
from lib.ergo.sspp_points import LocPoints, point_names
from lib.skeleton import load_skeleton

STATURE_M = 1.75
PERSON = Person("male", STATURE_M, 80.0)
PAPER_FORMATS = ("RTM-66", "RTM-37", "RTM-24", "H36M-17")


def posed(frames: int = 1, height_m: float = 0.0, **dofs_deg) -> dict[str, np.ndarray]:
    """Points (F,3) of the reference person in metres: x right, y forward, z up; all angles 0 but those given."""
    subject = reference_subject()
    dofs = np.zeros((len(DOF_NAMES), frames))
    for name, value in dofs_deg.items():
        dofs[DOF_INDEX[name]] = value
    pelvis = np.tile([0.0, 0.530 * subject.stature_mm, 0.0], (frames, 1))
    names = (*worker_points(),)
    rotation, origin = forward(subject, pelvis, dofs, needed_segments(names))
    points = place_points(subject, rotation, origin, names) / 1000.0
    points = points[..., [2, 0, 1]] + [0.0, 0.0, height_m]
    lumbar = origin["abdomen"][:, [2, 0, 1]] / 1000.0
    return {name: points[:, number] for number, name in enumerate(names)} | {"lumbar": lumbar}


def joints_of(body: dict[str, np.ndarray], format_name: str) -> np.ndarray:
    return np.stack([body[name] for name in load_skeleton(format_name).canonical], axis=1)


def loc_of(
    body: dict[str, np.ndarray], format_name: str, convention: str = "joint_centers"
) -> dict[str, np.ndarray]:
    made = LocPoints(load_skeleton(format_name), convention).make(joints_of(body, format_name), STATURE_M)
    return {name: made[:, number] for number, name in enumerate(point_names())}


def joa_of(format_name: str = "RTM-66", **dofs_deg) -> dict[str, int]:
    points = LocPoints(load_skeleton(format_name)).make(joints_of(posed(**dofs_deg), format_name), STATURE_M)
    return dict(zip(joa_names(), joa_angles(points)[0].tolist(), strict=True))


def clip_of(format_name: str = "RTM-66", body: dict | None = None, **more) -> Clip:
    positions = joints_of(body or posed(frames=4), format_name)
    return Clip(**({"task": "lift", "positions_m": positions, "fps": 10.0, "up": (0.0, 0.0, 1.0)} | more))


def written(tmp_path: Path, clips=None, format_name="RTM-66", load=None, **settings):
    path = tmp_path / "batch.txt"
    report = write_batch(
        path,
        clips or [clip_of(format_name)],
        load_skeleton(format_name),
        PERSON,
        load or HandLoad.of_weight(10.0),
        BatchSettings(**settings),
    )
    return path.read_text(), read_batch(path), report
