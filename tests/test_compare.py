"""Comparison of results: known differences give known figures, and nothing is paired by luck."""

import csv
import pickle
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from lib.body import BodyModel
from lib.checkpoint import save_checkpoint
from lib.comparison import page as comparison_page
from lib.comparison.alignment import align
from lib.comparison.compare import compare, comparison_rows
from lib.comparison.files import load_result
from lib.comparison.measures import agreement, wrapped_deg
from lib.comparison.truth import build_truth
from lib.config import load_config, save_config
from lib.data.motion import Labels
from lib.data.training_data import checkpoint_meta
from lib.data.worker import make_hand_truth
from lib.data.worker.generate import make_worker_truth
from lib.errors import UserError
from lib.evaluate import root_relative_mm
from lib.evaluation_set import build_evaluation_set
from lib.geometry import axis_angle_to_matrix
from lib.mesh_evaluation import MeanMesh, predict_joints
from lib.model.build import build_model
from lib.pose_result import PoseResult, frames_within_videos, result_of_motion, save_predictions
from lib.skeleton import conversion, load_skeleton
from lib.wild.hand_formats import hand_union
from tests.example_body import make_example_body
from tests.example_motion import as_split, example_motion
from tests.test_mesh_evaluation import CPU, make_clips, make_regressor
from tools import compare as compare_tool
from tools import predict as predict_tool

RTM66 = load_skeleton("RTM-66")
RTM24 = load_skeleton("RTM-24")
H36M = load_skeleton("H36M-17")
VERTICAL = (
    "back_flexion",
    "trunk_inclination",
    "head_flexion",
)  # some of those that need to know which way is up


@pytest.fixture(scope="module")
def truth() -> PoseResult:
    """Two tasks before two cameras, 12 frames each, with the up direction."""
    made = make_worker_truth(
        RTM66, seed=3, subjects=1, seconds=1.2, fps=10, cameras=2, tasks=["squat_lift", "pull"], split="test"
    )
    up = made.camera_rotation[:, :, 1]
    return result_of_motion(made.motion, made.joints_camera_mm, name="truth", kind="truth", up=up)


def predicted(truth: PoseResult, name: str = "model", **changes) -> PoseResult:
    return replace(truth, **{"name": name, "kind": "prediction", "up": None, **changes})


def in_format(result: PoseResult, skeleton, name: str) -> PoseResult:
    made = conversion(result.skeleton, skeleton, log=False)
    return predicted(result, name, joints_mm=made.apply(result.joints_mm)[0], skeleton=skeleton)


def kept(result: PoseResult, rows: np.ndarray, **changes) -> PoseResult:
    per_frame = ("joints_mm", "source", "camera", "action", "frame", "up", "box_px")
    values = {name: getattr(result, name) for name in per_frame}
    chosen = {name: None if value is None else value[rows] for name, value in values.items()}
    return replace(result, **(chosen | changes))


def rows_of(truth: PoseResult, *results: PoseResult, **options) -> dict:
    comparison = compare(align(truth, results, **options))
    return {(row.result, row.name, row.task): row.agreement for row in comparison_rows(comparison)}


def bent_at_the_right_elbow(result: PoseResult, degrees: np.ndarray) -> PoseResult:
    """Forearm and hand turned by an angle (F,) about the elbow's own axis, so that it bends more."""
    skeleton = result.skeleton
    shoulder, elbow, wrist = (
        skeleton.index_canonical(f"right_{name}") for name in ("shoulder", "elbow", "wrist")
    )
    joints = result.joints_mm.astype(np.float64)
    axis = np.cross(joints[:, elbow] - joints[:, shoulder], joints[:, wrist] - joints[:, elbow])
    axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
    rotation = axis_angle_to_matrix(axis * np.radians(degrees)[:, None])
    centre = joints[:, elbow]
    joints[:, wrist] = np.einsum("fij,fj->fi", rotation, joints[:, wrist] - centre) + centre
    return predicted(result, joints_mm=joints)


