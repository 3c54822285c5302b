"""Judging of lifters: known errors give known rows, groups are what they are called, and baselines are fair."""

import csv
import json
import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from lib.checkpoint import save_checkpoint
from lib.config import dump_config, load_config
from lib.data.motion import Motion
from lib.data.recorded_errors import RecordedErrors
from lib.data.training_data import checkpoint_meta
from lib.data.worker.generate import make_worker_truth
from lib.errors import UserError
from lib.evaluate import truth_mm
from lib.judging.breakdowns import BREAKDOWNS, VIEWS
from lib.judging.figures import judgement_figure
from lib.judging.inputs import INPUTS, ErrorSource, is_exact, make_input, usual_inputs
from lib.judging.judge import JudgedSet, common_length, judge_set, some_videos
from lib.judging.report import Judgement, judgement_text, rows_csv
from lib.judging.rows import ACCELERATION, MEASURED, Row, frame_errors, worst_views
from lib.model.build import build_model
from lib.skeleton import Skeleton, conversion, load_skeleton
from lib.wild import world_landmarks
from lib.wild.camera_pitch import level_camera
from tests.example_motion import as_split, example_motion
from tests.test_train import TINY
from tests.test_wild_measure import result_folder
from tools import evaluate_model, measure_video

H36M = load_skeleton("H36M-17")
FPS, FRAMES = 60.0, 84


@pytest.fixture(scope="module")
def worker() -> JudgedSet:
    """Exact 2D of two tasks before two cameras."""
    made = make_worker_truth(
        H36M,
        seed=5,
        subjects=1,
        seconds=FRAMES / FPS,
        fps=FPS,
        cameras=2,
        tasks=["squat_lift", "pull"],
        detector=False,
        split="test",
    )
    return JudgedSet("worker", "test", made.motion, up=made.camera_rotation[:, :, 1], train=made.motion)


@dataclass
class Shifted:
    """Says the truth of the motion that it was made for, every joint but the root off by so many mm in depth."""

    truth: Motion
    off_mm: float = 10.0
    name: str = "shifted"
    skeleton: Skeleton = H36M
    maxlen: int = 27

    def __post_init__(self) -> None:
        self.asked: list[tuple[int, int | None]] = []

    def __call__(self, motion: Motion, clip_len: int | None = None) -> tuple[np.ndarray, Motion]:
        self.asked.append((motion.num_frames, clip_len))
        joints_mm = truth_mm(motion, self.skeleton)
        joints_mm[:, 1:, 2] += self.off_mm + (clip_len or 0)
        return joints_mm, motion


def standing(yaw_deg: float, frames: int = 60) -> Motion:
    """Somebody upright who faces the camera, then turns towards the right of the image by so many degrees."""
    place = {
        "root": (0, 0),
        "thorax": (0, -500),
        "left_shoulder": (200, -500),
        "right_shoulder": (-200, -500),
    }
    place |= {
        "left_hip": (120, 0),
        "right_hip": (-120, 0),
    }  # facing the camera, their left is the image's right
    pose = np.array([(*place.get(joint, (0, -250)), 0.0) for joint in H36M.joints])
    turn = np.radians(yaw_deg)
    x = pose[:, 0] * np.cos(turn)
    z = pose[:, 0] * np.sin(turn)
    joints = np.repeat(np.stack([x, pose[:, 1], z], -1)[None], frames, 0)
    return replace(
        example_motion(H36M, (frames,)),
        joints_mm=joints,
        joints_image=joints / 4 + [960, 540, 0],
        confidence=np.ones((frames, 17)),
    )


@pytest.mark.parametrize(("sector", "name"), list(enumerate(VIEWS)))
def test_the_view_is_where_the_person_faces(sector, name):
    groups = BREAKDOWNS.get("view_angle")(standing(45 * sector + 10), None)
    assert {groups.names[code] for code in groups.codes} == {name}


def test_somebody_on_their_side_faces_nowhere():
    lying = standing(0)
    turned = replace(lying, joints_mm=lying.joints_mm[..., [1, 0, 2]])
    assert (BREAKDOWNS.get("view_angle")(turned, None).codes == -1).all()


