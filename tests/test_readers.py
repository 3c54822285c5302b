"""Readers: each layout on disk becomes the same record; mistakes are named."""

import inspect
import json
import logging
import pickle
import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from lib.config import load_config
from lib.config_schema import HandConfig, Reader
from lib.data.build import build_motion, load_readers
from lib.data.checks import check_motion, check_split_overlap
from lib.data.clips import ClipSet, clip_frames
from lib.data.normalize import denormalize_3d, normalize_2d, normalize_3d
from lib.data.readers import READERS
from lib.errors import UserError
from lib.skeleton import load_skeleton
from tests.example_motion import as_split, example_motion
from tools import convert_clips

UPSTREAM = np.load(Path(__file__).parent / "data" / "golden" / "up_readers.npz")
H36M = load_skeleton("H36M-17")
RTM37 = load_skeleton("RTM-37")
PICKLE_READERS = ("h36m", "vehs", "pickle")


@pytest.fixture
def h36m_config(tmp_path) -> dict:
    """The data set of the golden vectors as a pickle."""
    content: dict = {"train": {}, "test": {}}
    for key in UPSTREAM.files:
        if key.startswith("dataset/"):
            _, split, name = key.split("/", 2)
            content[split][name] = UPSTREAM[key]
    (tmp_path / "h36m.pkl").write_bytes(pickle.dumps(content))
    return {"reader": "h36m", "dt_root": str(tmp_path), "dt_file": "h36m.pkl"}


@pytest.fixture
def pickle_config(tmp_path):
    """Write a pickle of these splits and give a config that reads it."""

    def write(reader: str = "vehs", **splits) -> dict:
        (tmp_path / "data.pkl").write_bytes(pickle.dumps(splits))
        size = {"res_w": 1920, "res_h": 1080}
        return {"reader": reader, "dt_root": str(tmp_path), "dt_file": "data.pkl", **size}

    return write


@pytest.mark.parametrize(("split", "number"), [("train", 0), ("test", 1)])
def test_motionbert_read_2d_and_3d(h36m_config, split, number):
    motion = build_motion(h36m_config, H36M, split)
    given = np.concatenate([normalize_2d(motion.joints_2d, motion.size_px), motion.confidence[..., None]], -1)
    assert np.abs(given - UPSTREAM[f"h36m/read_2d/{number}"]).max() < 1e-6
    label = normalize_3d(motion.joints_image, motion.size_px)
    assert np.abs(label - UPSTREAM[f"h36m/read_3d/{number}"]).max() < 1e-6


def test_motionbert_sizes_and_denormalize(h36m_config):
    motion = build_motion(h36m_config, H36M, "test")
    assert np.array_equal(motion.size_px, UPSTREAM["h36m/read_hw"])
    theirs = np.stack([UPSTREAM[f"h36m/split_id/1/{clip}"] for clip in range(4)])
    assert np.array_equal(motion.size_px[theirs[:, 0]], UPSTREAM["h36m/get_hw"])
    normalized, px = UPSTREAM["h36m/denormalize/0"], UPSTREAM["h36m/denormalize/1"]
    ours = denormalize_3d(normalized, motion.size_px[theirs[:, 0]])
    assert np.abs(ours / px - 1).max() < 1e-5


@pytest.mark.parametrize(("split", "number", "stride"), [("train", 0, 3), ("test", 1, 9)])
def test_motionbert_sliced_clips(h36m_config, split, number, stride):
    # our clips are theirs and the tails that they drop, in the order of the frames
    motion = build_motion(h36m_config, H36M, split)
    frames = clip_frames(motion.videos, 9, stride).tolist()
    count = sum(key.startswith(f"h36m/split_id/{number}/") for key in UPSTREAM.files)
    theirs = [UPSTREAM[f"h36m/split_id/{number}/{clip}"].tolist() for clip in range(count)]
    same_source = [clip for clip in theirs if len(set(np.asarray(motion.source)[clip])) == 1]
    ids = [frames.index(clip) for clip in same_source]
    batch = ClipSet(motion, 9, stride).batch(ids)
    rows = [theirs.index(clip) for clip in same_source]
    assert len(rows) == count
    assert np.abs(batch["input"].numpy() - UPSTREAM[f"h36m/sliced/{number}"][rows]).max() < 1e-6
    assert np.abs(batch["target"].numpy() - UPSTREAM[f"h36m/sliced/{number + 2}"][rows]).max() < 1e-6