class TestFigures:
    def test_a_known_offset_is_the_bias(self, truth):
        truth = replace(in_format(truth, H36M, "truth"), up=truth.up)
        offset = np.where(np.arange(truth.num_frames) % 2, 9.0, 5.0)
        found = rows_of(truth, bent_at_the_right_elbow(truth, offset))
        elbow = found["model", "right_elbow_flexion", "all"]
        assert elbow.bias == pytest.approx(7, abs=1e-3)
        assert elbow.mae == pytest.approx(7, abs=1e-3)
        assert elbow.median == pytest.approx(7, abs=1e-3)
        assert elbow.rmse == pytest.approx(np.sqrt((81 + 25) / 2), abs=1e-3)
        sd = 2 * np.sqrt(truth.num_frames / (truth.num_frames - 1))
        assert elbow.high - elbow.bias == pytest.approx(1.96 * sd, abs=1e-3)
        assert elbow.bias - elbow.low == pytest.approx(1.96 * sd, abs=1e-3)
        assert found["model", "left_elbow_flexion", "all"].rmse < 1e-3
        assert found["model", "right_knee_flexion", "all"].rmse < 1e-3

    def test_each_task_has_its_own_figures(self, truth):
        truth = replace(in_format(truth, H36M, "truth"), up=truth.up)
        offset = np.where(np.asarray(truth.action) == "pull", -6.0, 4.0)
        found = rows_of(truth, bent_at_the_right_elbow(truth, offset))
        assert found["model", "right_elbow_flexion", "pull"].bias == pytest.approx(-6, abs=1e-3)
        assert found["model", "right_elbow_flexion", "squat_lift"].bias == pytest.approx(4, abs=1e-3)
        assert found["model", "right_elbow_flexion", "pull"].frames == truth.num_frames // 2

    def test_differences_go_the_short_way_round(self):
        given = np.array([340.0, -350.0, 179.0, 181.0, -180.0, 0.0])
        assert wrapped_deg(given) == pytest.approx([-20, 10, 179, -179, -180, 0])
        found = agreement(wrapped_deg(np.array([170.0, -175.0]) - np.array([-170.0, 175.0])))
        assert (found.bias, found.mae) == pytest.approx((-5, 15))

    def test_moved_joints_give_their_distance(self, truth):
        moved = truth.joints_mm + 0.0
        moved[:, RTM66.index("RHAND")] += [0, 0, 66.0]
        found = rows_of(truth, predicted(truth, joints_mm=moved + 500.0))
        assert found["model", "MPJPE, common joints", "all"].mae == pytest.approx(1, abs=1e-3)
        assert np.isnan(found["model", "MPJPE, common joints", "all"].bias)

    def test_a_single_value_has_no_limits_and_none_no_measures(self):
        assert np.isnan(agreement(np.array([3.0])).high)
        assert agreement(np.array([np.nan])) is None