def test_pitch_tilt_and_occlusion():
    motion = standing(0)
    groups = BREAKDOWNS.get("camera_pitch")(motion, np.tile(level_camera(np.eye(3), 20.0)[:, 1], (60, 1)))
    assert {groups.names[code] for code in groups.codes} == {"15 to 30 deg"}  # looks down
    assert "does not tell which way is up" in BREAKDOWNS.get("camera_pitch")(motion, None).note
    bent = replace(
        motion, joints_mm=motion.joints_mm[..., [0, 2, 1]]
    )  # the shoulders come towards the camera
    groups = BREAKDOWNS.get("trunk_tilt")(bent, None)
    assert {groups.names[code] for code in groups.codes} == {"-90 to -45 deg"}
    confidence = np.ones((60, 17))
    confidence[0, 0], confidence[1, :17] = 0.4, 0.0
    groups = BREAKDOWNS.get("occlusion")(replace(motion, confidence=confidence), None)
    assert [groups.names[code] for code in groups.codes[:3]] == ["to 10 %", "more", "none"]
    assert (BREAKDOWNS.get("occlusion")(motion, None).codes == -1).all()


def test_what_a_hand_cannot_tell_is_said():
    hand = example_motion(load_skeleton("Hand-21"))
    for name in ("view_angle", "trunk_tilt"):
        groups = BREAKDOWNS.get(name)(hand, None)
        assert "Hand-21" in groups.note and (groups.codes == -1).all()
    with pytest.raises(UserError, match="a detector of bodies"):
        make_input("detector", hand, ErrorSource())


def test_inputs_change_the_2d_alone(worker):
    motion = worker.motion
    recording = RecordedErrors(make_input("detector", motion, ErrorSource(1)), H36M)
    source = ErrorSource(0, recording)
    assert is_exact(motion) and usual_inputs(motion, source) == ["exact", "detector", "recorded"]
    off = {}
    for name in INPUTS.names():
        made, again = (make_input(name, motion, source) for _ in range(2))
        assert made.joints_mm is motion.joints_mm and np.array_equal(made.joints_2d, again.joints_2d)
        distance = np.linalg.norm(made.joints_2d - motion.joints_image[..., :2], axis=-1)
        off[name] = np.median(distance / np.ptp(motion.joints_image[..., 1], axis=1)[:, None])
        assert (made.confidence.min() < 1) == (name in ("detector", "recorded"))
    assert off["exact"] == 0 and off["given"] < 1e-5
    assert 0.002 < off["detector"] < 0.03 and 0.3 < off["recorded"] / off["detector"] < 3
    noisy = make_input("detector", motion, source)
    assert usual_inputs(noisy, ErrorSource()) == ["exact", "given"]
    assert is_exact(make_input("exact", noisy, source))
    with pytest.raises(UserError, match="--error_file"):
        make_input("recorded", motion, ErrorSource())


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_acceleration_errors_compare_over_frame_rates(stride):
    motion = replace(example_motion(H36M, (60,)), fps=FPS / stride)
    time_s = np.arange(60) * stride / FPS
    wrong = truth_mm(motion, H36M)
    wrong[..., 0] += 1000 * time_s[:, None] ** 2 / 2  # every joint accelerates 1 m/s2 too much
    labels = {"set": "a", "lifter": "b", "input": "exact"}
    errors = frame_errors(wrong, motion, H36M, np.ones(60, bool), **labels).row().errors
    assert errors[ACCELERATION] == pytest.approx(1.0, rel=1e-3)
    assert np.isnan(errors[MEASURED])
    unknown = frame_errors(wrong, replace(motion, fps=None), H36M, np.ones(60, bool), **labels)
    assert np.isnan(unknown.row().errors[ACCELERATION])
    with pytest.raises(UserError, match="no frame is left"):
        frame_errors(wrong, motion, H36M, np.zeros(60, bool), **labels)


def row(by: str, group: str, frames: int, mpjpe_mm: float) -> Row:
    return Row("set", "a", "H36M-17", "exact", by, group, frames, {"mpjpe_mm": mpjpe_mm})


