"""lib/data/rokoko.py and the reader: a glove's CSV gives back the hand that was written into it."""

import csv
from pathlib import Path

import numpy as np
import pytest

from lib.config_schema import RokokoKeys
from lib.data.checks import check_motion
from lib.data.hand_sides import CLEAR, check_hand_sides
from lib.data.readers.rokoko import KEYS, read_rokoko_folder
from lib.data.rokoko import read_rokoko
from lib.data.rokoko_columns import COLUMNS_FILE, load_spellings
from lib.data.worker.hand_generate import make_hand_truth
from lib.errors import UserError
from lib.hands import FINGERS, right_handedness
from lib.skeleton import load_skeleton

HAND = load_skeleton("Hand-21")
SPELLINGS = load_spellings()
TO_AXES = {"left_handed": np.array([1.0, 1.0, -1.0]), "right_handed": np.ones(3)}
FPS = 100.0


@pytest.fixture(scope="module")
def hands() -> dict[str, np.ndarray]:
    """A built-in hand of each side in the world, (F,21,3) mm, and its two last phalanges' angles."""
    found = {}
    for side in ("left", "right"):
        truth = make_hand_truth(
            load_skeleton(f"Hand-21-{side}"), seed=1, subjects=1, clips=2, seconds=1.5, fps=FPS, cameras=1
        )
        names = [f"{side}_{name}" for name in HAND.canonical]
        found[side] = np.stack([truth.point(name) for name in names], axis=1).astype(float)
    return found


def write_csv(
    path: Path,
    hands: dict[str, np.ndarray],
    spelling: str = "studio",
    *,
    unit_mm: float | None = None,
    axes: str | None = None,
    time: np.ndarray | None = None,
    more: dict[str, np.ndarray] | None = None,
) -> Path:
    """Write hands (F,21,3) mm as the vendor would: its names, axes, unit, and a time in milliseconds."""
    words = SPELLINGS[spelling]
    frames = len(next(iter(hands.values())))
    columns = {"Timestamp": np.arange(frames) * 1000 / FPS if time is None else time} if words.time else {}
    columns |= {"Hips_position_x": np.zeros(frames), "Hips_position_y": np.ones(frames)}
    to_file = TO_AXES[axes or words.axes] / (unit_mm or words.unit_mm)
    up = {"y": [0, 1, 2], "z": [2, 0, 1]}[words.up]
    for side, joints in hands.items():
        for name, point in words.points.items():
            values = (joints[:, HAND.index_canonical(name)] * to_file)[:, up]
            for axis, column in zip("xyz", values.T, strict=True):
                title = words.column.format(point=point.replace("{Side}", side.capitalize()), axis=axis)
                columns[title] = column
    columns |= more or {}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(
            zip(*[[f"{value:.7g}" for value in column] for column in columns.values()], strict=True)
        )
    return path


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_same_joints_come_back(tmp_path, hands, spelling):
    path = write_csv(tmp_path / "take.csv", hands, spelling)
    takes = {take.side: take for take in read_rokoko(path, HAND)}
    assert set(takes) == {"left", "right"}
    for side, take in takes.items():
        given = [name in SPELLINGS[spelling].points for name in HAND.canonical]
        off = np.linalg.norm(take.joints_mm - hands[side], axis=-1)[:, given]
        assert off.max() < 0.1
        assert {HAND.canonical[HAND.index(j)] for j in take.derived_joints} == {
            name for name, there in zip(HAND.canonical, given, strict=True) if not there
        }
        if SPELLINGS[spelling].time:
            assert take.fps() == pytest.approx(FPS)
        else:
            assert take.fps() is None


