"""Every export read back by programs that others wrote: names, times and places, for every joint format."""

from __future__ import annotations

import csv
import dataclasses
import json
import time
import warnings
from pathlib import Path

import c3d
import ezc3d
import numpy as np
import pybvh
import pytest
import trc

from lib.data.bvh import read_bvh
from lib.errors import UserError
from lib.skeleton import Skeleton, list_skeletons, load_skeleton
from lib.wild.exports import EXPORTS, write_bvh, write_c3d, write_csv, write_json, write_rigid_bvh, write_trc
from lib.wild.exports.bvh_file import zxy_degrees
from lib.wild.exports.kinematics import turn
from lib.wild.exports.text import plain_names
from lib.wild.records import Flag, WorldMotion

MM = 1e-3
TRC_KEYS = [
    *("DataRate", "CameraRate", "NumFrames", "NumMarkers"),
    *("Units", "OrigDataRate", "OrigDataStartFrame", "OrigNumFrames"),
]
ROOT = Path(__file__).resolve().parents[1]
EVERY_SKELETON = pytest.mark.parametrize("skeleton", list_skeletons())
EVERY_EXPORT = pytest.mark.parametrize("name", EXPORTS.names())
# c3d 0.6 warns that the file has no force plates, and of a block of zeros at the end
pytestmark = [
    pytest.mark.filterwarnings("ignore:No analog data found:UserWarning"),
    pytest.mark.filterwarnings("ignore:incomplete reading of data blocks. 512 bytes:UserWarning"),
]


