"""infer_wild.py from end to end on a small video with a known person, and what it says to bad input."""

import pickle
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch

import infer_wild
from lib.body import load_body
from lib.errors import UserError
from lib.wild.exports import EXPORTS
from lib.wild.mesh_motion import MeshMotion
from lib.wild.records import Flag, WorldMotion
from tests.example_run import (
    DETECTED,
    FPS,
    FRAMES,
    SIZE_PX,
    run,
    write_alphapose,
    write_mesh_model,
    write_model,
)

ROOT = Path(__file__).parents[1]


def test_a_video_and_nothing_else(
    tmp_path: Path, video: Path, checkpoint: Path, known_person: list[int], capsys: pytest.CaptureFixture[str]
):
    known_person += range(8, 10)  # a gap of two frames
    out = tmp_path / "out"
    flags = ("-v", video, "-o", out, "-e", checkpoint, "--detector", "known_person", "--stature", 1.75)
    assert run(*flags, "--anonymize") == 0
    text = capsys.readouterr()

    world = WorldMotion.load(out / "X3D_world.npz")
    assert world.units == "m"
    assert world.positions.shape == (FRAMES, 17, 3)
    assert np.isfinite(world.positions).all()
    assert (world.flag[8:10] == Flag.INTERPOLATED).all()
    assert (world.confidence[8:10] == 0).all()
    assert np.load(out / "X3D.npy").shape == (FRAMES, 17, 3)
    kept = np.load(out / "keypoints_2d.npz")
    assert kept["keypoints"].shape == (FRAMES, 17, 3)
    assert kept["raw"].shape == (FRAMES, DETECTED.num_joints, 3)
    assert np.isnan(kept["raw"][8:10, :, :2]).all(), "what was not detected is not among the raw keypoints"
    for name in ("overlay.mp4", "X3D.mp4"):
        with av.open(str(out / name)) as made:
            assert sum(1 for _ in made.decode(video=0)) == FRAMES, name
    for name in EXPORTS.names():
        assert (out / EXPORTS.get(name).file_name).stat().st_size > 0
    assert "report.html" in text.out
    assert "2 (8%)" in text.out, "the frames without detection"
    assert "frames/s" in text.err

    # again: nothing is due; with another stature the videos' 2D is not detected again
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert run(*flags, "--anonymize") == 0
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before
    assert run(*flags[:-1], 1.6, "--anonymize") == 0
    after = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert after[out / "detections.npz"] == before[out / "detections.npz"]
    assert after[out / "X3D_world.npz"] != before[out / "X3D_world.npz"]
    assert run(*flags, "--anonymize", "--force", "--no_render") == 0
    assert (out / "detections.npz").stat().st_mtime_ns != before[out / "detections.npz"]


def test_a_person_who_is_away_for_half_of_the_video(
    tmp_path: Path, video: Path, checkpoint: Path, known_person: list[int], capsys: pytest.CaptureFixture[str]
):
    known_person += range(6, 18)
    assert run("-v", video, "-o", tmp_path, "-e", checkpoint, "--detector", "known_person") == 0
    world = WorldMotion.load(tmp_path / "X3D_world.npz")
    assert world.present.tolist() == [not 6 <= frame < 18 for frame in range(FRAMES)]
    assert np.isnan(world.positions[6:18]).all()
    assert np.isnan(np.load(tmp_path / "X3D.npy")[6:18]).all()
    assert "12 (50%)" in capsys.readouterr().out


def test_motionberts_command_line(tmp_path: Path, video: Path, alphapose: Path, checkpoint: Path):
    common = (
        "--vid_path",
        video,
        "--json_path",
        alphapose,
        "--evaluate",
        checkpoint,
        "--clip_len",
        8,
        "--no_render",
    )
    config = ("--config", checkpoint.with_name("config.yaml"))
    assert run(*common, *config, "--out_path", tmp_path / "a") == 0
    assert run(*common, "--focus", 1, "--out_path", tmp_path / "b", "--pixel") == 0
    normalized, px = np.load(tmp_path / "a" / "X3D.npy"), np.load(tmp_path / "b" / "X3D.npy")
    assert np.abs(normalized).max() < 20
    # as MotionBERT: times half the shorter side, the middle of the image added to x and y
    assert px[:, 0] == pytest.approx(np.tile([SIZE_PX[0] / 2, SIZE_PX[1] / 2, 0], (FRAMES, 1)), abs=1e-3)