def test_tips_that_the_file_lacks_are_bent_by_its_angles(tmp_path, hands):
    """Lengths of a phalanx are the person's own, so the made tip is compared in direction."""

    def angle_deg(joints: np.ndarray, finger: str) -> np.ndarray:
        parts = ("mcp", "ip", "tip") if finger == "thumb" else ("pip", "dip", "tip")
        a, b, c = (joints[:, HAND.index_canonical(f"{finger}_{part}")] for part in parts)
        before, last = (v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (b - a, c - b))
        return np.degrees(np.arccos(np.clip((before * last).sum(-1), -1, 1)))

    right = hands["right"]
    more = {
        name.replace("{Side}", "Right"): angle_deg(right, finger)
        for finger, name in SPELLINGS["biomechanics"].last_flexion_deg.items()
    }
    for columns, most_deg in ((more, 12.0), ({}, 25.0)):
        path = write_csv(tmp_path / "take.csv", {"right": right}, "biomechanics", more=columns)
        (take,) = read_rokoko(path, HAND)
        for finger in FINGERS[1:]:
            last = [HAND.index_canonical(f"{finger}_{part}") for part in ("dip", "tip")]
            made, true = (j[:, last[1]] - j[:, last[0]] for j in (take.joints_mm, right))
            cosine = (made * true).sum(-1) / np.linalg.norm(made, axis=-1) / np.linalg.norm(true, axis=-1)
            assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean() < most_deg, finger


def test_sides_are_told_by_the_shape_of_a_hand(hands):
    for side, sign in (("left", -1), ("right", 1)):
        looks = sign * right_handedness(hands[side], HAND, "")
        assert (looks > CLEAR).all()
        assert np.allclose(right_handedness(hands[side] * [-1, 1, 1], HAND, ""), -sign * looks)


def test_a_mirrored_hand_is_refused_and_the_key_cures_it(tmp_path, hands):
    path = write_csv(tmp_path / "take.csv", hands, axes="right_handed")
    with pytest.raises(UserError, match=r"mirror image.*rokoko\.axes: right_handed"):
        read_rokoko(path, HAND)
    takes = read_rokoko(path, HAND, axes="right_handed")
    assert all(np.abs(take.joints_mm - hands[take.side]).max() < 0.1 for take in takes)


def test_a_wrong_unit_is_refused_and_the_key_cures_it(tmp_path, hands):
    path = write_csv(tmp_path / "take.csv", hands, unit_mm=10.0)
    with pytest.raises(UserError, match=r"1000 mm a unit.*rokoko\.unit_mm: 10 would fit"):
        read_rokoko(path, HAND)
    assert np.abs(read_rokoko(path, HAND, unit_mm=10.0)[0].joints_mm - hands["left"]).max() < 0.1


def test_one_hand_is_enough_and_none_is_an_error(tmp_path, hands):
    path = write_csv(tmp_path / "take.csv", {"right": hands["right"]})
    assert [take.side for take in read_rokoko(path, HAND)] == ["right"]
    with pytest.raises(UserError, match=r"holds no left hand: .* columns are missing, first left"):
        text = path.read_text().replace("RightHand_position", "LeftHand_position")
        path.write_text(text)
        read_rokoko(path, HAND, sides=("left",))


def test_further_spellings_come_from_a_file(tmp_path, hands):
    path = write_csv(tmp_path / "take.csv", hands)
    path.write_text(path.read_text().replace("Finger", "Digitus"))
    with pytest.raises(UserError, match=r"rokoko\.columns"):
        read_rokoko(path, HAND)
    text = COLUMNS_FILE.read_text().split("\nbiomechanics:")[0]
    (tmp_path / "mine.yaml").write_text(text.replace("studio:", "mine:").replace("Finger", "Digitus"))
    assert len(read_rokoko(path, HAND, spellings=load_spellings(tmp_path / "mine.yaml"))) == 2
    (tmp_path / "mine.yaml").write_text(text.replace("left_handed\n", "lefthanded\n"))
    with pytest.raises(UserError, match="did you mean 'left_handed'"):
        load_spellings(tmp_path / "mine.yaml")
    (tmp_path / "mine.yaml").write_text(text.replace("index_pip:", "index_tipp:"))
    with pytest.raises(UserError, match="points has no index_pip"):
        load_spellings(tmp_path / "mine.yaml")