def test_the_worst_view_is_one_with_enough_frames():
    views = [row("view_angle", "away", 60, 46.0), row("view_angle", "to camera", 40, 90.0)]
    (worst,) = worst_views([row("all", "all", 1000, 40.0), *views])
    assert worst.view == "away" and worst.excess == pytest.approx(0.15) and "met" in worst.text()
    (worst,) = worst_views([row("all", "all", 1000, 40.0), row("view_angle", "away", 60, 47.0)])
    assert "missed" in worst.text()
    assert worst_views([row("all", "all", 9000, 40.0), *views]) == []


def test_choice_of_videos():
    videos = np.array([[0, 10], [10, 50], [50, 90], [90, 130], [130, 170]])
    assert some_videos(videos, 0).tolist() == videos.tolist()
    assert some_videos(videos, 80, at_least=20).tolist() == [[10, 50], [130, 170]]
    assert len(some_videos(videos, 1)) == 1
    assert common_length(videos, [1, 9, 27, 81]) == 27
    assert common_length(np.array([[0, 10], [10, 14]]), [27]) == 0


def test_a_set_is_judged_in_every_way(worker):
    lifters = [Shifted(worker.motion), Shifted(worker.motion, off_mm=20.0, name="worse", maxlen=9)]
    judgement = Judgement()
    judge_set(worker, lifters, judgement, source=ErrorSource(), sweep_frames=FRAMES)
    found = {(r.lifter, r.input, r.by, r.group): r for r in judgement.rows}
    assert found["shifted", "exact", "all", "all"].errors["depth_error_mm"] == pytest.approx(10 * 16 / 17)
    assert found["worse", "detector", "all", "all"].errors["mpjpe_mm"] == pytest.approx(20 * 16 / 17)
    assert ("mean_pose", "none", "all", "all") in found and ("depth_zero", "detector", "all", "all") in found
    by = {key[2] for key in found}
    assert by == {
        "all",
        "task",
        "view_angle",
        "camera_pitch",
        "trunk_tilt",
        "occlusion",
        "clip_length",
        "frame_rate",
    }
    for each in ("task", "view_angle", "camera_pitch", "trunk_tilt"):
        rows = [r for key, r in found.items() if key[0] == "shifted" and key[1] == "exact" and r.by == each]
        assert sum(r.frames for r in rows) == worker.motion.num_frames
    lengths = {r.group: r for key, r in found.items() if key[:3] == ("shifted", "exact", "clip_length")}
    assert list(lengths) == ["1", "3", "9", "27"] and {r.frames for r in lengths.values()} == {FRAMES}
    assert lengths["27"].errors["mpjpe_mm"] == pytest.approx((10 + 27) * 16 / 17)
    assert ("worse", "exact", "clip_length", "27") not in found  # its clips are shorter
    rates = {r.group: r.frames for key, r in found.items() if key[:3] == ("shifted", "exact", "frame_rate")}
    assert rates == {"10": 14, "12": 17, "15": 21, "20": 28, "30": 42, "60": 84}
    text = judgement_text(judgement)
    assert "By frame rate, accel. m/s2" in text and "worst where the person faces" in text
    assert "mean_pose" not in text.split("By ")[1]
    assert len(list(csv.DictReader(rows_csv(judgement.rows).splitlines()))) == len(judgement.rows)
    picture = judgement_figure(judgement.rows)
    assert picture is not None and picture.startswith(b"\x89PNG")
    assert judgement_figure([r for r in judgement.rows if r.by == "task"]) is None
    with pytest.raises(UserError, match="two sets are called worker"):
        judge_set(worker, lifters, judgement, source=ErrorSource())