def test_a_keypoint_file_alone(tmp_path: Path, alphapose: Path, checkpoint: Path):
    flags = ("-j", alphapose, "-o", tmp_path, "-e", checkpoint, "--size", "320x240", "--rate", FPS)
    assert run(*flags) == 0
    assert not (tmp_path / "overlay.mp4").exists()
    assert (tmp_path / "X3D.mp4").exists()
    assert (tmp_path / "report.html").exists()


@pytest.mark.parametrize("joint_format", ["H36M-17", "COCO-17"])
def test_bodies(
    tmp_path: Path,
    video: Path,
    alphapose: Path,
    checkpoint: Path,
    joint_format: str,
    capsys: pytest.CaptureFixture,
):
    """With a lifter and alone, in the lifter's joint format and in another."""
    mesh = write_mesh_model(tmp_path / "model", joint_format)
    common = ("-v", video, "-j", alphapose, "--mesh", mesh, "--stature", 1.8)
    assert run(*common, "-e", checkpoint, "-o", tmp_path / "both") == 0
    assert run(*common, "-o", tmp_path / "alone", "--no_render") == 0
    with av.open(str(tmp_path / "both" / "mesh.mp4")) as made:
        assert sum(1 for _ in made.decode(video=0)) == FRAMES
    for out in ("both", "alone"):
        stored = MeshMotion.load(tmp_path / out / "mesh.npz")
        assert stored.num_frames == FRAMES and stored.present.all()
        assert (tmp_path / out / "mesh.glb").read_bytes()[:4] == b"glTF"
        body = load_body()
        rest = body(torch.zeros(1, 3 * body.num_joints), torch.from_numpy(stored.shape).float()[None])[0]
        assert np.ptp(rest[:, 1].numpy()) * stored.scale == pytest.approx(1.8, abs=1e-3)
    assert WorldMotion.load(tmp_path / "both" / "X3D_world.npz").skeleton.name == "H36M-17"
    assert WorldMotion.load(tmp_path / "alone" / "X3D_world.npz").skeleton.name == joint_format
    before = (tmp_path / "both" / "mesh.npz").stat().st_mtime_ns
    assert run(*common, "-e", checkpoint, "-o", tmp_path / "both") == 0
    assert (tmp_path / "both" / "mesh.npz").stat().st_mtime_ns == before
    assert "lift, mesh, export, render, page" in capsys.readouterr().out


def test_several_videos_and_one_of_them_broken(
    tmp_path: Path, video: Path, checkpoint: Path, known_person: list[int], caplog: pytest.LogCaptureFixture
):
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(video.read_bytes())
    (folder / "b.mp4").write_bytes(b"no video at all")
    (folder / "notes.txt").write_text("not a video")
    with pytest.raises(infer_wild.UserError, match=r"1 of 2 failed \(b\)"):
        run(
            "-v",
            folder,
            "-o",
            tmp_path / "out",
            "-e",
            checkpoint,
            "--detector",
            "known_person",
            "--no_render",
        )
    assert (tmp_path / "out" / "a" / "X3D.npy").exists()
    assert not (tmp_path / "out" / "b").exists()
    assert "b.mp4" in caplog.text


def test_everybody(tmp_path: Path, video: Path, keypoints: np.ndarray, checkpoint: Path):
    two = np.stack([keypoints, np.add(keypoints, [60, 0, 0])], 1).astype(np.float32)
    np.save(tmp_path / "two.npy", two)
    flags = ("-v", video, "-j", tmp_path / "two.npy", "-o", tmp_path / "out", "-e", checkpoint)
    assert run(*flags, "--focus", "all", "--no_render") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir()) == [
        "person_1",
        "person_2",
    ]
    assert (tmp_path / "out" / "person_2" / "report.html").exists()