def test_time_in_seconds_gaps_and_broken_rows(tmp_path, hands):
    right = hands["right"].copy()
    time = np.arange(len(right)) / FPS
    time[100:] += 0.5
    right[[3, 7]] = np.nan
    path = write_csv(tmp_path / "take.csv", {"right": right}, time=time)
    (take,) = read_rokoko(path, HAND)
    assert take.fps() == pytest.approx(FPS) and len(take.joints_mm) == len(right) - 2
    assert [piece.stop for piece in take.pieces()] == [3, 6, 98, len(right) - 2]
    whole = path.read_text()
    path.write_text(whole.replace("nan", ""))
    (empty,) = read_rokoko(path, HAND)
    assert empty.pieces() == take.pieces() and np.array_equal(empty.joints_mm, take.joints_mm)
    path.write_text(whole.replace("nan", "lost"))
    with pytest.raises(UserError, match=r"take\.csv: could not convert string.*lost"):
        read_rokoko(path, HAND)


def test_a_row_left_out_cuts_the_take_without_a_time_too(tmp_path, hands):
    right = hands["right"].copy()
    right[[0, 3, 7, 8]] = np.nan
    timeless = next(name for name, spelling in SPELLINGS.items() if not spelling.time)
    (take,) = read_rokoko(write_csv(tmp_path / "take.csv", {"right": right}, timeless), HAND)
    assert take.time_s is None
    assert [(piece.start, piece.stop) for piece in take.pieces()] == [(0, 2), (2, 5), (5, len(right) - 4)]


@pytest.fixture
def folder(tmp_path, hands):
    for split in ("train", "test"):
        write_csv(tmp_path / split / "monday" / "take1.csv", hands)
    return tmp_path


def test_the_reader_films_both_hands_as_right_ones(folder, hands, caplog):
    caplog.set_level("INFO")
    options = {"skip_frames": 10, "shot_seconds": 1.0, "cameras_per_shot": 1}
    motion = read_rokoko_folder(HAND, "train", str(folder), rokoko=options)
    frames = len(hands["right"]) - 10
    assert (motion.num_frames, motion.fps) == (2 * frames, FPS)
    assert f"{frames} of {2 * frames} frames are of left hands, mirrored" in caplog.text
    assert set(motion.action.names) == {"take1"} and motion.source[0].startswith("monday/take1_left")
    assert not check_motion(motion) and not list(check_hand_sides(motion))
    assert ((motion.joints_2d >= 0) & (motion.joints_2d <= motion.size_px[:, None])).all()
    again = read_rokoko_folder(HAND, "train", str(folder), rokoko=options)
    assert np.array_equal(again.joints_image, motion.joints_image)
    left = read_rokoko_folder(HAND, "train", str(folder), mirror_left=False, rokoko=options)
    assert [finding.code for finding in check_hand_sides(left)] == ["hand_side"]


def test_the_reader_tells_what_it_cannot_read(folder):
    with pytest.raises(UserError, match=r"0 recordings in .*validate"):
        read_rokoko_folder(HAND, "validate", str(folder))
    with pytest.raises(UserError, match="formats of one hand"):
        read_rokoko_folder(load_skeleton("UBHand-48"), "train", str(folder))
    with pytest.raises(UserError, match=r"unknown key 'side' .did you mean 'sides'"):
        read_rokoko_folder(HAND, "train", str(folder), rokoko={"side": "left"})
    with pytest.raises(UserError, match=r"no frame, after skip_frames"):
        read_rokoko_folder(HAND, "train", str(folder), rokoko={"skip_frames": 1000})


def test_files_without_time_need_fps(tmp_path, hands):
    write_csv(tmp_path / "train" / "a.csv", hands, "blender")
    with pytest.raises(UserError, match="give the frame rate as fps"):
        read_rokoko_folder(HAND, "train", str(tmp_path))
    assert read_rokoko_folder(HAND, "train", str(tmp_path), fps=50.0, sample_stride=2).fps == 25.0


def test_keys_of_the_block_are_those_of_the_reader():
    assert RokokoKeys().model_dump() == KEYS