class TestFormats:
    def test_each_has_its_own_set_and_all_a_common_one(self, truth):
        results = [
            predicted(truth, "large"),
            in_format(truth, RTM24, "middle"),
            in_format(truth, H36M, "small"),
        ]
        comparison = compare(align(truth, results))
        own = {name: set(angles) for name, angles in comparison.differences_deg.items()}
        assert own["large"] > own["middle"]
        assert set(comparison.common_angles) == own["large"] & own["middle"] & own["small"]
        assert {"right_elbow_flexion", "left_knee_flexion"} <= set(comparison.common_angles)
        assert len(comparison.points["large"]) >= 66 > len(comparison.points["middle"])
        assert "nose" not in comparison.points["middle"], "RTM-66 makes it approximately"
        assert "hip_center" in comparison.common_points
        rows = {(row.result, row.name): row for row in comparison_rows(comparison) if row.task == "all"}
        for name in own:
            assert rows[name, "MPJPE, common joints"].agreement.mae < 1e-2
        assert rows["middle", "common angles"].points == len(comparison.common_angles)
        assert rows["large", "own angles"].agreement.mae < 1e-3

    def test_predictions_take_the_up_direction_of_the_truth(self, truth):
        found = rows_of(truth, predicted(truth))
        assert all(found["model", angle, "all"].mae < 1e-3 for angle in VERTICAL)

    def test_without_an_up_direction_the_angles_against_it_are_left_out(self, truth):
        comparison = compare(align(predicted(truth, "truth"), [predicted(truth)]))
        assert not set(VERTICAL) & set(comparison.truth_deg)
        assert any("which way is up" in note and "trunk_inclination" in note for note in comparison.notes)

    def test_world_axes_and_unknown_size(self, truth):
        """As from a video: turned about the vertical, and of another size."""
        rotation = axis_angle_to_matrix(np.array([0.3, 0.5, -0.4]))
        turned = 0.001 * truth.joints_mm @ rotation.T
        video = predicted(
            truth,
            "video",
            joints_mm=turned,
            up=truth.up @ rotation.T,
            axes="world",
            units="arbitrary",
            box_px=None,
        )
        comparison = compare(align(truth, [video]))
        found = {row.name: row.agreement for row in comparison_rows(comparison) if row.task == "all"}
        assert "MPJPE, common joints" not in found and "N-MPJPE, common joints" not in found
        assert found["P-MPJPE, common joints"].mae < 1e-2
        assert found["own angles"].mae < 1e-2 and "trunk_inclination" in found

    def test_frames_in_which_one_result_has_no_angle_count_for_none(self, truth):
        broken = truth.joints_mm.copy()
        broken[:5, RTM66.index("RELBOW")] = broken[:5, RTM66.index("RSHOULDER")]
        broken[:5, RTM66.index("RLE")] = broken[:5, RTM66.index("RME")] = broken[:5, RTM66.index("RSHOULDER")]
        found = rows_of(truth, predicted(truth, "whole"), predicted(truth, "broken", joints_mm=broken))
        expected = truth.num_frames - 5
        assert found["whole", "right_elbow_flexion", "all"].frames == expected
        assert found["broken", "right_elbow_flexion", "all"].frames == expected
        assert found["whole", "left_elbow_flexion", "all"].frames == truth.num_frames


def moving(fps: float, seconds: float, name: str, **changes) -> PoseResult:
    """Every joint moves at a speed of its own, so that interpolation is exact."""
    count = round(fps * seconds)
    rng = np.random.default_rng(0)
    start, speed = rng.normal(0, 300, (2, 1, 17, 3))
    labels = {
        key: Labels.of(value, count) for key, value in (("source", "a"), ("camera", "c"), ("action", "walk"))
    }
    given = {
        "name": name,
        "joints_mm": start + speed * (np.arange(count) / fps)[:, None, None],
        "skeleton": H36M,
        "frame": np.arange(count),
        "fps": fps,
        **labels,
    }
    return PoseResult(**(given | changes))