def test_a_result_is_no_input(tmp_path: Path, video: Path, alphapose: Path, checkpoint: Path):
    (tmp_path / "overlay.mp4").write_bytes(video.read_bytes())
    with pytest.raises(infer_wild.UserError, match="written over"):
        run("-v", tmp_path / "overlay.mp4", "-j", alphapose, "-o", tmp_path, "-e", checkpoint)


def bad_inputs(folder: Path, video: Path, alphapose: Path, checkpoint: Path, keypoints: np.ndarray) -> dict:
    """Name -> (flags, words that the message must hold)."""

    def file(name: str, content: bytes | str) -> Path:
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def array(name: str, values: np.ndarray) -> Path:
        np.save(folder / name, values.astype(np.float32))
        return folder / name

    def sound(path: Path) -> Path:
        with av.open(str(path), "w") as container:
            stream = container.add_stream("aac", rate=8000)
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            silence.sample_rate = 8000
            container.mux(stream.encode(silence))
            container.mux(stream.encode(None))
        return path

    class Code:
        def __reduce__(self) -> tuple:
            return print, ("code of a stranger",)

    (folder / "empty").mkdir()
    (folder / "blocked").write_text("a file where a folder should be made")
    nan = np.full_like(keypoints, np.nan)
    coco = keypoints[:, :17]
    model = ("-e", checkpoint)
    both = ("-v", video, *model)
    return {
        "missing video": (("-v", folder / "none.mp4", *model), "none.mp4"),
        "folder without videos": (("-v", folder / "empty", *model), "holds no video"),
        "empty video": (("-v", file("zero.mp4", b""), *model), "zero.mp4"),
        "text called .mp4": (("-v", file("text.mp4", "words " * 99), *model), "text.mp4"),
        "video cut off": (("-v", file("cut.mp4", video.read_bytes()[:700]), *model), "cut.mp4"),
        "sound without pictures": (("-v", sound(folder / "sound.mp4"), *model), "sound.mp4"),
        "nobody in the video": (("-v", video, *model), "nobody"),
        "no video, no file": (model, "--vid_path"),
        "keypoints without size": (("-j", alphapose, *model), "--size"),
        "more frames than the video": (
            ("-j", write_alphapose(folder / "long.json", np.concatenate([keypoints] * 3)), *both),
            "has 72 frames, the video 24",
        ),
        "keypoints of a larger video": (
            ("-j", write_alphapose(folder / "large.json", keypoints * [9, 9, 1]), *both),
            "320x240",
        ),
        "unknown layout": (("-j", file("other.json", '{"weather": "fine"}'), *both), "other.json"),
        "broken JSON": (("-j", file("broken.json", '[{"image_id": '), *both), "broken.json"),
        "empty list": (("-j", file("nobody.json", "[]"), *both), "nobody.json"),
        "17 joints of unknown format": (("-j", array("coco.npy", coco), *both), "--keypoints"),
        "NaN alone": (("-j", array("nan.npy", nan), *both), "nan.npy"),
        "misspelt format": (("-j", alphapose, "--keypoints", "Halpe26x", *both), "Halpe-26"),
        "no checkpoint": (("-v", video), "no model is shipped yet"),
        "missing checkpoint": (("-v", video, "-e", folder / "none.bin"), "none.bin"),
        "checkpoint of another format": (
            (
                "-v",
                video,
                "-e",
                write_model(folder / "rtm", "RTM-37"),
                "--config",
                checkpoint.with_name("config.yaml"),
            ),
            "RTM-37",
        ),
        "checkpoint with code": (
            (
                *("-v", video, "--config", checkpoint.with_name("config.yaml")),
                *("-e", file("code.bin", pickle.dumps({"model_pos": Code()}, protocol=2))),
            ),
            "carries code",
        ),
        "unknown person": (("-j", alphapose, "--focus", "7", *both), "allowed: longest"),
        "clips too long": (("-j", alphapose, "--clip_len", 99, *both), "1 to 9 frames"),
        "stature in cm": (("-j", alphapose, "--stature", 175, *both), "1.75"),
        "unknown detector": (("-v", video, "--detector", "mediapip", *model), "--detector"),
        "unknown flag": (("-v", video, "--statur", "2", *model, "--focsu", "1"), "--help"),
        "detector's option": (("-v", video, "--detector_option", "speed=9", *model), "speed"),
        "a frame rate that cannot be": (
            ("-j", alphapose, "--size", "320x240", "--rate", "nan", *model),
            "--rate",
        ),
        "unknown device": (("-v", video, "--device", "tpu", *model), "tpu"),
        "no folder can be made": (("-j", alphapose, *both, "-o", folder / "blocked" / "out"), "blocked"),
    }


