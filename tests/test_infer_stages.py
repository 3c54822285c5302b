"""infer_wild.py over the result of an earlier run: what is made again, and that nothing stale is left."""

import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from lib.errors import UserError
from lib.wild.records import WorldMotion
from tests.example_run import DETECTED, FRAMES, SIZE_PX, run, write_model, write_video


@pytest.fixture(scope="module")
def two_people(tmp_path_factory: pytest.TempPathFactory, keypoints: np.ndarray) -> Path:
    """A keypoint file of two people; the second one is seen for less time, but is larger."""
    larger = (keypoints - [160, 120, 0]) * [1.15, 1.15, 1] + [90, 120, 0]
    larger[-4:] = np.nan
    path = tmp_path_factory.mktemp("people") / "people.npy"
    np.save(path, np.stack([keypoints, larger], 1).astype(np.float32))
    return path


# flag -> the first file in which it shows
SHOWS_IN = {
    "--stature 1.8": "X3D_world.npz",
    "--pitch 20": "X3D_world.npz",
    "--focal 900": "X3D_world.npz",
    "--smooth savgol": "X3D_world.npz",
    "--no_rigid": "X3D_world.npz",
    "--fps 7": "X3D.npy",
    "--no_flip": "X3D.npy",
    "--pixel": "X3D.npy",
    "--clip_len 5": "X3D.npy",
    "--precision bf16": "X3D.npy",
    "--focus largest": "keypoints_2d.npz",
    "--focus 2": "keypoints_2d.npz",
    "--anonymize": "overlay.mp4",
}


@pytest.fixture(scope="module")
def common(two_people: Path, checkpoint: Path) -> tuple:
    """Flags of every run."""
    return ("-j", two_people, "-e", checkpoint, "--keypoints", "Halpe-26")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, video: Path, common: tuple) -> Path:
    """The result of no other flag."""
    out = tmp_path_factory.mktemp("plain")
    assert run("-v", video, "-o", out, *common) == 0
    return out


@pytest.fixture
def out(tmp_path: Path, plain: Path) -> Path:
    """A copy of the result of no other flag, to run over."""
    return shutil.copytree(plain, tmp_path / "out")


def content(path: Path) -> list[np.ndarray]:
    """The arrays of a file, or the pictures of a video."""
    if path.suffix == ".mp4":
        with av.open(str(path)) as made:
            return [frame.to_ndarray(format="gray") for frame in made.decode(video=0)]
    loaded = np.load(path)
    return [loaded] if path.suffix == ".npy" else [loaded[name] for name in loaded]


def differ(a: Path, b: Path) -> bool:
    pairs = zip(content(a), content(b), strict=True)
    return any(
        x.shape != y.shape or not np.array_equal(x, y, equal_nan=x.dtype.kind == "f") for x, y in pairs
    )


@pytest.mark.parametrize("flags", SHOWS_IN)
def test_a_flag_changes_what_it_should(
    tmp_path: Path, flags: str, plain: Path, out: Path, video: Path, common: tuple
):
    """Once in a folder of its own, and once over the result without it: nothing stale may be left."""
    alone = tmp_path / "alone"
    for folder in (alone, out):
        assert run("-v", video, "-o", folder, *common, *flags.split()) == 0
    for name in ("keypoints_2d.npz", "X3D.npy", "X3D_world.npz", "overlay.mp4"):
        assert not differ(alone / name, out / name), f"{name} is stale"
    assert differ(plain / SHOWS_IN[flags], out / SHOWS_IN[flags])


def test_other_inputs_are_not_taken_for_the_old_ones(
    tmp_path: Path, plain: Path, out: Path, two_people: Path, checkpoint: Path, common: tuple
):
    images = [np.zeros((SIZE_PX[1], SIZE_PX[0], 3), np.uint8)] * FRAMES
    black = write_video(tmp_path / "worker.mp4", images)
    assert run("-v", black, "-o", out, *common) == 0
    assert differ(plain / "overlay.mp4", out / "overlay.mp4")
    # joints of other names: COCO-17 and PoseTrack-17 have 17 each
    coco = tmp_path / "coco.npy"
    np.save(coco, np.load(two_people)[:, 0, :17])
    flags = ("-v", black, "-j", coco, "-o", tmp_path / "coco", "-e", checkpoint, "--no_render")
    assert run(*flags, "--keypoints", "COCO-17") == 0
    before = np.load(tmp_path / "coco" / "X3D.npy")
    assert run(*flags, "--keypoints", "H36M-17") == 0
    assert not np.array_equal(before, np.load(tmp_path / "coco" / "X3D.npy"), equal_nan=True)


def test_no_face_is_left_from_an_earlier_run(
    plain: Path, out: Path, video: Path, common: tuple, keypoints: np.ndarray
):
    flags = ("-v", video, "-o", out, *common, "--anonymize")
    assert run(*flags, "--no_render") == 0
    assert not (out / "overlay.mp4").exists()
    assert b'id="video-data"' not in (out / "report.html").read_bytes()
    assert run(*flags) == 0
    blurred = content(out / "overlay.mp4")[3].astype(float)
    sharp = content(plain / "overlay.mp4")[3].astype(float)
    x, y = keypoints[3, DETECTED.index("nose"), :2].astype(int)
    head = np.s_[y - 6 : y + 6, x - 6 : x + 6]
    assert np.abs(blurred - sharp)[head].mean() > 15, "the head is not blurred"
    assert np.abs(blurred - sharp)[-40:-8, :40].mean() < 5, "everything is blurred"


def test_a_stage_that_broke_off_is_run_again(
    plain: Path, out: Path, video: Path, common: tuple, monkeypatch: pytest.MonkeyPatch
):
    """Files of two minds must not pass for finished ones: here X3D.npy of --pixel beside the rest of the old run."""
    flags = ("-v", video, "-o", out, *common, "--no_render")
    with monkeypatch.context() as patch:
        patch.setattr(WorldMotion, "save", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(OSError, match="full"):
            run(*flags, "--pixel")
    assert differ(plain / "X3D.npy", out / "X3D.npy")
    assert run(*flags) == 0
    assert not differ(plain / "X3D.npy", out / "X3D.npy")
    # a damaged file is made anew
    (out / "X3D_world.npz").write_bytes(b"cut off")
    assert run(*flags) == 0
    assert not differ(plain / "X3D_world.npz", out / "X3D_world.npz")


def test_joints_that_keypoints_cannot_make_stay_empty(tmp_path, alphapose, capsys):
    """Body keypoints without hands in a model of 24 joints with hands."""
    (tmp_path / "model").mkdir()
    model = write_model(tmp_path / "model", "RTM-24")
    common = ("--size", "320x240", "--rate", 10, "--no_render", "--keypoints", "Halpe-26")
    flags = ("-j", alphapose, "-e", model, *common)
    with pytest.raises(UserError, match="--allow_missing"):
        run(*flags, "-o", tmp_path / "refused")
    assert run(*flags, "-o", tmp_path / "out", "--allow_missing") == 0
    assert "Seen in no frame, so without positions: left_index" in capsys.readouterr().out
    with np.load(tmp_path / "out" / "X3D_world.npz") as world:
        empty = np.isnan(world["positions"]).all((0, 2))
        assert list(world["joints"][empty]) == [
            *("left_index", "left_middle_mcp", "left_pinky"),
            *("right_index", "right_middle_mcp", "right_pinky"),
        ]