class TestAlignment:
    @pytest.mark.parametrize(
        ("fps", "other"), [(30, 10), (10, 30), (100, 30), (30, 25), (29.97, 100), (50, 50)]
    )
    def test_frame_rates_are_brought_together(self, fps, other):
        truth = moving(fps, 4, "truth")
        aligned = align(truth, [moving(other, 4, "model")])
        assert aligned.shared.all()
        assert aligned.moments == pytest.approx(4 * min(fps, other), abs=1)
        error = np.abs(aligned.results[0].joints_mm - aligned.truth.joints_mm)[:-1]
        assert error.max() < 1e-6

    def test_three_rates_at_once(self):
        aligned = align(moving(100, 2, "truth"), [moving(30, 2, "a"), moving(25, 2, "b")])
        assert aligned.shared.sum() == 50
        assert "25 frames a second" in aligned.notes[-1] and "a (30)" in aligned.notes[-1]

    def test_missing_frames_are_refused(self, truth):
        short = kept(predicted(truth), np.arange(3, truth.num_frames))
        with pytest.raises(UserError) as error:
            align(truth, [short])
        first = truth.source[0], truth.camera[0]
        text = f"model lacks 3 of 48 frames: 3 of 12 frames of source '{first[0]}', camera '{first[1]}'"
        assert text in str(error.value)
        assert "--allow_missing" in str(error.value) and "\n" not in str(error.value)
        aligned = align(truth, [short, predicted(truth, "whole")], allow_missing=True)
        assert aligned.present["model"].sum() == aligned.shared.sum() == 45
        assert aligned.present["whole"].all()
        assert "model lacks 3 of 48 frames" in aligned.notes[0]

    def test_a_whole_video_and_more_than_the_truth_has(self, truth):
        without = kept(truth, truth.frame[:0])
        assert without.num_frames == 0
        first = np.asarray(truth.camera) == truth.camera[0]
        with pytest.raises(UserError, match=r"model lacks 12 of 48 frames: all frames of source"):
            align(truth, [kept(predicted(truth), np.flatnonzero(~first))])
        with pytest.raises(UserError, match=r"truth lacks 12 of 48 frames"):
            align(kept(truth, np.flatnonzero(~first)), [predicted(truth)])

    def test_equal_lengths_of_other_frames_are_not_the_same(self):
        late = moving(30, 2, "model", frame=np.arange(60) + 5)
        with pytest.raises(UserError, match=r"truth lacks 5 of 65 frames.*; model lacks 5 of 65 frames"):
            align(moving(30, 2, "truth"), [late])

    def test_frames_without_a_person_are_missing(self, truth):
        gone = truth.joints_mm.copy()
        gone[7:9] = np.nan
        with pytest.raises(UserError, match="model lacks 2 of 48 frames"):
            align(truth, [predicted(truth, joints_mm=gone)])

    def test_order_of_frames_does_not_matter(self, truth):
        mixed = np.random.default_rng(0).permutation(truth.num_frames)
        found = rows_of(truth, kept(predicted(truth), mixed))
        assert found["model", "MPJPE, common joints", "all"].mae < 1e-9

    def test_another_video_of_the_same_name_is_refused(self, truth):
        elsewhere = predicted(truth, box_px=truth.box_px + np.array([900, 0, 900, 0]))
        with pytest.raises(UserError, match="the cameras do not"):
            align(truth, [elsewhere])
        alone = align(truth, [replace(elsewhere, axes="other")])
        assert alone.results[0].up is None

    def test_names_rates_and_doubled_frames(self, truth):
        with pytest.raises(UserError, match="two results are called 'model'"):
            align(truth, [predicted(truth), predicted(truth)])
        with pytest.raises(UserError, match="the frame rate of model is not known"):
            align(truth, [predicted(truth, fps=None)])
        unknown = align(replace(truth, fps=None), [predicted(truth, fps=None)])
        assert unknown.shared.all() and "matched by their number" in unknown.notes[0]
        with pytest.raises(UserError, match="frame 0 of source 'a', camera 'c' stands twice"):
            align(moving(30, 1, "truth"), [moving(30, 1, "model", frame=np.arange(30) // 2)])
        other = moving(30, 1, "model", source=Labels.of("b", 30))
        with pytest.raises(UserError, match=r"its first is source 'b'.*--source model="):
            align(moving(30, 1, "truth"), [other])


class TestFiles:
    def test_what_is_saved_is_read(self, tmp_path):
        motion = example_motion(RTM24.with_root("left_hip", "right_hip"))
        save_predictions(tmp_path / "run" / "predictions.npz", motion.joints_mm, motion, notes=("a note",))
        found = load_result(tmp_path / "run" / "predictions.npz")
        assert (found.name, found.skeleton.name, found.skeleton.root) == (
            "run",
            "RTM-24",
            ("left_hip", "right_hip"),
        )
        assert np.array_equal(found.joints_mm, motion.joints_mm)
        assert found.frame.tolist() == [*range(30), *range(45)]
        assert (
            found.source == motion.source and found.camera == motion.camera and found.action == motion.action
        )
        assert (found.fps, found.notes, found.axes, found.up) == (30.0, ("a note",), "camera", None)

    def test_a_video_in_two_pieces_is_counted_on(self):
        motion = example_motion(H36M, (3, 2, 4))
        motion = replace(motion, source=Labels(np.repeat([0, 1, 0], [3, 2, 4]), ["a", "b"]))
        assert frames_within_videos(motion).tolist() == [0, 1, 2, 0, 1, 3, 4, 5, 6]

    def test_frames_of_the_callers_own(self, tmp_path):
        motion = example_motion(H36M, (4,))
        save_predictions(
            tmp_path / "p.npz", motion.joints_mm, motion, frames=np.array([2, 4, 6, 8]), name="x"
        )
        assert load_result(tmp_path / "p.npz").frame.tolist() == [2, 4, 6, 8]
        assert load_result(tmp_path / "p.npz").name == "x"

    def test_formats_of_the_users_own_are_given(self, tmp_path):
        (tmp_path / "own.yaml").write_text("base: H36M-17\nname: mine\naliases: []\n")
        own = load_skeleton(str(tmp_path / "own.yaml"))
        motion = example_motion(own)
        save_predictions(tmp_path / "p.npz", motion.joints_mm, motion)
        with pytest.raises(UserError, match="unknown joint format 'mine'"):
            load_result(tmp_path / "p.npz")
        assert load_result(tmp_path / "p.npz", skeleton=own).skeleton.joints == own.joints
        with pytest.raises(UserError, match="which are not the 24 of RTM-24"):
            load_result(tmp_path / "p.npz", skeleton=RTM24)

    def test_other_files_are_refused(self, tmp_path):
        np.savez(tmp_path / "x.npz", a=1)
        (tmp_path / "y.npz").write_bytes(b"PK")
        with pytest.raises(UserError, match=r"lacks joints_mm.*no predictions.npz"):
            load_result(tmp_path / "x.npz")
        with pytest.raises(UserError, match="cannot read"):
            load_result(tmp_path / "y.npz")

    def test_a_person_of_a_video(self, tmp_path):
        (tmp_path / "lift").mkdir()
        stored = {
            "positions": np.ones((5, 17, 3), np.float32),
            "flag": np.zeros((5, 17), np.uint8),
            "joint_format": "H36M-17",
            "joints": np.array(H36M.joints),
            "units": "arbitrary",
            "fps": 25.0,
        }
        np.savez(tmp_path / "lift" / "X3D_world.npz", **stored)
        found = load_result(tmp_path / "lift" / "X3D_world.npz")
        assert (found.name, found.axes, found.units, found.fps) == ("lift", "world", "arbitrary", 25.0)
        assert found.up.tolist() == [[0, 1, 0]] * 5 and (found.joints_mm == 1000).all()

    def test_a_person_with_the_hands_of_a_hand_model(self, tmp_path):
        union = hand_union(H36M, load_skeleton("Hand-21"))
        stored = {
            "positions": np.ones((5, union.num_joints, 3), np.float32),
            "flag": np.zeros((5, union.num_joints), np.uint8),
            "joint_format": union.name,
            "joints": np.array(union.joints),
            "units": "m",
            "fps": 25.0,
        }
        np.savez(tmp_path / "X3D_world.npz", **stored)
        found = compare_tool.read_npz(str(tmp_path / "X3D_world.npz"), "", None, None)
        assert found.skeleton.joints == union.joints

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"joints_mm": np.zeros((30, 16, 3))}, r"expected \(frames, 17, 3\)"),
            ({"frame": np.arange(29)}, "'frame' has 29 entries for 30 frames"),
            ({"fps": 0.0}, "must be positive"),
            ({"axes": "image"}, "allowed: camera, world, other"),
        ],
    )
    def test_results_that_cannot_be(self, changes, message):
        with pytest.raises(UserError, match=message):
            replace(moving(30, 1, "model"), **changes)