def person(
    skeleton: Skeleton | str,
    frames: int = 40,
    *,
    fps: float = 29.97,
    stretch: float = 0.04,
    absent: tuple[slice, ...] = (slice(0, 2), slice(10, 15)),
    units: str = "m",
) -> WorldMotion:
    """Somebody who walks in a circle; limbs change their length by about ``stretch`` of it."""
    skeleton = load_skeleton(skeleton) if isinstance(skeleton, str) else skeleton
    generator = np.random.default_rng(3)
    seconds = np.arange(frames) / fps
    body = generator.uniform([-0.4, -0.8, -0.2], [0.4, 0.8, 0.2], (skeleton.num_joints, 3))
    phase = generator.uniform(0, 6, (1, *body.shape))
    pose = body * (1 + stretch * np.sin(5 * seconds[:, None, None] + phase))
    cosine, sine = np.cos(seconds), np.sin(seconds)
    walk = np.stack([2 * sine, 0 * sine + 0.9, 2 * cosine], axis=1)
    positions = np.stack(
        [
            cosine[:, None] * pose[..., 0] + sine[:, None] * pose[..., 2],
            pose[..., 1],
            cosine[:, None] * pose[..., 2] - sine[:, None] * pose[..., 0],
        ],
        axis=-1,
    )
    positions = (positions + walk[:, None]).astype(np.float32)
    flag = np.full(positions.shape[:2], Flag.SEEN, np.uint8)
    flag[frames // 2] = Flag.INTERPOLATED
    for gap in absent:
        positions[gap], flag[gap] = np.nan, Flag.ABSENT
    return WorldMotion(
        positions=positions,
        root=np.asarray(skeleton.root_of(positions))[:, 0],
        confidence=np.where(flag == Flag.SEEN, 0.875, 0).astype(np.float32),
        flag=flag,
        time_s=seconds,
        units=units,
        skeleton=skeleton,
        foot_contact=np.zeros((frames, 2), bool),
        fps=fps,
        pitch_deg=4.0,
        notes=("the floor is approximate",),
    )


def renamed(skeleton: Skeleton, names: dict[str, str]) -> Skeleton:
    """The same format with other joint names."""

    def new(joint: str) -> str:
        return names.get(joint, joint)

    return dataclasses.replace(
        skeleton,
        joints=tuple(map(new, skeleton.joints)),
        root=tuple(map(new, skeleton.root)),
        limbs=tuple((new(first), new(second)) for first, second in skeleton.limbs),
    )


def assert_places(read: np.ndarray, world: WorldMotion, tolerance: float = MM) -> None:
    """The same joints are absent, and the others stand where they should."""
    assert read.shape == world.positions.shape
    assert np.array_equal(np.isnan(read), np.isnan(world.positions))
    assert np.nanmax(np.linalg.norm(read - world.positions, axis=-1)) < tolerance


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_strict_json(path: Path) -> dict:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def read_points(path: Path) -> tuple[list[str], np.ndarray, c3d.Reader]:
    """Labels, points (F,J,3) in mm, and the reader for its parameters."""
    with path.open("rb") as file:
        reader = c3d.Reader(file)
        points = np.stack([points for _, points, _ in reader.read_frames()])
    absent = points[..., 3] == -1
    assert not points[absent][:, :3].any()
    return (
        [label.strip() for label in reader.point_labels],
        np.where(absent[..., None], np.nan, points)[..., :3],
        reader,
    )


def bvh_joints(path: Path, world: WorldMotion) -> np.ndarray:
    """Places (F,J,3) by pybvh's own forward kinematics."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        motion = pybvh.read_bvh_file(path, world_up="+y")
    assert motion.frame_count == world.num_frames
    assert motion.frame_time == pytest.approx(1 / world.fps, rel=1e-4)
    places = motion.node_positions()
    return places[:, [motion.node_index[name] for name in plain_names(world.skeleton.joints)]]


@EVERY_SKELETON
def test_csv(tmp_path, skeleton):
    world = person(skeleton)
    write_csv(tmp_path / "a.csv", world)
    rows = read_table(tmp_path / "a.csv")
    names = list(world.skeleton.joints)
    assert [row["joint"] for row in rows] == names * world.num_frames
    assert [int(row["frame"]) for row in rows] == np.repeat(range(world.num_frames), len(names)).tolist()
    shape = world.flag.shape
    times = np.array([float(row["time_s"]) for row in rows]).reshape(shape)
    assert np.abs(times - world.time_s[:, None]).max() < 1e-6
    assert np.array_equal([float(row["confidence"]) for row in rows], world.confidence.ravel())
    assert [Flag[row["flag"].upper()] for row in rows] == world.flag.ravel().tolist()
    cells = [[row[axis] for axis in "xyz"] for row in rows]
    assert_places(
        np.array([[float(cell or "nan") for cell in row] for row in cells]).reshape(*shape, 3), world
    )


@EVERY_SKELETON
def test_json(tmp_path, skeleton):
    world = person(skeleton)
    world.positions[20, 1] = np.nan  # one joint only
    world.flag[20, 1] = Flag.ABSENT
    write_json(tmp_path / "a.json", world)
    read = read_strict_json(tmp_path / "a.json")
    assert read["joints"] == list(world.skeleton.joints)
    assert (read["units"], read["fps"], read["num_frames"]) == ("m", world.fps, world.num_frames)
    assert [frame["frame"] for frame in read["frames"]] == list(range(world.num_frames))
    assert np.abs(world.time_s - [frame["time_s"] for frame in read["frames"]]).max() < 1e-6
    assert [frame["flag"] for frame in read["frames"]] == world.flag.tolist()
    assert [frame["positions"] is None for frame in read["frames"]] == (~world.present).tolist()
    assert [frame["root"] is None for frame in read["frames"]] == (~world.present).tolist()
    missing = [[None] * world.skeleton.num_joints]
    places = [
        [joint or [np.nan] * 3 for joint in frame["positions"] or missing[0]] for frame in read["frames"]
    ]
    assert_places(np.array(places), world)


@EVERY_SKELETON
def test_trc(tmp_path, skeleton):
    world = person(skeleton)
    write_trc(tmp_path / "a.trc", world)
    read = trc.TRCData()
    read.load(tmp_path / "a.trc")
    names = plain_names(world.skeleton.joints)
    assert read["Markers"] == names
    assert (read["Units"], read["NumFrames"], read["NumMarkers"]) == ("m", world.num_frames, len(names))
    assert read["DataRate"] == read["CameraRate"] == world.fps
    assert read["Frame#"] == list(range(1, world.num_frames + 1))
    assert np.abs(np.array(read["Time"]) - world.time_s).max() < 1e-6
    assert_places(np.stack([read[name] for name in names], axis=1), world)
    # and by position, as spreadsheets read it
    table = np.genfromtxt(tmp_path / "a.trc", delimiter="\t", skip_header=6)
    assert_places(table[:, 2:-1].reshape(world.positions.shape), world)


def test_trc_has_opensims_layout(tmp_path):
    """OpenSim compares the words of the head and counts the tabs of each row."""
    world = person("H36M-17", 20, fps=30)
    write_trc(tmp_path / "walk.trc", world)
    lines = (tmp_path / "walk.trc").read_text().split("\n")
    assert lines[0] == "PathFileType\t4\t(X/Y/Z)\twalk.trc"
    assert lines[1].split("\t") == TRC_KEYS
    assert lines[2] == "30\t30\t20\t17\tm\t30\t1\t20"
    assert lines[3].startswith("Frame#\tTime\troot\t\t\tright_hip\t\t\t")
    assert lines[4].split() == [f"{axis}{number}" for number in range(1, 18) for axis in "XYZ"]
    assert lines[5] == ""
    assert {line.count("\t") for line in lines[6:-1]} == {2 + 3 * 17}
    assert lines[6].split() == ["1", "0.000000"]  # absent: nothing but time


@EVERY_SKELETON
def test_c3d(tmp_path, skeleton):
    world = person(skeleton)
    write_c3d(tmp_path / "a.c3d", world)
    labels, points, reader = read_points(tmp_path / "a.c3d")
    assert labels == plain_names(world.skeleton.joints)
    assert_places(points / 1000, world)
    assert reader.get("POINT:UNITS").string_value == "mm"
    assert reader.get_screen_axis() == ("+X", "+Y")
    assert (reader.first_frame, reader.last_frame) == (1, world.num_frames)
    assert reader.point_rate == pytest.approx(world.fps, rel=1e-6)


@EVERY_SKELETON
def test_bvh(tmp_path, skeleton):
    world = person(skeleton)
    write_bvh(tmp_path / "a.bvh", world)
    there = world.present
    read = bvh_joints(tmp_path / "a.bvh", world)
    assert_places(read[there], dataclasses.replace(world, positions=world.positions[there]))
    held = world.positions[
        [2, 2, 9, 9, 9, 9, 9]
    ]  # no gaps in BVH: the pose before, at the start the first one
    assert np.abs(read[~there] - held).max() < MM
    # by the project's own reader of motion capture
    motion = read_bvh(tmp_path / "a.bvh")
    own = motion.positions()[:, [motion.nodes.index(name) for name in plain_names(world.skeleton.joints)]]
    assert np.abs(own - read).max() < 1e-5


@EVERY_SKELETON
def test_rigid_bvh(tmp_path, skeleton):
    world = person(skeleton)
    error = write_rigid_bvh(tmp_path / "a.bvh", world)
    read = bvh_joints(tmp_path / "a.bvh", world)
    distance = 1000 * np.linalg.norm(read - world.positions, axis=-1)[world.present]
    assert error.mean_mm == pytest.approx(distance.mean(), abs=0.02)
    assert error.max_mm == pytest.approx(distance.max(), abs=0.05)
    assert "_link" not in (tmp_path / "a.bvh").read_text()
    assert 0 < error.mean_mm < 100
    if load_skeleton(skeleton).root_idx is not None:
        assert (
            np.abs(read[:, load_skeleton(skeleton).root_idx][world.present] - world.root[world.present]).max()
            < MM
        )


@EVERY_SKELETON
def test_a_body_that_does_not_stretch_needs_no_links(tmp_path, skeleton):
    world = person(skeleton, stretch=0)
    error = write_bvh(tmp_path / "a.bvh", world)
    assert "_link" not in (tmp_path / "a.bvh").read_text()
    assert error.max_mm < 0.5


def test_links_turn_smoothly(tmp_path):
    """Programs blend rotations between frames: nothing may whirl round while the person moves slowly."""
    world = person("H36M-17", 200, absent=())
    write_bvh(tmp_path / "a.bvh", world)
    rotations = read_bvh(tmp_path / "a.bvh").rotations
    step = rotations[1:] @ rotations[:-1].swapaxes(-1, -2)
    degrees = np.rad2deg(np.arccos(np.clip((np.trace(step, axis1=-2, axis2=-1) - 1) / 2, -1, 1)))
    assert degrees.max() < 30


def test_angles_do_not_jump_by_full_turns(tmp_path):
    """Programs blend them between frames."""
    world = person("COCO-17", 100, absent=())
    write_bvh(tmp_path / "a.bvh", world)
    motion = pybvh.read_bvh_file(tmp_path / "a.bvh", world_up="+y")
    assert np.abs(np.diff(np.rad2deg(motion.joint_angles), axis=0)).max() <= 180.001
    assert (
        np.abs(np.diff(np.rad2deg(motion.joint_angles[:, 0]), axis=0)).max() < 10
    )  # the root turns round once


@EVERY_EXPORT
def test_a_single_frame(tmp_path, name):
    file_name, write = EXPORTS.get(name)
    write(tmp_path / file_name, person("COCO-17", 1, absent=()))
    if name.startswith("bvh"):
        assert_places(bvh_joints(tmp_path / file_name, world := person("COCO-17", 1, absent=())), world)
    if name == "c3d":
        assert len(read_points(tmp_path / file_name)[1]) == 1
    assert (tmp_path / file_name).stat().st_size > 100


def test_names_of_any_kind(tmp_path):
    names = {
        "root": "Hüfte Mitte",
        "right_hip": 'he said "hip", 100%',
        "right_knee": "膝",
        "left_knee": "nan",
    }
    world = person(renamed(load_skeleton("H36M-17"), names))
    for name in EXPORTS.names():
        EXPORTS.get(name).write(tmp_path / EXPORTS.get(name).file_name, world)
    joints = list(world.skeleton.joints)
    rows = read_table(tmp_path / "X3D.csv")
    assert [row["joint"] for row in rows[:17]] == joints
    assert rows[0]["x"] == "" and rows[5]["joint"] == "nan" and float(rows[17 * 5]["x"])
    assert read_strict_json(tmp_path / "X3D.json")["joints"] == joints
    plain = plain_names(joints)
    assert plain[:3] == ["Hufte_Mitte", "he_said_hip_100", "u819d"]
    read = trc.TRCData()
    read.load(tmp_path / "X3D.trc")
    assert read["Markers"] == read_points(tmp_path / "X3D.c3d")[0] == plain
    there = world.present
    assert np.abs(bvh_joints(tmp_path / "X3D.bvh", world) - world.positions)[there].max() < MM


def test_plain_names_stay_different():
    assert plain_names(["a b", "a-b", "a_b", "á_b", "", "!"]) == [
        "a_b",
        "a-b",
        "a_b_2",
        "a_b_3",
        "joint",
        "joint_2",
    ]


def test_a_joint_that_is_never_seen_and_one_that_comes_late(tmp_path):
    world = person("H36M-17", absent=())
    world.positions[:, 3], world.flag[:, 3] = np.nan, Flag.ABSENT
    world.positions[:7, 6], world.flag[:7, 6] = np.nan, Flag.ABSENT
    for name in EXPORTS.names():
        EXPORTS.get(name).write(tmp_path / EXPORTS.get(name).file_name, world)
    assert_places(read_points(tmp_path / "X3D.c3d")[1] / 1000, world)
    table = np.genfromtxt(tmp_path / "X3D.trc", delimiter="\t", skip_header=6)
    assert_places(table[:, 2:-1].reshape(world.positions.shape), world)
    known = np.isfinite(world.positions).all(-1)
    read = bvh_joints(tmp_path / "X3D.bvh", world)
    assert np.isfinite(read).all() and np.abs(read - world.positions)[known].max() < MM
    shin = read[:, 6] - read[:, 5]
    assert np.abs(shin[:7] - shin[7]).max() < MM  # until it is seen the ankle moves with the knee
    assert np.array_equal(read[:, 3], read[:, 2])


def test_a_joint_that_is_absent_for_a_while(tmp_path):
    """The others are there: nothing stands in its place, in no file."""
    world = person("H36M-17", absent=())
    world.positions[10:20, 6], world.flag[10:20, 6], world.confidence[10:20, 6] = np.nan, Flag.ABSENT, 0
    for name in EXPORTS.names():
        EXPORTS.get(name).write(tmp_path / EXPORTS.get(name).file_name, world)
    gone = np.zeros(world.flag.shape, bool)
    gone[10:20, 6] = True
    rows = np.array([[row[axis] for axis in "xyz"] for row in read_table(tmp_path / "X3D.csv")])
    assert np.array_equal(rows == "", np.repeat(gone.reshape(-1, 1), 3, 1))
    assert [row["flag"] == "absent" for row in read_table(tmp_path / "X3D.csv")] == gone.ravel().tolist()
    frames = read_strict_json(tmp_path / "X3D.json")["frames"]
    assert [[place is None for place in frame["positions"]] for frame in frames] == gone.tolist()
    assert all(frame["root"] for frame in frames)
    lines = (tmp_path / "X3D.trc").read_text().split("\n")[6:-1]
    cells = np.array([line.split("\t")[2:-1] for line in lines]).reshape(world.positions.shape)
    assert np.array_equal(cells == "", np.repeat(gone[..., None], 3, 2))
    points = ezc3d.c3d(str(tmp_path / "X3D.c3d"))["data"]["meta_points"]["residuals"][0].T
    assert np.array_equal(points == -1, gone) and not points[~gone].any()
    read = bvh_joints(tmp_path / "X3D.bvh", world)
    assert np.abs(read - world.positions)[~gone].max() < MM
    shin = np.linalg.norm(read[:, 6] - read[:, 5], axis=-1)
    assert np.abs(shin[10:20] - shin[9]).max() < 0.1 * shin[9], "it moves with the knee"


def test_nobody_there(tmp_path):
    world = person("H36M-17", 5, absent=(slice(0, 5),))
    for name in ("csv", "json", "trc", "c3d"):
        EXPORTS.get(name).write(tmp_path / EXPORTS.get(name).file_name, world)
    assert all(frame["positions"] is None for frame in read_strict_json(tmp_path / "X3D.json")["frames"])
    assert np.isnan(read_points(tmp_path / "X3D.c3d")[1]).all()
    with pytest.raises(UserError, match="in no frame"):
        write_bvh(tmp_path / "X3D.bvh", world)
    assert not list(tmp_path.glob("*.bvh*"))


def test_arbitrary_units_are_said(tmp_path):
    world = person("H36M-17", 5, units="arbitrary", absent=())
    write_trc(tmp_path / "a.trc", world)
    write_c3d(tmp_path / "a.c3d", world)
    write_json(tmp_path / "a.json", world)
    assert (tmp_path / "a.trc").read_text().split("\n")[0].endswith("\ta_arbitrary_units.trc")
    assert "arbitrary" in read_points(tmp_path / "a.c3d")[2].get("ERGOLIFT:UNITS").string_value
    assert read_strict_json(tmp_path / "a.json")["units"] == "arbitrary"


def test_a_c3d_longer_than_its_header_can_say(tmp_path, caplog):
    world = person("Hand-21", 66_000)
    write_c3d(tmp_path / "a.c3d", world)
    with (tmp_path / "a.c3d").open("rb") as file:
        assert c3d.Reader(file).frame_count == 66_000
    assert "65535" in caplog.text


def test_a_c3d_that_is_cut_short_is_not_kept(tmp_path, monkeypatch):
    """ezc3d does not notice a full disk."""

    def half(self: ezc3d.c3d, path: str) -> None:
        Path(path).write_bytes(b"0" * 1000)

    monkeypatch.setattr(ezc3d.c3d, "write", half)
    with pytest.raises(UserError, match="disk full"):
        write_c3d(tmp_path / "a.c3d", person("H36M-17"))
    assert not list(tmp_path.iterdir())


def test_angles_about_z_x_and_y():
    degrees = np.random.default_rng(0).uniform([-180, -90, -180], [180, 90, 180], (500, 3))
    degrees[:6, 1] = [90, -90, 90, -90, 89.9999, -89.9999]

    def about(axis: int, angle: np.ndarray) -> np.ndarray:
        matrix = np.zeros((len(angle), 3, 3))
        first, second = (axis + 1) % 3, (axis + 2) % 3
        matrix[:, axis, axis] = 1
        matrix[:, first, first] = matrix[:, second, second] = np.cos(angle)
        matrix[:, second, first] = np.sin(angle)
        matrix[:, first, second] = -np.sin(angle)
        return matrix

    def rotation(angles: np.ndarray) -> np.ndarray:
        z, x, y = np.deg2rad(angles).T
        return about(2, z) @ about(0, x) @ about(1, y)

    assert np.abs(rotation(zxy_degrees(rotation(degrees))) - rotation(degrees)).max() < 1e-6


def test_the_smallest_turn():
    generator = np.random.default_rng(1)
    start, end = generator.normal(size=(2, 200, 3))
    end[0], end[1], end[2] = -start[0], 2 * start[1], 0
    end[3] = -start[3] + 1e-7 * end[3]
    rotation = turn(start, end)
    assert np.abs(rotation @ rotation.swapaxes(-1, -2) - np.eye(3)).max() < 1e-6
    assert np.linalg.det(rotation) == pytest.approx(1)
    turned = (rotation @ start[..., None])[..., 0]
    unit = end / np.maximum(np.linalg.norm(end, axis=-1, keepdims=True), 1e-9)
    moved = np.delete(turned / np.linalg.norm(start, axis=-1, keepdims=True) - unit, 2, axis=0)
    assert np.abs(moved).max() < 1e-6
    assert np.array_equal(rotation[2], np.eye(3))


@EVERY_EXPORT
def test_the_page_of_files_names_it(name):
    assert f"`{EXPORTS.get(name).file_name}`" in (ROOT / "docs/outputs.md").read_text(encoding="utf-8")


@pytest.mark.slow
@EVERY_EXPORT
def test_ten_minutes_are_written_in_seconds(tmp_path, name):
    world = person("H36M-17", 18_000, absent=(slice(5000, 6000),))
    start = time.process_time()
    EXPORTS.get(name).write(tmp_path / EXPORTS.get(name).file_name, world)
    assert time.process_time() - start < (12 if name == "bvh" else 6)
