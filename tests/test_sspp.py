"""Batch files for 3DSSPP and their reader; the tool."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib.ergo.sspp import BatchSettings, HandLoad, Person
from lib.ergo.sspp_angles import joa_angles
from lib.ergo.sspp_batch import read_batch
from lib.ergo.sspp_points import LocPoints, point_names
from lib.errors import UserError
from lib.pose_result import PoseResult
from lib.skeleton import load_skeleton
from lib.wild.records import WorldMotion
from tests.example_sspp import PAPER_FORMATS, STATURE_M, clip_of, joints_of, posed, written
from tools import sspp as tool

# batch file


@pytest.mark.parametrize("form", ["LOC", "JOA"])
@pytest.mark.parametrize("name", PAPER_FORMATS)
def test_round_trip(tmp_path, name, form):
    text, batch, report = written(tmp_path, format_name=name, form=form)
    assert batch.metric and batch.gender == "male" and (batch.stature_cm, batch.weight_kg) == (175.0, 80.0)
    assert [frame.number for frame in batch.frames] == [0, 1, 2, 3] and report.frames == 4
    points = LocPoints(load_skeleton(name)).make(clip_of(name).positions_m, STATURE_M)
    if form == "LOC":
        shift = batch.points_m - points
        np.testing.assert_allclose(shift, np.broadcast_to(shift[:, :1], shift.shape), atol=0.0011)
        numbers = [len(line.split()) - 2 for line in text.split("\n") if line.startswith("LOC")]
        assert numbers == [117] * 4
        decimals = re.findall(r"\.(\d+)", " ".join(re.findall(r"LOC (.*) #", text)))
        assert max(map(len, decimals)) == 3
    else:
        np.testing.assert_array_equal(batch.angles_deg, joa_angles(points))
        assert [len(line.split()) - 2 for line in text.split("\n") if line.startswith("JOA")] == [42] * 4
    assert all(frame.exports == 1 for frame in batch.frames)  # one line of results each
    assert all(frame.support[0] == 0 for frame in batch.frames)


def test_the_file_as_its_reader_wants_it(tmp_path):
    lines = written(tmp_path, [clip_of(task='say "hi" #1 \u00fc')])[0].split("\n")
    assert lines[0] == "3DSSPPBATCHFILE #"
    assert lines[-1] == "COM Task done #"  # no line break: an empty command would be an error
    assert all(line.endswith(" #") and line.count("#") == 1 for line in lines)
    assert all(len(line) < 256 for line in lines if line.startswith("COM"))
    commands = [line.split()[0] for line in lines if not line.startswith("COM")]
    assert commands == ["3DSSPPBATCHFILE", "DES", "ANT", "AUT", *["FRM", "LOC", "SUP", "HAN"] * 4]
    assert (
        'DES 1 "say hi 1 ?" "ErgoLift" "" "" #' in lines
        and "ANT 0 3 175 80 #" in lines
        and "AUT 1 #" in lines
    )
    assert not any("-0 " in line.replace("-0.", "") for line in lines)


def test_loads_are_newtons_and_point_down(tmp_path):
    batch = written(tmp_path, load=HandLoad.of_weight(10.0))[1]
    assert batch.frames[0].hands == pytest.approx((49.05, -90, 0, 49.05, -90, 0))
    left = written(tmp_path, load=HandLoad.of_weight(10.0, "left"), load_seconds=(0.1, 0.2))[1]
    assert [frame.hands[0] for frame in left.frames] == pytest.approx([0, 98.1, 98.1, 0])
    assert all(frame.hands[3] == 0 for frame in left.frames)
    assert any("standing in every frame" in comment for comment in batch.comments)
    # seconds are those of the video, also where frames are missing in between
    late = written(
        tmp_path, [replace(clip_of("RTM-66"), frames=np.array([7, 8, 20, 21]))], load_seconds=(0.1, 1)
    )
    assert [frame.hands[0] > 0 for frame in late[1].frames] == [False, True, False, False]


@pytest.mark.parametrize(
    ("seconds", "message"), [((3.0, 1.0), "before it is put down"), ((30.0, 40.0), "no frame")]
)
def test_a_load_that_nobody_ever_holds_is_refused(tmp_path, seconds, message):
    with pytest.raises(UserError, match=message):
        written(tmp_path, load_seconds=seconds)


def test_heights_are_counted_from_the_floor_at_the_start(tmp_path):
    """A person who is lifted stays lifted: the public pipeline took the feet off every frame."""
    rise = np.repeat([0.0, 0.6], 10)
    body = {
        name: place + np.stack([0 * rise, 0 * rise, rise + 3.0], -1)
        for name, place in posed(frames=20).items()
    }
    clip = clip_of(body=body)
    heel = point_names().index("left_ball")
    heights = written(tmp_path, [clip])[1].points_m[:, heel, 2]
    assert heights[0] == pytest.approx(0.016, abs=0.01) and heights[-1] - heights[0] == pytest.approx(
        0.6, abs=0.002
    )
    each = written(tmp_path, [clip], floor="frame")[1].points_m[:, heel, 2]
    assert np.ptp(each) < 0.002
    given = written(tmp_path, [clip], floor="data")[1].points_m[:, heel, 2]
    assert given[0] == pytest.approx(heights[0] + 3.0, abs=0.002)


@pytest.mark.parametrize("name", PAPER_FORMATS)
def test_which_feet_bear(tmp_path, name):
    """Thresholds in metres: against millimetres nearly every foot bears; no foot is 3, not 0."""
    frames = 60
    left, right = np.zeros(frames), np.zeros(frames)
    left[15:30] = right[30:45] = 1.0
    body = posed(
        frames=frames,
        left_hip_flexion=60 * left,
        left_knee_flexion=60 * left,
        right_hip_flexion=60 * right,
        right_knee_flexion=60 * right,
    )
    body = {
        place: xyz + np.array([[0, 0, 0.3]]) * (np.arange(frames) >= 45)[:, None]
        for place, xyz in body.items()
    }
    batch = written(tmp_path, [clip_of(name, body, fps=30.0)], format_name=name)[1]
    feet = [int(frame.support[0]) for frame in batch.frames]
    assert (
        feet[2:12] == [0] * 10
        and feet[18:27] == [2] * 9
        and feet[33:42] == [1] * 9
        and feet[48:57] == [3] * 9
    )


def test_a_foot_that_slides_does_not_bear_and_the_log_says_so(tmp_path, caplog):
    body = posed(frames=30)
    gone = {name: place + np.arange(30)[:, None] * [0.0, 0.1, 0.0] for name, place in body.items()}
    batch, report = written(tmp_path, [clip_of(body=gone, fps=30.0)])[1:]
    assert {frame.support[0] for frame in batch.frames} == {3} and report.support["none"] == 30
    assert "no foot bears weight in 30 of 30 frames" in caplog.text
    assert "no foot bears weight in 30 of 30 frames" in report.assumptions
    caplog.clear()
    allowed = written(tmp_path, [clip_of(body=gone, fps=30.0)], foot_speed_m_s=5.0)[1]
    assert {frame.support[0] for frame in allowed.frames} == {0} and not caplog.text


def test_pelvic_tilt_is_written_where_it_is_measured(tmp_path):
    upright = written(tmp_path)[1].frames[0].support[5]
    tilted = written(tmp_path, [clip_of(body=posed(frames=4, pelvis_tilt=30.0))])[1].frames[0].support[5]
    assert upright == pytest.approx(-25, abs=1) and tilted - upright == pytest.approx(30, abs=1)
    batch, report = written(tmp_path, format_name="H36M-17")[1:]
    assert batch.frames[0].support[5] == 0 and any(
        "pelvic tilt written as 0" in line for line in report.assumptions
    )


@pytest.mark.parametrize("up", [(0, 1, 0), (0, -1, 0), (0, -0.8, -0.6)])
def test_axes(tmp_path, up):
    """Right-handed axes with any up; x right, y forward, z up come out, whichever way the person faces."""
    turn = np.radians(70.0)
    z = np.array(up, float)
    x = np.array([1.0, 0.0, 0.0])
    to_given = np.stack([x, np.cross(z, x), z], axis=1)
    heading = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    body = {name: place @ heading.T @ to_given.T for name, place in posed(frames=4).items()}
    expected = written(tmp_path)[1].points_m
    for facing in ("person", "frame"):
        points = written(tmp_path, [clip_of(body=body, up=up)], facing=facing)[1].points_m
        np.testing.assert_allclose(points, expected, atol=0.0015)
    room = written(tmp_path, [clip_of(body=body, up=up)], facing="room")[1].points_m
    np.testing.assert_allclose(room, expected @ heading.T, atol=0.0015)
    right = point_names().index("right_hip_joint")
    assert expected[0, right, 0] == pytest.approx(0.086, abs=0.002)


def test_tasks_frames_and_absent_frames(tmp_path):
    lost = clip_of().positions_m.copy()
    lost[1] = np.nan
    clips = [clip_of(task="lift"), clip_of(task="lower", positions_m=lost, frames=np.arange(40, 44))]
    batch, report = written(tmp_path, clips)[1:]
    assert [frame.task for frame in batch.frames] == ["lift"] * 4 + ["lower"] * 3
    assert [frame.source_frame for frame in batch.frames] == [0, 1, 2, 3, 40, 42, 43]
    assert [frame.number for frame in batch.frames] == list(range(7))
    assert report.left_out == 1 and any("1 frames left out" in line for line in report.assumptions)
    batch, report = written(tmp_path, clips, every=2)[1:]
    assert [frame.source_frame for frame in batch.frames] == [0, 2, 40, 42] and report.left_out == 0


def test_assumptions_stand_in_the_file(tmp_path):
    _, batch, report = written(tmp_path, format_name="H36M-17")
    assert set(report.assumptions) <= set(batch.comments)
    said = " ".join(report.assumptions)
    for word in (
        "H36M-17",
        "l5_s1 =",
        "left and right ball =",
        "z up",
        "joint_centers",
        "lowest foot at the start",
    ):
        assert word in said
    exact = " ".join(written(tmp_path)[2].assumptions)
    assert "acromion" not in exact and len(exact) < len(said)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"positions_m": clip_of().positions_m * 1000}, "metres"),
        ({"positions_m": clip_of().positions_m * np.nan}, "no frame"),
        ({"positions_m": clip_of().positions_m[:, :5]}, "66"),
        ({"up": (1.0, 0.0, 0.0)}, "x axis"),
        ({"up": (0.0, 0.0, 0.0)}, "some length"),
        ({"in_room": False}, "floor"),
    ],
)
def test_clips_that_cannot_be_written(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        written(tmp_path, [clip_of(**change)])
    assert not (tmp_path / "batch.txt").exists()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Person("men", 1.75, 80.0),
        lambda: Person("male", 175.0, 80.0),
        lambda: Person("male", 1.75, 8.0),
        lambda: HandLoad(-1.0, 0.0),
        lambda: HandLoad.of_weight(5.0, "lefft"),
        lambda: BatchSettings(every=0),
        lambda: BatchSettings(foot_height_m=0.0),
    ],
)
def test_values_that_cannot_be(make):
    with pytest.raises(UserError):
        make()


@pytest.mark.parametrize("word", ["form", "facing", "floor", "convention"])
def test_unknown_words(tmp_path, word):
    with pytest.raises(UserError, match=r"unknown|allowed"):
        written(tmp_path, **{word: "sideways"})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("3DSSPPBATCHFILE #", "BATCH #", "must begin"),
        ("Task done #", "Task done", "cut off"),
        ("\nLOC 0", "\nLOC 0 1", "118 values"),
        ("\nLOC 0", "\nLOC x", "could not convert"),
        ("SUP 0", "SUP 4", "0 to 3"),
        ("FRM 1", "FRAM 1", "unknown command"),
        ("\nHAN", "\nCOM", "needs SUP, HAN"),
        ("DES 1", "DES 2", "four texts"),
        ("ANT ", "COM ", "no ANT"),
    ],
)
def test_faulty_batch_files(tmp_path, old, new, message):
    path = tmp_path / "batch.txt"
    text = written(tmp_path)[0]
    text = re.sub(r"\nLOC \S+", "\nLOC 0", text)
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(UserError, match=message):
        read_batch(path)


# tool

WRITE = ["--stature", "1.75", "--weight", "80", "--gender", "male"]


def save_world(path: Path, units: str = "m") -> Path:
    body = posed(frames=6)
    positions = joints_of(body, "RTM-37")[..., [0, 2, 1]] * [1.0, 1.0, -1.0]  # z up to y up
    positions = positions / STATURE_M if units == "arbitrary" else positions
    frames, joints = positions.shape[:2]
    WorldMotion(
        positions=positions,
        root=positions[:, 0],
        confidence=np.ones((frames, joints)),
        flag=np.zeros((frames, joints), np.uint8),
        time_s=np.arange(frames) / 30.0,
        units=units,
        skeleton=load_skeleton("RTM-37"),
        foot_contact=np.ones((frames, 2), bool),
        fps=30.0,
        pitch_deg=0.0,
    ).save(path)
    return path


@pytest.mark.parametrize("units", ["m", "arbitrary"])
def test_the_tool_writes_a_result_of_infer_wild(tmp_path, capsys, units):
    source = save_world(tmp_path / "desk" / "X3D_world.npz", units)
    out = tmp_path / "lift.txt"
    arguments = ["write", str(source), str(out), *WRITE, "--load_kg", "10", "--every", "2"]
    assert tool.main(arguments) == 0
    told = capsys.readouterr().out
    assert "3 frames" in told and "feet that bear weight: both in 3" in told
    batch = read_batch(out)
    assert [frame.source_frame for frame in batch.frames] == [0, 2, 4] and batch.frames[0].task == "desk"
    expected = written(tmp_path, [clip_of("RTM-37", posed(frames=6))], format_name="RTM-37", every=2)[1]
    np.testing.assert_allclose(batch.points_m, expected.points_m, atol=0.0015)
    assert any("scaled" in comment for comment in batch.comments) == (units == "arbitrary")
    assert tool.main([*arguments, "--form", "JOA"]) == 0
    assert read_batch(out).angles_deg.shape == (3, 42)


def save_predictions(path: Path, up=None) -> Path:
    z_up = joints_of(posed(frames=8), "RTM-24")
    camera_mm = 1000.0 * np.stack([z_up[..., 0], -z_up[..., 2], z_up[..., 1]], axis=-1)
    camera_mm -= camera_mm[:, load_skeleton("RTM-24").root_idx][:, None]
    PoseResult(
        name="model",
        joints_mm=camera_mm,
        skeleton=load_skeleton("RTM-24"),
        source=["s1"] * 4 + ["s2"] * 4,
        camera="left",
        action="lift",
        frame=np.tile(np.arange(4), 2),
        fps=30.0,
        up=up,
    ).save(path)
    return path


def test_the_tool_writes_predictions(tmp_path, capsys):
    source, out = save_predictions(tmp_path / "predictions.npz"), tmp_path / "lift.txt"
    assert tool.main(["write", str(source), str(out), *WRITE, "--pitch", "0"]) == 0
    batch = read_batch(out)
    assert [frame.task for frame in batch.frames] == ["s1 left"] * 4 + ["s2 left"] * 4
    assert any("every frame anew" in comment for comment in batch.comments)
    expected = written(tmp_path, [clip_of("RTM-24")], format_name="RTM-24")[1]
    np.testing.assert_allclose(batch.points_m[:4], expected.points_m, atol=0.0015)
    assert (
        tool.main(["write", str(source), str(out), *WRITE, "--pitch", "0", "--only", "s2", "--task", "lift"])
        == 0
    )
    assert [frame.task for frame in read_batch(out).frames] == ["lift"] * 4
    capsys.readouterr()
    for more, word in (
        ([], "--pitch"),
        (["--pitch", "0", "--only", "s3"], "s3"),
        (["--pitch", "0", "--floor", "start"], "floor"),
    ):
        assert tool.main(["write", str(source), str(out), *WRITE, *more]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error:") and error.count("\n") == 1 and word in error


def test_the_tool_needs_the_person(tmp_path, capsys):
    source = save_world(tmp_path / "X3D_world.npz", "arbitrary")
    assert tool.main(["write", str(source), str(tmp_path / "lift.txt")]) == 2
    assert "--stature, --weight, --gender" in capsys.readouterr().err


def test_the_tool_refuses_a_frame_rate_that_cannot_be(tmp_path, capsys):
    source = save_world(tmp_path / "X3D_world.npz", "arbitrary")
    for fps in ("0", "-25"):
        assert tool.main(["write", str(source), str(tmp_path / "lift.txt"), *WRITE, "--fps", fps]) == 2
        assert f"--fps {fps}" in capsys.readouterr().err