def test_h36m_fields(h36m_config):
    test, train = (build_motion(h36m_config, H36M, split) for split in ("test", "train"))
    assert np.allclose(test.joints_mm, UPSTREAM["dataset/test/joints_2.5d_image"])
    assert np.allclose(test.factor_mm_per_px, UPSTREAM["dataset/test/2.5d_factor"])
    assert test.action.names == ("Act0", "Act1") and test.camera[0] == "58860488"
    assert (
        train.joints_mm is None and train.factor_mm_per_px is None and train.source.names == ("A", "B", "C")
    )


def test_unknown_cameras_are_named(pickle_config):
    motion = replace(example_motion(H36M), camera="54138969")
    config = pickle_config("h36m", train=as_split(motion), test=as_split(example_motion(H36M)))
    assert build_motion(config, H36M, "train").size_px[0].tolist() == [1000, 1002]
    assert build_motion(config, H36M, "test").size_px[0].tolist() == [1920, 1080]
    with pytest.raises(UserError, match=r"camera 'front' is not known.*54138969.*res_w and res_h"):
        build_motion({**config, "res_w": None}, H36M, "test")


@pytest.mark.parametrize("reader", PICKLE_READERS)
@pytest.mark.parametrize("split", ["train", "validate", "test"])
def test_pickles_give_back_what_went_in(pickle_config, reader, split):
    parts = {
        name: replace(example_motion(H36M, seed=number, size_px=(1000, 1002)), camera="54138969")
        for number, name in enumerate(("train", "validate", "test"))
    }
    config = pickle_config(reader, **{name: as_split(motion) for name, motion in parts.items()})
    motion = build_motion({**config, "res_w": 1000, "res_h": 1002}, H36M, split)
    for name in ("joints_2d", "confidence", "joints_image", "joints_mm", "factor_mm_per_px", "size_px"):
        assert np.array_equal(getattr(motion, name), getattr(parts[split], name))
    assert motion.source == parts[split].source and motion.action == parts[split].action


@pytest.mark.parametrize("shape", ["(F,J)", "(F,J,1)", "absent", "null"])
def test_confidence_comes_in_several_shapes(pickle_config, shape):
    motion = example_motion(RTM37)
    part = as_split(motion)
    expected = motion.confidence
    if shape == "(F,J,1)":
        part["confidence"] = part["confidence"][..., None]
    elif shape in ("absent", "null"):
        part["confidence"] = None
        expected = np.ones_like(expected)
        if shape == "absent":
            del part["confidence"]
    assert np.array_equal(build_motion(pickle_config(train=part), RTM37, "train").confidence, expected)


def test_a_missing_split_lists_those_there_are(pickle_config):
    config = pickle_config(train=as_split(example_motion(H36M)), validate=as_split(example_motion(H36M)))
    with pytest.raises(UserError, match=r"no split 'test'.*it has: train, validate"):
        build_motion(config, H36M, "test")
    with pytest.raises(UserError, match=r"did you mean 'validate'"):
        build_motion(config, H36M, "validation")


def test_another_number_of_joints_is_an_error(pickle_config):
    config = pickle_config(train=as_split(example_motion(RTM37)))
    with pytest.raises(
        UserError, match=r"\(75, 37, 2\), expected \(frames, 17, 2\) for joint_format H36M-17"
    ):
        build_motion(config, H36M, "train")


@pytest.mark.parametrize("key", ["joint_2d", "source"])
def test_missing_keys_are_named(pickle_config, key):
    part = as_split(example_motion(H36M))
    del part[key]
    with pytest.raises(UserError, match=f"no '{key}'"):
        build_motion(pickle_config(train=part), H36M, "train")


def test_missing_resolution_and_files_are_named(pickle_config):
    config = pickle_config(train=as_split(example_motion(H36M)))
    with pytest.raises(UserError, match="vehs needs the config keys res_w, res_h"):
        build_motion({**config, "res_w": None, "res_h": None}, H36M, "train")
    with pytest.raises(UserError, match="holds no size_px"):
        build_motion({**config, "reader": "pickle", "res_w": None}, H36M, "train")
    with pytest.raises(UserError, match=r"no file .*nowhere.pkl; dt_root"):
        build_motion({**config, "dt_file": "nowhere.pkl"}, H36M, "train")


