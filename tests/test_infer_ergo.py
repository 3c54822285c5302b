"""infer_wild.py --ergo from end to end: files, the page, what is done again, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from lib.errors import UserError
from tests.example_run import run, write_model

FILES = ("angles.csv", "scores.csv", "ergo.png")


def infer(out: Path, checkpoint: Path, alphapose: Path, *more: object) -> int:
    common = ("--size", "320x240", "--rate", 10, "--no_render", "--keypoints", "Halpe-26")
    return run("-j", alphapose, "-o", out, "-e", checkpoint, *common, *more)


def test_scores_in_files_on_the_page_and_on_the_terminal(tmp_path, checkpoint, alphapose, capsys):
    assert infer(tmp_path, checkpoint, alphapose, "--ergo", "--load_kg", 12) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Posture scores" in page and "load_kg = 12" in page and "scores.csv" in page
    told = capsys.readouterr().out
    assert "RULA:" in told and "ergo.png" in told
    table = np.genfromtxt(tmp_path / "scores.csv", delimiter=",", names=True)
    assert len(table) == len(np.load(tmp_path / "X3D.npy"))
    assert np.isfinite(table["rula_score"]).any()


def test_the_same_scores_are_not_made_again_and_others_are(tmp_path, checkpoint, alphapose, capsys):
    def times() -> list[int]:
        return [(tmp_path / name).stat().st_mtime_ns for name in ("report.html", *FILES)]

    assert infer(tmp_path, checkpoint, alphapose, "--ergo") == 0
    first = times()
    assert infer(tmp_path, checkpoint, alphapose, "--ergo") == 0
    assert times() == first
    assert infer(tmp_path, checkpoint, alphapose, "--ergo", "--coupling", "poor") == 0
    assert all(now != before for now, before in zip(times(), first, strict=True))


def test_scores_of_other_joints_do_not_stay(tmp_path, checkpoint, alphapose):
    assert infer(tmp_path, checkpoint, alphapose, "--ergo") == 0
    assert infer(tmp_path, checkpoint, alphapose, "--pitch", 20) == 0
    assert not any((tmp_path / name).exists() for name in FILES)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--ergo", "--ergo_smooth", 9), "--ergo_smooth 9"),
        (("--ergo", "--load_kg", -1), "load_kg"),
        (("--ergo", "--ergo_thresholds", "none.yaml"), "none.yaml"),
        (("--ergo", "--coupling", "strong"), "invalid choice: 'strong'"),
        (("--ergo", "--lift", 0.2, 1.5), "--stature"),
        (("--ergo", "--stature", 1.7, "--lift", 0.2, 99), "ends at 99 s, but the video at 2.40 s"),
    ],
)
def test_wrong_flags_are_refused_before_anything_is_made(tmp_path, checkpoint, alphapose, flags, message):
    out = tmp_path / "out"
    with pytest.raises(UserError, match=message):
        infer(out, checkpoint, alphapose, *flags)
    assert not list(out.glob("*"))


def test_a_lift_beyond_the_video_is_told_before_any_work_and_leaves_an_old_result_as_it_is(
    tmp_path,
    checkpoint,
    alphapose,
    video,
):
    def state() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in out.iterdir()}

    out = tmp_path / "out"
    common = ("-v", video, "-o", out, "-e", checkpoint, "--no_render", "--stature", 1.7, "--ergo")
    lift = ("--lift", 0.5, 30)
    with pytest.raises(UserError, match=r"ends at 30 s, but the video at 2\.40 s"):
        run(*common, *lift)  # the detector would find nobody in this video
    assert not out.exists()
    given = ("-j", alphapose, "--keypoints", "Halpe-26")
    assert run(*common, *given) == 0
    before = state()
    with pytest.raises(UserError, match="ends at 30 s"):
        run(*common, *given, "--pitch", 20, *lift)
    assert state() == before


def test_a_model_of_hands_has_no_posture_scores(tmp_path, alphapose):
    hand = write_model(tmp_path / "hand", "Hand-21")
    with pytest.raises(UserError, match="posture scores need a whole body"):
        infer(tmp_path / "out", hand, alphapose, "--ergo")