def test_bad_input_is_told_in_one_line(
    tmp_path: Path,
    video: Path,
    alphapose: Path,
    checkpoint: Path,
    keypoints: np.ndarray,
    known_person: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    known_person += range(FRAMES)
    monkeypatch.setattr("lib.shipped.FOLDER", tmp_path / "no_models")
    cases = bad_inputs(tmp_path, video, alphapose, checkpoint, keypoints)
    lines = []
    for name, (flags, words) in cases.items():
        out = tmp_path / "results" / name.replace(" ", "_")
        argv = ["--detector", "known_person", "-o", str(out), *map(str, flags)]
        monkeypatch.setattr(sys, "argv", ["infer_wild.py", *argv])
        code = infer_wild.run()
        error = capsys.readouterr().err
        told = [line for line in error.splitlines() if line.startswith("error: ")]
        assert code == 2, f"{name}: exit code {code}, {error}"
        assert len(told) == 1, f"{name}: {error}"
        assert words in told[0], f"{name}: {told[0]}"
        assert "Traceback" not in error, name
        left = sorted(path.name for path in out.rglob("*")) if out.exists() else []
        assert not [path for path in left if path not in ("detections.npz", "stages.json")], f"{name}: {left}"
        lines.append(f"{name}: {told[0]}")
    (tmp_path / "table.txt").write_text("\n".join(lines))


def test_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, video: Path, alphapose: Path, checkpoint: Path
):
    """A limit on the size of files stands for a full disk: writing fails in the middle of a file."""
    program = (
        "import resource, signal, sys, runpy; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000)); sys.argv = sys.argv[1:]; "
        "runpy.run_path('infer_wild.py', run_name='__main__')"
    )
    command = [sys.executable, "-c", program, "infer_wild.py", "-v", video, "-j", alphapose]
    command += ["-e", checkpoint, "-o", tmp_path / "out", "--device", "cpu"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "error: cannot read or write" in done.stderr
    assert not [path for path in tmp_path.rglob("*") if ".tmp" in path.name]


@pytest.mark.parametrize("given", ["checkpoint", "small"])
def test_a_pose_checkpoint_as_mesh_is_told_where_it_goes(
    tmp_path: Path, checkpoint: Path, video: Path, given
):
    mesh = checkpoint if given == "checkpoint" else given
    with pytest.raises(UserError, match=r"pose model, which .* takes as -e: --mesh needs .* train_mesh\.py"):
        run("-v", video, "-o", tmp_path, "--mesh", mesh)


def test_motionberts_command_for_meshes(tmp_path: Path, video: Path, alphapose: Path):
    mesh = write_mesh_model(tmp_path / "model", "H36M-17")
    command = [sys.executable, "infer_wild_mesh.py", "--vid_path", video, "--json_path", alphapose]
    command += ["-o", tmp_path / "out", "-e", mesh, "--config", mesh.with_name("config.yaml")]
    command += ["--focus", "1", "--clip_len", "8", "--no_render", "--ref_3d_motion_path", "X3D.npy"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "--ref_3d_motion_path has no effect" in done.stderr
    assert MeshMotion.load(tmp_path / "out" / "mesh.npz").present.all()