def test_frames_without_anybody_do_not_count(worker):
    confidence = make_input("detector", worker.motion, ErrorSource()).confidence.copy()
    confidence[5:12] = 0
    judged = replace(worker, motion=replace(worker.motion, confidence=confidence), train=None)
    judgement = Judgement()
    judge_set(judged, [Shifted(judged.motion)], judgement, source=ErrorSource(), by=())
    assert {r.frames for r in judgement.rows} == {worker.motion.num_frames - 7}
    assert "mean_pose" not in {r.lifter for r in judgement.rows}
    assert any("no mean pose" in note for note in judgement.notes["worker"])


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A tiny untrained model with clips of 9 frames, beside its config, and a pickle of two short videos."""
    folder = tmp_path_factory.mktemp("tiny")
    path = folder / "config.yaml"
    path.write_text(TINY.format(joint_format="H36M-17"))
    config = load_config(path)
    path.write_text(dump_config(config))
    torch.manual_seed(0)
    weights = build_model(config, H36M).state_dict()
    meta = checkpoint_meta(config, H36M, fps=30.0)
    save_checkpoint(folder / "best_epoch.bin", {"model_pos": weights, "meta": meta})
    motion = example_motion(H36M, (30, 5))
    splits = {name: as_split(motion) | {"size_px": motion.size_px, "fps": 30.0} for name in ("train", "test")}
    (folder / "set.pkl").write_bytes(pickle.dumps(splits))
    return folder


def test_the_tool(run_folder, tmp_path, capsys):
    arguments = ["-e", f"one={run_folder / 'best_epoch.bin'}", str(run_folder / "best_epoch.bin")]
    arguments += [
        "--data",
        f"mine={run_folder / 'set.pkl'}",
        "--device",
        "cpu",
        "--out",
        str(tmp_path / "out"),
    ]
    assert evaluate_model.main(arguments) == 0
    shown = capsys.readouterr().out
    assert "mine: split 'test', H36M-17, 35 of 35 frames of 2 videos at 30 frames a second" in shown
    stored = json.loads((tmp_path / "out" / "judging.json").read_text())
    lifters = {each["lifter"] for each in stored["rows"]}
    assert lifters == {"one", run_folder.name, "mean_pose", "depth_zero", "mean_depth"}
    same = [
        [each[key] for key in ("mpjpe_mm", "group")] for each in stored["rows"] if each["lifter"] == "one"
    ]
    assert [[e["mpjpe_mm"], e["group"]] for e in stored["rows"] if e["lifter"] == run_folder.name] == same
    assert {each["by"] for each in stored["rows"]} >= {"task", "clip_length", "frame_rate", "view_angle"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "judging.json",
        "judging.csv",
        "judging.txt",
        "mine.png",
    }


def test_motion_is_never_stretched(run_folder):
    (model,) = evaluate_model.load_models([str(run_folder / "best_epoch.bin")], {}, "cpu")
    motion = example_motion(H36M, (30, 5))
    whole, _ = model(motion)
    short = motion.select(slice(30, 35))
    np.testing.assert_allclose(whole[30:], model(short, 5)[0], atol=1e-3)
    config = model.config.__class__(model.config, gt_2d=False)
    part = motion.select(slice(0, 30))
    usual, _ = evaluate_model.predict_poses(config, model.checkpoint, part, H36M, model.runtime)
    np.testing.assert_allclose(whole[:30], usual, atol=1e-3)  # the figures of train.py
    assert np.abs(model(part, 3)[0] - usual).max() > 1e-3


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["-e", "{0}/best_epoch.bin", "{0}/best_epoch.bin"], "two models are called"),
        (["-e", "{0}/nothing.bin"], "does not exist"),
        (["-e", "{0}/best_epoch.bin", "--config", "x={0}/config.yaml"], "no model has that name"),
        (["-e", "{0}/best_epoch.bin", "--data", "{0}/config.txt"], "cannot tell what this is"),
        (["-e", "{0}/best_epoch.bin", "--data", "{0}/set.pkl", "--split", "validate"], "no split 'validate'"),
    ],
)
def test_mistakes_of_users(run_folder, tmp_path, flags, message):
    flags = [flag.format(run_folder) for flag in flags]
    data = [] if "--data" in flags else ["--data", str(run_folder / "set.pkl")]
    with pytest.raises(UserError, match=message):
        evaluate_model.main([*flags, *data, "--out", str(tmp_path / "out"), "--device", "cpu"])


MEDIAPIPE = load_skeleton("MediaPipe-33")


class Crowd:
    """Finds nobody in the first frame, then two people; their worlds hold the numbers 1 and 2."""

    def __init__(self) -> None:
        self.skeleton, self.worlds_m, self.calls = MEDIAPIPE, [], 0
        rng = np.random.default_rng(0)
        self.people = [rng.uniform(0, 100, (33, 3)), rng.uniform(0, 100, (33, 3)) + np.array([300, 0, 0])]

    def __call__(self, frame: np.ndarray) -> list[np.ndarray]:
        self.calls += 1
        self.worlds_m = [np.full((33, 3), number) for number in (1, 2)] if self.calls > 1 else []
        return self.people if self.calls > 1 else []


def test_world_landmarks_are_those_of_the_same_person(monkeypatch):
    crowd = Crowd()
    monkeypatch.setattr(world_landmarks, "build_detector", lambda name: crowd)
    found = world_landmarks.find_world_landmarks([np.zeros((4, 4, 3), np.uint8)] * 4)
    made = conversion(MEDIAPIPE, H36M, allow_missing=True, log=False)
    keypoints = np.repeat(made.apply(crowd.people[1][None, :, :2])[0], 4, 0)
    keypoints[2] = np.nan  # the result has nobody here
    keypoints[3] += 150  # and somebody else there
    keypoints[1, 3] = np.nan
    worlds = found.of_person(keypoints, H36M)
    assert worlds.shape == (4, 33, 3)
    assert (worlds[1] == 2).all() and np.isnan(worlds[[0, 2, 3]]).all()


def test_common_ground_has_the_same_joints_and_frames():
    made = conversion(MEDIAPIPE, H36M, allow_missing=True, log=False)
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(size=(6, 17, 3)), rng.normal(size=(6, 33, 3))
    ours[1], theirs[4] = np.nan, np.nan
    one, other, skeleton = world_landmarks.on_common_ground(ours, theirs, made, H36M)
    assert np.array_equal(np.isnan(one), np.isnan(other))
    assert np.isfinite(one[0]).all(-1).tolist() == made.exact.tolist() and 8 < made.exact.sum() < 17
    assert np.isnan(one[[1, 4]]).all() and np.isfinite(skeleton.root_of(one)[0]).all()
    with_pelvis = replace(made, exact=made.exact & (np.arange(17) != 0))  # without the format's own root
    *_, skeleton = world_landmarks.on_common_ground(ours, theirs, with_pelvis, H36M)
    assert set(skeleton.root) == {"left_hip", "right_hip"}
    with pytest.raises(UserError, match="no frame"):
        world_landmarks.on_common_ground(ours, theirs * np.nan, made, H36M)


def test_mediapipe_stands_beside_a_result(tmp_path, monkeypatch, capsys):
    """A shaking copy of the result, found by a detector that sees the result's own keypoints."""
    world = result_folder(tmp_path / "out")
    stored = np.load(tmp_path / "out" / "keypoints_2d.npz")
    back = conversion(H36M, MEDIAPIPE, allow_missing=True, log=False)
    points = back.apply(stored["keypoints"][..., :2])[0]
    camera = level_camera(np.eye(3), 0.0)
    worlds = back.apply(world.positions @ camera.T)[0]
    worlds = worlds + 0.02 * np.random.default_rng(0).normal(size=worlds.shape)
    people = np.concatenate([points, np.ones((*points.shape[:2], 1))], -1)[:, None]
    found = world_landmarks.WorldLandmarks(MEDIAPIPE, list(people), list(worlds[:, None]))
    monkeypatch.setattr(measure_video, "landmarks_of", lambda path, hands: found)
    file = tmp_path / "measures.json"
    folder = str(tmp_path / "out")
    assert measure_video.main([folder, "--mediapipe", "video.mp4", "--json", str(file)]) == 0
    measured = json.loads(file.read_text())
    ours, theirs = measured[f"{folder}, common"], measured[f"{folder}, MediaPipe"]
    assert ours["frames"] == theirs["frames"] == len(people)
    assert ours["reprojection_median"] < 1e-5 < 0.005 < theirs["reprojection_median"]
    for key in ("limb_length_variation", "jitter_sizes_per_s2", "acceleration_share_placed"):
        assert theirs[key] > 1.4 * ours[key]
    assert theirs["acceleration_share"] is None and theirs["reprojection_still_median"] is None
    assert "Not comparable" in capsys.readouterr().out
    short = replace(found, people=found.people[:-1], worlds_m=found.worlds_m[:-1])
    monkeypatch.setattr(measure_video, "landmarks_of", lambda path, hands: short)
    with pytest.raises(UserError, match="give the video that the result was made from"):
        measure_video.main([folder, "--mediapipe", "video.mp4"])