TINY = "{subjects: 1, clips: 1, seconds: 1, fps: 5, seed: 1, cameras_per_clip: 1}"
DATA = """
base: {quickstart}
joint_format: {joint_format}
worker: {{subjects: 1, clips: 2, seconds: 1, fps: 10, cameras_per_clip: 1, seed: 4, tasks: [squat_lift, pull]}}
dim_feat: 16
dim_rep: 16
"""


@pytest.fixture
def write_config(tmp_path, request):
    def write(name: str, joint_format: str) -> str:
        path = tmp_path / name
        quickstart = request.config.rootpath / "configs/quickstart.yaml"
        path.write_text(DATA.format(quickstart=quickstart, joint_format=joint_format))
        return str(path)

    return write


@pytest.fixture
def no_page(monkeypatch):
    """Tables alone: two dozen figures take seconds."""
    monkeypatch.setattr(compare_tool, "write_comparison_page", lambda *_, **__: None)


def run(capsys, *arguments) -> str:
    assert compare_tool.main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


class TestTools:
    def test_a_model_from_its_checkpoint_to_the_page(self, write_config, tmp_path, capsys, monkeypatch):
        """The model's set is predicted as its evaluation does, and another format's set through conversion."""
        figures = comparison_page.angles_by_figure
        monkeypatch.setattr(comparison_page, "angles_by_figure", lambda given: figures(given[-4:]))
        model_config, data = write_config("small.yaml", "H36M-17"), write_config("data.yaml", "RTM-66")
        config = load_config(model_config)
        torch.manual_seed(0)
        model = build_model(config, H36M)
        meta = checkpoint_meta(config, H36M, 10.0)
        save_checkpoint(tmp_path / "m.bin", {"model_pos": model.state_dict(), "meta": meta})
        flags = ["-e", str(tmp_path / "m.bin"), "--config", model_config]
        assert predict_tool.main([*flags, "-o", str(tmp_path / "own.npz")]) == 0
        test = build_evaluation_set(config, H36M, "test")
        expected, _ = test.predict(model, CPU)
        found = load_result(tmp_path / "own.npz")
        assert found.joints_mm == pytest.approx(root_relative_mm(expected, test.clips), abs=0.01)
        assert found.source == test.motion.source

        assert (
            predict_tool.main([*flags, "--data", data, "-o", str(tmp_path / "p.npz"), "--name", "<model>"])
            == 0
        )
        out = tmp_path / "out"
        text = run(capsys, data, tmp_path / "p.npz", f"labels={data}", "-o", out)
        assert "20 of 20 frames of 2 videos compared at 10 frames a second (100.0%)" in text
        assert "<model>: the scale of a lifter's poses" in text and "squat_lift" in text
        self.check_table(out)
        page = (out / "comparison.html").read_text()
        assert "<script" not in page and "http" not in re.sub('http-equiv="Content', "", page)
        assert "&lt;model&gt;" in page and "<model>" not in page
        assert (
            "default-src 'none'" in page
            and page.count("<img") == len(list((out / "figures").glob("*.png"))) == 4
        )

    def test_the_config_lies_beside_the_checkpoint_and_shipped_models_go_by_name(
        self, write_config, tmp_path, capsys
    ):
        config = load_config(write_config("small.yaml", "H36M-17"))
        run_folder = tmp_path / "run"
        save_config(config, run_folder / "config.yaml")
        weights, out = run_folder / "m.bin", str(tmp_path / "p.npz")
        save_checkpoint(weights, {"model_pos": build_model(config, H36M).state_dict()})
        assert predict_tool.main(["-e", str(weights), "-o", out]) == 0
        assert load_result(out).num_frames == 20
        (run_folder / "config.yaml").unlink()
        with pytest.raises(UserError, match=r"run/config\.yaml is not there: .* --config FILE"):
            predict_tool.main(["-e", str(weights), "-o", out])
        data = ["--data", write_config("data.yaml", "RTM-66"), "-o", out]
        assert predict_tool.main(["-e", "small", *data]) == 0
        assert load_result(out).skeleton.name == "H36M-17"
        with pytest.raises(UserError, match="did you mean 'small'"):
            predict_tool.main(["-e", "smal", *data])

    def check_table(self, out):
        with (out / "comparison.csv").open() as file:
            rows = list(csv.DictReader(file))
        keys = [(row["result"], row["kind"], row["name"], row["task"]) for row in rows]
        assert len(set(keys)) == len(keys)
        assert {row["task"] for row in rows} == {"all", "squat_lift", "pull"}
        labels = {row["name"]: row for row in rows if row["result"] == "labels" and row["task"] == "all"}
        assert 0.1 < float(labels["right_knee_flexion"]["mae"]) < 10, "seen at the root's depth"
        assert labels["MPJPE, own joints"]["bias"] == "" and labels["MPJPE, own joints"]["points"] == "66"

    def test_flags_name_results(self, write_config, tmp_path, capsys, no_page):
        data = write_config("data.yaml", "H36M-17")
        motion = example_motion(H36M, (10,))
        save_predictions(tmp_path / "p.npz", motion.joints_mm, replace(motion, fps=None))
        with pytest.raises(UserError, match=r"--fps b: no result has that name; there are truth, a"):
            compare_tool.main([data, f"a={tmp_path}/p.npz", "--fps", "b=3"])
        with pytest.raises(UserError, match=r"x.txt: cannot tell what this is.*\.npz, \.pkl, \.yaml"):
            compare_tool.main([data, "x.txt"])
        with pytest.raises(UserError, match=r"a=RTM-24: .*p.npz says itself that it holds H36M-17; leave"):
            compare_tool.main([data, f"a={tmp_path}/p.npz", "--joint_format", "a=RTM-24"])
        for up in ("truth=0,0,0", "truth=0,nan,0"):
            with pytest.raises(UserError, match=r"--up .*: is no direction"):
                compare_tool.main([data, f"a={tmp_path}/p.npz", "--up", up])
        with pytest.raises(UserError, match=r"--fps is given twice for a: 3 and 4; give it once"):
            compare_tool.main([data, f"a={tmp_path}/p.npz", "--fps", "a=3", "--fps", "a=4"])
        truth = build_truth(load_config(data), H36M, "test")
        one = kept(truth, np.arange(10), name="p", up=None)
        one.save(tmp_path / "p.npz")
        wanted = ("--source", f"a={truth.source[0]}", "--camera", f"a={truth.camera[0]}", "--allow_missing")
        text = run(capsys, data, f"a={tmp_path}/p.npz", *wanted, "--fps", "a=10", "-o", tmp_path / "out")
        assert "10 of 20 frames of 2 videos compared" in text and "(50.0%)" in text

    @pytest.mark.parametrize(
        ("names", "texts", "expected"),
        [
            (["a", "b"], ["r/a/p.npz", "r/b/p.npz"], ["a", "b"]),
            (["test", "test"], ["r/a/test/p.npz", "r/b/test/p.npz"], ["a-test", "b-test"]),
            (["test", "test"], ["a/x/test/p.npz", "b/x/test/p.npz"], ["a-x-test", "b-x-test"]),
            (["model", "model"], ["r/a/p.npz", "r/b/p.npz"], ["a-model", "b-model"]),
            (["a", "a"], ["r/a/one.npz", "r/a/two.npz"], ["a-one", "a-two"]),
            (["test", "test"], ["test=r/a/p.npz", "r/b/test/p.npz"], ["test", "b-test"]),
            (["a", "a"], ["r/a/p.npz", "r/a/p.npz"], ["a", "a"]),
            (["truth", "truth"], ["truth=x", "r/truth/p.npz"], ["truth", "r-truth"]),
            (
                ["a-x", "x", "x"],
                ["r/a-x/p.npz", "a/x/p.npz", "b/x/p.npz"],
                ["a-x", "{here}-a-x", "{here}-b-x"],
            ),
        ],
    )
    def test_results_of_one_name_are_told_apart_by_their_folders(
        self, names, texts, expected, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        expected = [name.format(here=tmp_path.name) for name in expected]
        assert compare_tool.told_apart(names, texts) == expected

    def test_folders_of_one_name(self, write_config, tmp_path, capsys, no_page):
        data = write_config("data.yaml", "H36M-17")
        truth = build_truth(load_config(data), H36M, "test")
        paths = [tmp_path / run_name / "test" / "p.npz" for run_name in ("small", "large")]
        for path in paths:
            replace(truth, name="", up=None).save(path)
        text = run(capsys, data, *paths, "--fps", "large-test=10", "-o", tmp_path / "out")
        assert "small-test" in text and "large-test" in text
        with pytest.raises(UserError, match="two results are called 'test'"):
            compare_tool.main([data, f"test={paths[0]}", f"test={paths[1]}"])

    def test_exports_of_3dsspp(self, write_config, tmp_path, capsys, no_page):
        data = write_config("data.yaml", "H36M-17")
        head = "Task Name,Frame,Low Back Start,Compression"
        for name, values in (("truth", (1000, 2000)), ("labels", (1100, 2300))):
            lines = [
                line for number, value in enumerate(values) for line in (head, f"lift,{number},,{value}")
            ]
            (tmp_path / f"{name}.txt").write_text("\n".join(lines) + "\n")
        exports = [f"{name}={tmp_path}/{name}.txt" for name in ("truth", "labels")]
        flags = [part for export in exports for part in ("--sspp", export)]
        text = run(capsys, data, f"labels={data}", *flags, "-o", tmp_path / "out")
        assert re.search(r"Low Back - Compression +200\.0, \+200\.0 \[", text)
        assert "3DSSPP,Low Back - Compression,all" in (tmp_path / "out" / "comparison.csv").read_text()
        with pytest.raises(UserError, match="give the export of truth"):
            compare_tool.main([data, f"labels={data}", "--sspp", exports[1], "-o", str(tmp_path / "out")])

    def test_a_data_pickle_needs_its_joint_format(self, tmp_path, capsys, no_page):
        motion = example_motion(H36M)
        content = {"test": as_split(motion) | {"fps": 30.0}}
        (tmp_path / "d.pkl").write_bytes(pickle.dumps(content))
        save_predictions(tmp_path / "p.npz", motion.joints_mm, motion, name="p")
        with pytest.raises(UserError, match="give --joint_format truth=FORMAT"):
            compare_tool.main([f"{tmp_path}/d.pkl", f"{tmp_path}/p.npz"])
        flags = ("--joint_format", "truth=H36M-17", "--up", "truth=0,-1,0", "-o", tmp_path / "out")
        text = run(capsys, tmp_path / "d.pkl", tmp_path / "p.npz", *flags)
        assert re.search(r"p +0\.0 +0\.0 +0\.0", text) and "trunk_inclination" in text


@pytest.mark.parametrize("path", ["configs/pose3d/compare_rtm.yaml", "configs/mesh/compare_rtm.yaml"])
def test_both_formats_are_in_the_set_that_models_are_compared_on(path):
    skeleton = load_skeleton(load_config(path).joint_format)
    for other in (RTM66, RTM24):
        made = conversion(skeleton, other, log=False)
        assert made.exact.all() and (np.count_nonzero(made.matrix, axis=1) == 1).all(), other.name


def test_the_truth_of_built_in_hands_is_their_pose():
    config = load_config("configs/hand/quickstart.yaml", [f"worker={TINY}"])
    skeleton = load_skeleton(config.joint_format)
    pose, labels = (build_truth(config, skeleton, "test", labels=kind) for kind in ("true", "2.5d"))
    exact = make_hand_truth(
        skeleton, split="test", seed=1, subjects=1, clips=1, seconds=1, fps=5, cameras=1
    ).joints_camera_mm
    assert pose.joints_mm == pytest.approx(exact) and pose.up is not None
    assert np.abs(labels.joints_mm - (exact - skeleton.root_of(exact)))[..., :2].max() > 0.1
    assert "pose itself" in pose.notes[0] and "2.5D" in labels.notes[0]


class TestBodies:
    def test_joints_of_a_mesh_model_are_relative_to_the_root(self):
        body = BodyModel(make_example_body(), name="example")
        clips, regressor = make_clips(stride=2), make_regressor(body, H36M)
        model = MeanMesh(torch.eye(3).expand(24, 3, 3), torch.zeros(10), body, regressor)
        joints = predict_joints(model, clips, CPU, flip=False)
        expected = model.output["kp_3d"].squeeze().numpy()
        assert joints.shape == (clips.num_frames, 17, 3)
        assert joints == pytest.approx(np.broadcast_to(expected - expected[0], joints.shape), abs=1e-3)
        with pytest.raises(UserError, match="lie in no clip"):
            predict_joints(model, make_clips(stride=6), CPU, flip=False)

    def test_the_truth_of_a_mesh_config_is_its_bodies(self):
        config = load_config("configs/mesh/compare_rtm.yaml", [f"worker={TINY}"])
        skeleton = load_skeleton(config.joint_format)
        truth = build_truth(config, skeleton, "test")
        seen = predict_tool.motion_of_set(config, "test")
        assert truth.source == seen.source and truth.up is None
        # seen at the root's depth, so that near and far joints differ, those at the root's depth do not
        flat = seen.joints_mm - skeleton.root_of(seen.joints_mm)
        pose = truth.joints_mm - skeleton.root_of(truth.joints_mm)
        assert pose[..., 2] == pytest.approx(flat[..., 2], abs=1.0)
        assert 1 < np.abs(pose - flat)[..., :2].mean() < 60