def test_pickles_may_tell_size_rate_and_derived_joints(pickle_config):
    part = as_split(example_motion(H36M, (20, 10)))
    part["size_px"] = np.repeat([[640, 480], [1280, 720]], [20, 10], axis=0)
    part |= {"fps": np.full(30, 60.0), "derived_joints": ["head"]}
    config = pickle_config("pickle", train=part)
    motion = build_motion(config, H36M, "train")
    assert np.array_equal(motion.size_px, part["size_px"])
    assert (motion.fps, motion.derived_joints) == (60.0, ("head",))
    assert build_motion({**config, "sample_stride": 2}, H36M, "train").fps == 30.0
    del part["fps"]
    assert build_motion({**pickle_config("pickle", train=part), "fps": 25}, H36M, "train").fps == 25
    part["fps"] = np.repeat([30.0, 60.0], [20, 10])
    assert build_motion(pickle_config("pickle", train=part), H36M, "train").fps is None


def test_sample_stride_takes_every_nth_frame_of_each_video(pickle_config):
    motion = example_motion(H36M, (10, 1, 5))
    config = {**pickle_config(train=as_split(motion)), "sample_stride": 4}
    thinned = build_motion(config, H36M, "train")
    kept = [0, 4, 8, 10, 11, 15]
    assert np.array_equal(thinned.joints_2d, motion.joints_2d[kept])
    assert np.array_equal(thinned.joints_mm, motion.joints_mm[kept])
    assert thinned.source == motion.source[kept]


def test_missing_keypoints_are_filled(pickle_config):
    motion = example_motion(H36M)
    motion.joints_2d[3, 2] = np.nan
    config = pickle_config(train=as_split(motion))
    filled = build_motion(config, H36M, "train")
    assert filled.missing == "hold" and filled.confidence[3, 2] == 0
    assert np.array_equal(filled.joints_2d[3, 2], motion.joints_2d[2, 2])
    assert build_motion({**config, "missing": "keep"}, H36M, "train").missing == "keep"


@pytest.fixture
def clip_config(tmp_path) -> dict:
    """Two subsets of clip folders; the second has labels alone."""
    batch = ClipSet(example_motion(H36M, (27, 54)), 27, 27).batch(range(3))
    for subset, has_2d in (("H36M-SH", True), ("AMASS", False)):
        folder = tmp_path / subset / "train"
        folder.mkdir(parents=True)
        for number, (given, label) in enumerate(zip(batch["input"], batch["target"], strict=True)):
            clip = {"data_input": given.numpy() if has_2d else None, "data_label": label.numpy()}
            (folder / f"{number:08d}.pkl").write_bytes(pickle.dumps(clip))
    return {"reader": "clips", "data_root": str(tmp_path), "subset_list": ["H36M-SH"]}


def test_clip_folders_give_the_same_batches(clip_config):
    motion = build_motion(clip_config, H36M, "train")
    clips = ClipSet(motion, 27, 9)
    expected = ClipSet(example_motion(H36M, (27, 54)), 27, 27).batch(range(3))
    for key in ("input", "target"):
        assert (clips.batch(range(3))[key] - expected[key]).abs().max() < 1e-6
    assert len(clips) == 3 and clips.source_names([1]) == ["H36M-SH/train/00000001.pkl"]


def test_clips_without_2d_need_synthetic(clip_config):
    config = {**clip_config, "subset_list": ["H36M-SH", "AMASS"]}
    with pytest.raises(UserError, match="synthetic: True"):
        build_motion(config, H36M, "train")
    motion = build_motion({**config, "synthetic": True}, H36M, "train")
    assert motion.num_frames == 6 * 27
    assert np.abs(motion.joints_2d[81:] - motion.joints_image[81:, :, :2]).max() < 1e-3
    assert (motion.confidence[81:] == 1).all()


def test_stray_files_are_left_out_with_a_warning(clip_config, caplog):
    folder = Path(clip_config["data_root"]) / "H36M-SH" / "train"
    (folder / ".DS_Store").write_text("x")
    (folder / "notes.txt").write_text("x")
    with caplog.at_level(logging.WARNING):
        assert build_motion(clip_config, H36M, "train").num_frames == 81
    assert "left out 2 files" in caplog.text


def test_faulty_clips_are_named(clip_config):
    folder = Path(clip_config["data_root"]) / "H36M-SH" / "train"
    with pytest.raises(UserError, match=r"no folder .*test; .* has: train"):
        build_motion(clip_config, H36M, "test")
    (folder / "00000001.pkl").write_bytes(
        pickle.dumps({"data_input": None, "data_label": np.zeros((27, 16, 3))})
    )
    with pytest.raises(UserError, match=r"00000001.pkl: data_label has shape \(27, 16, 3\)"):
        build_motion(clip_config, H36M, "train")
    (folder / "00000001.pkl").write_bytes(pickle.dumps([1]))
    with pytest.raises(UserError, match=r"00000001.pkl is no clip"):
        build_motion(clip_config, H36M, "train")
    for file in folder.iterdir():
        file.unlink()
    with pytest.raises(UserError, match="0 clips from"):
        build_motion(clip_config, H36M, "train")


def posetrack_file(folder: Path, people: dict[int, list[int]], unseen: tuple[int, ...] = ()) -> None:
    """Annotations of people in these frames; image ids jump, as PoseTrack's do."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    notes = []
    for person, frames in people.items():
        for frame in frames:
            keypoints = np.concatenate([rng.uniform(100, 600, (17, 2)), np.ones((17, 1))], 1)
            keypoints[list(unseen)] = 0
            notes.append(
                {"track_id": person, "image_id": 1000 + 7 * frame, "keypoints": keypoints.flatten().tolist()}
            )
    images = [{"id": 1000 + 7 * frame} for frame in range(100)]
    (folder / "000001_mpii.json").write_text(json.dumps({"images": images, "annotations": notes[::-1]}))


def test_posetrack(tmp_path):
    # the second person leaves for a frame, the third is seen too shortly
    people = {1: list(range(40)), 2: [*range(30), *range(31, 62)], 3: list(range(29))}
    posetrack_file(tmp_path / "train", people, unseen=(3,))
    motion = build_motion({"reader": "posetrack", "posetrack_root": str(tmp_path)}, H36M, "train")
    assert (motion.videos[:, 1] - motion.videos[:, 0]).tolist() == [40, 30, 31]
    assert motion.source.names == tuple(f"000001_mpii/{name}" for name in ("1-0", "2-0", "2-1"))
    clips = ClipSet(motion, 30, 30)
    batch = clips.batch(range(len(clips)))
    assert "target" not in batch
    assert batch["input"][..., :2].abs().max() <= 1 + 1e-6 and (batch["input"][..., 2] == 1).all()
    hips = batch["input"][..., [H36M.index_canonical(f"{side}_hip") for side in ("left", "right")], :2]
    assert (hips.mean(-2) - batch["input"][..., H36M.root_idx, :2]).abs().max() < 1e-6


def test_posetrack_needs_the_root(tmp_path):
    posetrack_file(tmp_path / "train", {1: list(range(40))}, unseen=(11,))
    config = {"reader": "posetrack", "posetrack_root": str(tmp_path)}
    with pytest.raises(UserError, match="0 clips from"):
        build_motion(config, H36M, "train")
    with pytest.raises(UserError, match=r"no .json file"):
        build_motion(config, H36M, "val")
    (tmp_path / "train" / "000001_mpii.json").write_text("{}")
    with pytest.raises(UserError, match="no PoseTrack annotation file"):
        build_motion(config, H36M, "train")


def test_instavariety(tmp_path):
    rng = np.random.default_rng(0)
    motion = rng.uniform(-0.2, 0.7, (60, 17, 3)).astype(np.float32)
    motion[..., 2] = 0.9
    motion[:, [7, 10], 2] = 0  # the files have neither belly nor head
    motion[30:40, 0, 2] = 0  # the second video has no root
    np.save(tmp_path / "motion_all.npy", motion)
    np.save(tmp_path / "id_all.npy", np.repeat([0, 1, 2], [30, 10, 20]))
    config = {"reader": "instavariety", "instavariety_root": str(tmp_path)}
    read = build_motion(config, H36M, "train")
    assert read.joints_image is None and read.source.names[:1] == ("0",)
    assert read.videos.tolist() == [[0, 30], [30, 50]]
    batch = ClipSet(read, 10, 10).batch(range(5))["input"]
    seen = batch[..., 2] > 0
    assert not seen[:, :, [7, 10]].any()
    assert (
        np.isclose(batch[:3][seen[:3]][:, :2].abs().max(), 1, atol=1e-5)
        and batch[seen].abs().max() < 1 + 1e-5
    )
    with pytest.raises(UserError, match="RTM-37"):
        build_motion(config, RTM37, "train")
    with pytest.raises(UserError, match="cannot read"):
        build_motion({**config, "instavariety_root": "nowhere"}, H36M, "train")


def test_every_reader_takes_config_keys_only():
    load_readers()
    assert READERS.names() == sorted(get_args(Reader))  # the config knows the same names
    for name in READERS.names():
        keys = list(inspect.signature(READERS.get(name)).parameters)
        assert keys[:2] == ["skeleton", "split"]
        assert set(keys[2:]) <= set(HandConfig.model_fields)


def test_an_unknown_reader_lists_the_known_ones():
    with pytest.raises(UserError, match=r"did you mean 'h36m'.*known: clips, h36m"):
        build_motion({"reader": "h36n"}, H36M, "train")


@pytest.fixture
def conversion(pickle_config, tmp_path) -> list[str]:
    """Command line that converts a pickle of a long and a short video in each split."""
    motion = example_motion(RTM37, (60, 20))
    keys = pickle_config(train=as_split(motion), test=as_split(motion))
    keys |= {"joint_format": "RTM-37", "clip_len": 27, "data_stride": 9, "maxlen": 27}
    (tmp_path / "config.yaml").write_text(json.dumps(keys))
    return ["--config", str(tmp_path / "config.yaml"), "--out", str(tmp_path / "clips" / "mine")]


def test_converted_clips_read_back_the_same(conversion, tmp_path):
    assert convert_clips.main(conversion) == 0
    config = {"reader": "clips", "data_root": str(tmp_path / "clips"), "subset_list": ["mine"]}
    for split, stride in (("train", 9), ("test", 27)):
        expected = ClipSet(example_motion(RTM37, (60, 20)), 27, stride)
        read = ClipSet(build_motion(config, RTM37, split), 27, 27)
        assert len(read) == len(expected)
        one, other = read.batch(range(len(read))), expected.batch(range(len(read)))
        assert all((one[key] - other[key]).abs().max() < 1e-6 for key in ("input", "target"))


def test_conversion_takes_set_as_the_other_scripts_do(conversion, tmp_path):
    assert convert_clips.main(["--set", "data_stride=60", *conversion, "--set", "train_split=test"]) == 0
    assert [path.name for path in (tmp_path / "clips" / "mine").iterdir()] == ["test"]
    # 60 and 20 frames in clips of 27 every 60: a first and a last window, and a stretched one
    assert len(list((tmp_path / "clips" / "mine" / "test").iterdir())) == 3


def test_stale_clips_do_not_stay(conversion, tmp_path):
    folder = tmp_path / "clips" / "mine" / "train"
    folder.mkdir(parents=True)
    (folder / "00009999.pkl").write_bytes(b"stale")
    assert convert_clips.main(conversion) == 0
    assert sorted(path.name for path in folder.iterdir()) == [f"{number:08d}.pkl" for number in range(6)]


def test_other_peoples_files_are_not_replaced(conversion, tmp_path, capsys):
    folder = tmp_path / "clips" / "mine" / "train"
    folder.mkdir(parents=True)
    (folder / "thesis.docx").write_text("x")
    assert convert_clips.main(conversion) == 2
    assert "thesis.docx, which is no clip" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["thesis.docx"]


def test_the_recipe_in_the_docs_works(tmp_path, monkeypatch):
    text = (Path(__file__).parents[1] / "docs" / "add_dataset.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 100
    blocks = {
        kind: re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL) for kind in ("python", "yaml", "bash")
    }
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(blocks["python"][0], names)
    Path("mine.yaml").write_text(blocks["yaml"][0])
    config = load_config("mine.yaml", [], task="pose3d")
    train, test = (build_motion(config, RTM37, split) for split in ("train", "test"))
    assert check_motion(train, clip_len=config.clip_len) + check_split_overlap(train, test) == []
    assert len(ClipSet(train, config.clip_len, config.data_stride)) == 10
    for line in blocks["bash"][0].splitlines():
        assert (Path(__file__).parents[1] / line.split()[1]).is_file()
    try:
        exec(blocks["python"][1], names)
        np.savez("train.npz", xy=train.joints_2d, seen=train.confidence, video=np.asarray(train.source))
        read = build_motion({"reader": "mine", "data_root": "."}, RTM37, "train")
        assert np.array_equal(read.joints_2d, train.joints_2d)
    finally:
        READERS._entries.pop("mine", None)
