"""From detections to people: who is who, what is between two sights, and what a model gets to see."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from lib.data.missing import fill_missing
from lib.errors import UserError
from lib.skeleton import Skeleton, list_skeletons, load_skeleton
from lib.wild.records import Detections, Flag, Track
from lib.wild.track_motion import track_motion
from lib.wild.tracks import build_tracks, choose_tracks, fill_gaps, track_summary

COCO = load_skeleton("COCO-17")
HALPE = load_skeleton("Halpe-26")
H36M = load_skeleton("H36M-17")
FPS = 30.0
MAX_GAP = 15  # frames in half a second


def walk(
    num_frames: int,
    *,
    start: tuple[float, float] = (300, 400),
    step: float = 0.0,
    size: tuple[float, float] = (120, 400),
    seed: int = 0,
    noise: float = 1.0,
    skeleton: Skeleton = COCO,
) -> np.ndarray:
    """(F,J,3) px: a person of random shape in a box of this size, moving to the right by so many px a frame."""
    rng = np.random.default_rng(seed)
    shape = (rng.uniform(size=(skeleton.num_joints, 2)) - 0.5) * size + start
    xy = shape + np.array([step, 0]) * np.arange(num_frames)[:, None, None]
    xy = xy + rng.normal(0, noise, xy.shape)
    confidence = rng.uniform(0.5, 1, (*xy.shape[:2], 1))
    return np.concatenate([xy, confidence], -1).astype(np.float32)


def absent(person: np.ndarray, *ranges: tuple[int, int]) -> np.ndarray:
    """The person without any detection in these frames."""
    person = person.copy()
    for start, stop in ranges:
        person[start:stop] = np.nan
    return person


def detections(*people: np.ndarray, ids: Sequence[int] | None = None, shuffle: bool = True) -> Detections:
    """Of people (F,J,3), where a frame of NaN is no detection; in another order each frame."""
    rng = np.random.default_rng(1)
    found, numbers = [], []
    for frame in zip(*people, strict=True):
        there = [number for number, person in enumerate(frame) if not np.isnan(person).all()]
        there = rng.permutation(there).astype(int) if shuffle else there
        found.append(np.array([frame[n] for n in there], np.float32).reshape(-1, *people[0].shape[1:]))
        numbers.append(np.array([ids[n] for n in there], np.int64) if ids else None)
    skeleton = {17: COCO, 26: HALPE}[people[0].shape[1]]
    return Detections(skeleton=skeleton, people=found, ids=numbers if ids else None, source="test")


def assert_is(track: Track, person: np.ndarray) -> None:
    """Everything that was seen of the person is in the track, bit by bit, and nothing else is marked as seen."""
    whole = np.full_like(person, np.nan)
    whole[track.start : track.stop] = np.where((track.flag == Flag.SEEN)[..., None], track.keypoints, np.nan)
    np.testing.assert_array_equal(whole, person)


# --- who is who


@pytest.mark.parametrize("hidden", ["one", "both"])
@pytest.mark.parametrize("step", [3.0, 6.0, 12.0])
def test_crossing_people_keep_their_ids(step: float, hidden: str):
    middle = 60
    right = walk(2 * middle, start=(900 - middle * step, 400), step=step, seed=1)
    left = walk(2 * middle, start=(900 + middle * step, 410), step=-step, seed=2)
    left = absent(left, (middle - 5, middle + 5))
    if hidden == "both":
        right = absent(right, (middle - 5, middle + 5))
    tracks = build_tracks(detections(right, left), fps=FPS)
    assert [track.id for track in tracks] == [1, 2]
    by_start = sorted(tracks, key=lambda track: np.nanmean(track.keypoints[0, :, 0]))
    assert_is(by_start[0], right)
    assert_is(by_start[1], left)
    assert all(track.present.all() for track in tracks)


@pytest.mark.parametrize("seed", range(5))
def test_who_is_in_sight_comes_before_who_is_lost(seed: int):
    """Two people of one shape; the one behind is not detected while they pass."""
    right = walk(80, start=(100, 400), step=8, seed=3, noise=6)
    left = walk(80, start=(740, 400), step=-8, seed=3, noise=6)
    right[..., :2] += np.random.default_rng(seed).normal(0, 4, (80, 1, 2))
    left = absent(left, (36, 44))
    tracks = build_tracks(detections(right, left), fps=FPS)
    assert len(tracks) == 2
    for person in (right, left):
        assert_is(min(tracks, key=lambda track: np.abs(track.keypoints[0] - person[0]).sum()), person)


def test_jitter_and_lost_joints_do_not_split():
    rng = np.random.default_rng(0)
    people = [walk(300, start=(300 + 250 * n, 400), step=0.5, noise=8, seed=n) for n in range(3)]
    for person in people:
        person[rng.random(person.shape[:2]) < 0.4] = (np.nan, np.nan, 0)
    tracks = build_tracks(detections(*people), fps=FPS)
    assert len(tracks) == 3
    assert all((track.flag == Flag.SEEN).any(-1).all() for track in tracks)


def test_boxes_without_area():
    line = walk(40, start=(300, 400), size=(0, 300), noise=0, seed=1)
    point = walk(40, start=(600, 400), size=(0, 0), noise=0, seed=2)
    tracks = build_tracks(detections(line, point), fps=FPS)
    assert [track.num_frames for track in tracks] == [40, 40]


def test_halves_of_a_person_are_one():
    """The joints seen in one frame are none of those seen in the next."""
    person = walk(40)
    person[::2, :8] = np.nan
    person[1::2, 8:] = np.nan
    (track,) = build_tracks(detections(person), fps=FPS)
    assert track.num_frames == 40


def test_boxes_tell_where_joints_cannot():
    """Somebody large and somebody small around one point: all joints of the next frame are others."""
    large, small = walk(40, size=(300, 800), noise=0), walk(40, size=(60, 160), noise=0)
    for person in (large, small):
        person[:, 9:] = person[:, :8]
    # each one's box moves to where the centre of the other's was
    centers = [(np.ptp(p[0, :8, :2], axis=0) / 2 + p[0, :8, :2].min(0)) for p in (large, small)]
    large[20:, :, :2] += centers[1] - centers[0]
    small[20:, :, :2] += centers[0] - centers[1]
    for person in (large, small):
        person[:20, 8:] = person[20:, :9] = np.nan
    tracks = build_tracks(detections(large, small), fps=FPS)
    assert len(tracks) == 2
    for track in tracks:
        assert_is(track, small if np.nanmax(track.keypoints[0, :, 1]) < 490 else large)


def test_half_hidden_people_are_no_smaller():
    person = walk(100, noise=8)
    person[:, :4, :2] = person[:, :1, :2] + np.random.default_rng(0).normal(0, 8, (100, 4, 2))
    person[50:, 4:] = np.nan
    tracks = build_tracks(detections(person, walk(100, start=(1500, 400), seed=4)), fps=FPS)
    assert_is(min(tracks, key=lambda track: track.keypoints[0, 0, 0]), person)


def test_hidden_joints_move_along():
    person = walk(100, step=12)
    person[1:50, :8] = np.nan
    person[50:, 8:] = np.nan
    assert len(build_tracks(detections(person, walk(100, start=(2500, 400), seed=4)), fps=FPS)) == 2


def test_back_where_they_were_lost():
    other = walk(300, start=(1200, 400), seed=9)
    person = absent(walk(300), (100, 155))  # 1.8 s
    tracks = build_tracks(detections(person, other), fps=FPS)
    assert len(tracks) == 2
    track = min(tracks, key=lambda track: np.nanmean(track.keypoints[0, :, 0]))
    np.testing.assert_array_equal(track.present, (np.arange(300) < 100) | (np.arange(300) >= 155))
    # too late, and at another place
    assert len(build_tracks(detections(absent(walk(300), (100, 165)), other), fps=FPS)) == 3
    person = np.concatenate([walk(100), walk(20) * np.nan, walk(180, start=(700, 400))])
    assert len(build_tracks(detections(person, other), fps=FPS)) == 3


def test_absent_half_of_the_video(caplog: pytest.LogCaptureFixture):
    person = absent(walk(400), (100, 300))
    with caplog.at_level("INFO"):
        (track,) = build_tracks(detections(person), fps=FPS)
    assert "one person" in caplog.text and "6.7 s" in caplog.text
    assert_is(track, person)
    np.testing.assert_array_equal(track.present, ~np.isnan(person).all((1, 2)))
    assert track_summary([track], 800)[0]["seen_share"] == 0.25


def test_a_detector_that_jumps_between_people_makes_two():
    person, other = walk(100), walk(100, start=(1200, 400), seed=5)
    person[50:] = np.nan
    other[:50] = np.nan
    tracks = build_tracks(detections(person, other), fps=FPS)
    assert [(track.start, track.stop) for track in tracks] == [(0, 50), (50, 100)]


def test_short_ones_are_left_out(caplog: pytest.LogCaptureFixture):
    passer = absent(walk(100, start=(900, 400), seed=4), (0, 50), (53, 100))
    with caplog.at_level("INFO"):
        (track,) = build_tracks(detections(walk(100), passer), fps=FPS)
    assert track.num_frames == 100
    assert "fewer than 9 frames: 1, first seen in frames 50" in caplog.text
    assert len(build_tracks(detections(walk(100), passer), fps=FPS, min_length_s=0.1)) == 2
    assert build_tracks(detections(walk(1)), fps=FPS)[0].num_frames == 1, "a single picture"


def test_ghosts_start_no_track():
    ghost = walk(100, start=(900, 400), seed=4)
    ghost[:, 4:, 2] = 0.01
    assert len(build_tracks(detections(walk(100), ghost), fps=FPS)) == 1
    faint = walk(100, start=(900, 400), seed=4)
    faint[..., 2] = 0.1
    assert len(build_tracks(detections(walk(100), faint), fps=FPS)) == 1


def test_doubles_are_merged_by_confidence():
    person = walk(100)
    double = person + np.float32([4, -3, 0])
    double[..., 2] = np.where(np.arange(100)[:, None] % 2, 0.3, 1.0)
    tracks = build_tracks(detections(person, double), fps=FPS)
    assert len(tracks) == 1
    more = np.where((double[..., 2].sum(1) > person[..., 2].sum(1))[:, None, None], double, person)
    assert_is(tracks[0], more)


def test_nobody():
    nothing = Detections(skeleton=COCO, people=[np.zeros((0, 17, 3), np.float32)] * 20, source="test")
    assert build_tracks(nothing, fps=FPS) == []
    assert build_tracks(replace(nothing, ids=[np.zeros(0, np.int64)] * 20), fps=FPS) == []
    assert build_tracks(replace(nothing, people=[]), fps=FPS) == []
    unseen = walk(20)
    unseen[..., 2] = 0
    assert build_tracks(detections(unseen), fps=FPS) == []


# --- ids of the file


def test_ids_of_the_file_are_used_as_they_are():
    a, b = walk(60, start=(300, 400)), walk(60, start=(1500, 400), seed=1)
    # the file's tracker holds the two for one person each, whatever their places
    swapped = np.concatenate([a[:30], b[30:]]), np.concatenate([b[:30], a[30:]])
    tracks = build_tracks(detections(*swapped, ids=(40, 7)), fps=FPS)
    assert [track.id for track in tracks] == [7, 40]
    assert_is(tracks[0], swapped[1])
    assert_is(tracks[1], swapped[0])
    (chosen,) = choose_tracks(tracks, "40")
    motion, frames, flag = track_motion(chosen, COCO, fps=FPS, size_px=(1920, 1080), source="test")
    np.testing.assert_array_equal(motion.keypoints, swapped[0])
    np.testing.assert_array_equal(frames, np.arange(60))
    assert not flag.any()


def test_ids_over_long_gaps_and_twice_in_a_frame(caplog: pytest.LogCaptureFixture):
    person = absent(walk(200), (50, 120))
    weaker = person.copy()
    weaker[..., 2] *= 0.5
    weaker[10:] = np.nan
    (track,) = build_tracks(detections(person, weaker, ids=(3, 3)), fps=FPS)
    assert_is(track, person)
    assert "10 detections share their id" in caplog.text
    assert (track.flag[50:120] == Flag.ABSENT).all()


# --- gaps


@pytest.mark.parametrize(("gap", "flag"), [(1, 1), (MAX_GAP, 1), (MAX_GAP + 1, 2)])
@pytest.mark.parametrize("ids", [None, (5,)])
def test_gap_lengths(gap: int, flag: int, ids: Sequence[int] | None):
    person = absent(walk(100, step=2), (40, 40 + gap))
    (track,) = build_tracks(detections(person, ids=ids), fps=FPS)
    assert_is(track, person)
    np.testing.assert_array_equal(np.unique(track.flag[40 : 40 + gap]), [flag])
    assert (track.keypoints[40 : 40 + gap, :, 2] == 0).all()
    assert np.isnan(track.keypoints[..., 0]).sum() == (gap * 17 if flag == Flag.ABSENT else 0)


@pytest.mark.parametrize("fps", [10.0, 29.97, 59.94])
def test_gaps_are_measured_in_seconds(fps: float):
    longest = int(0.5 * fps)
    for gap, whole in ((longest, True), (longest + 1, False)):
        (track,) = build_tracks(detections(absent(walk(150), (60, 60 + gap))), fps=fps)
        assert track.present.all() == whole


def test_interpolation_is_linear_joint_by_joint():
    keypoints = walk(60, step=3)
    seen = np.ones(keypoints.shape[:2], bool)
    seen[10:15, 2] = False
    seen[:4, 5] = seen[55:, 6] = seen[20:40, 7] = False  # both ends, and too long
    before = keypoints.copy()
    filled, flag = fill_gaps(keypoints, seen, MAX_GAP)
    np.testing.assert_array_equal(keypoints, before)
    np.testing.assert_array_equal(filled[seen], keypoints[seen])
    expected = np.linspace(keypoints[9, 2, :2], keypoints[15, 2, :2], 7)[1:-1]
    np.testing.assert_allclose(filled[10:15, 2, :2], expected, rtol=1e-6)
    assert (flag[10:15, 2] == Flag.INTERPOLATED).all() and (filled[10:15, 2, 2] == 0).all()
    for part in (np.s_[:4, 5], np.s_[55:, 6], np.s_[20:40, 7]):
        assert (flag[part] == Flag.ABSENT).all() and np.isnan(filled[part][:, :2]).all()
    assert (flag == Flag.ABSENT).sum() == 4 + 5 + 20


def test_points_below_the_threshold_are_not_seen():
    person = walk(60)
    person[20:30, 3, 2], person[30, 4, 2] = 0.049, 0.05
    person[40, 5] = (np.inf, 3, 0.9)
    (track,) = build_tracks(detections(person), fps=FPS)
    assert (track.flag[20:30, 3] == Flag.INTERPOLATED).all() and track.flag[30, 4] == Flag.SEEN
    assert track.flag[40, 5] == Flag.INTERPOLATED and np.isfinite(track.keypoints).all()


# --- choice


def three_tracks() -> list[Track]:
    long = absent(walk(200), (150, 160))
    large = absent(walk(200, start=(900, 500), size=(300, 800), seed=1), (180, 200))
    short = absent(walk(200, start=(1500, 400), seed=2), (0, 100))
    return build_tracks(detections(long, large, short, shuffle=False), fps=FPS)


def test_choice():
    tracks = three_tracks()
    assert [track.id for track in choose_tracks(tracks, "longest")] == [1]
    assert [track.id for track in choose_tracks(tracks, "Largest")] == [2]
    assert [track.id for track in choose_tracks(tracks, "all")] == [1, 2, 3]
    assert choose_tracks(tracks, 3) == choose_tracks(tracks, " 3") == [tracks[2]]
    with pytest.raises(UserError, match=r"--focus 8: .*allowed: longest, .*3 \(frames 100 to 199\)"):
        choose_tracks(tracks, 8)
    with pytest.raises(UserError, match="did you mean 'longest'"):
        choose_tracks(tracks, "longst")
    with pytest.raises(UserError, match=r"nobody.*--detector.*--json_path"):
        choose_tracks([], "longest")


def test_longest_counts_what_was_seen():
    often = walk(200)
    rarely = absent(walk(200, start=(900, 400), seed=1), *((n, n + 14) for n in range(1, 180, 15)))
    tracks = build_tracks(detections(absent(often, (0, 20)), rarely), fps=FPS)
    assert choose_tracks(tracks, "longest")[0].start == 20


def test_summary():
    row = track_summary(three_tracks(), 200)[0]
    assert row.items() >= {"id": 1, "first_frame": 0, "last_frame": 199, "seen_share": 0.95}.items()
    heights = np.ptp(walk(200)[:150, :, 1], axis=1).mean()
    assert row["mean_height_px"] == pytest.approx(heights, rel=0.01)


# --- what a model sees


def track_of(person: np.ndarray) -> Track:
    return build_tracks(detections(person, ids=(1,)), fps=FPS)[0]


def as_motion(track: Track, target: Skeleton):
    return track_motion(track, target, fps=FPS, size_px=(1920, 1080), source="clip.mp4")


def test_joints_without_a_rule_may_be_absent():
    target, seen = load_skeleton("RTM-37"), track_of(walk(40))
    with pytest.raises(UserError, match="no rule for"):
        as_motion(seen, target)
    motion, frames, flag = track_motion(
        seen, target, fps=FPS, size_px=(1920, 1080), source="clip.mp4", allow_missing=True
    )
    absent = (flag == Flag.ABSENT).all(0)
    assert len(frames) == seen.num_frames and 0 < absent.sum() < target.num_joints
    assert np.array_equal(absent, (motion.confidence == 0).all(0))


@pytest.mark.parametrize("name", list_skeletons())
def test_motion_in_the_same_format(name: str):
    skeleton = load_skeleton(name)
    person = walk(20, skeleton=skeleton)
    track = Track(
        id=1, start=5, keypoints=person, flag=np.zeros(person.shape[:2], np.uint8), skeleton=skeleton
    )
    motion, frames, flag = as_motion(track, skeleton)
    np.testing.assert_array_equal(motion.keypoints, person)
    np.testing.assert_array_equal(frames, np.arange(5, 25))
    assert frames.dtype == np.int64 and flag.dtype == np.uint8 and not flag.any()
    assert motion.fps == FPS and motion.missing == "hold" and motion.source[0] == "clip.mp4"
    np.testing.assert_array_equal(motion.size_px[0], (1920, 1080))


def test_converted_joints_carry_flags_and_the_lowest_confidence():
    person = walk(60, skeleton=HALPE)
    left, right = HALPE.index("left_shoulder"), HALPE.index("right_hip")
    person[20:25, left] = np.nan
    track = track_of(person)
    motion, _, flag = as_motion(track, H36M)
    shoulder = H36M.index("left_shoulder")
    assert (flag[20:25, shoulder] == Flag.INTERPOLATED).all() and flag.sum() == 5
    assert (motion.confidence[20:25, shoulder] == 0).all()
    np.testing.assert_array_equal(motion.joints_2d[:, shoulder], track.keypoints[:, left, :2])
    np.testing.assert_array_equal(motion.confidence[:, H36M.index("right_hip")], person[:, right, 2])


def test_long_gaps_split():
    person = absent(walk(200, skeleton=HALPE), (50, 60), (100, 140))
    motion, frames, flag = as_motion(track_of(person), H36M)
    np.testing.assert_array_equal(frames, np.r_[0:100, 140:200])
    assert motion.videos.tolist() == [[0, 100], [100, 160]]
    assert motion.camera.present() == ["segment 1", "segment 2"]
    assert (flag[50:60] == Flag.INTERPOLATED).all() and flag.sum() == 10 * 17
    assert np.isfinite(motion.joints_2d).all()


def test_joints_out_of_sight_are_absent_but_held_for_the_model(caplog: pytest.LogCaptureFixture):
    person = absent(walk(200, step=2, skeleton=HALPE), (100, 140), (150, 155))
    knee, ankle = HALPE.index("left_knee"), HALPE.index("left_ankle")
    person[50:100, knee] = np.nan
    person[140:, ankle] = np.nan  # never seen in the second segment
    track = track_of(person)
    before = track.keypoints.copy()
    with caplog.at_level("INFO"):
        motion, _, flag = as_motion(track, H36M)
    np.testing.assert_array_equal(track.keypoints, before)
    row = H36M.index("left_knee")
    np.testing.assert_array_equal(motion.joints_2d[50:100, row], np.tile(person[49, knee, :2], (50, 1)))
    assert (flag[50:100, row] == Flag.ABSENT).all() and (motion.confidence[50:100, row] == 0).all()
    row = H36M.index("left_ankle")
    np.testing.assert_array_equal(motion.joints_2d[100:, row], motion.joints_2d[100:, H36M.index("root")])
    assert (flag[100:, row] == Flag.ABSENT).all() and (motion.confidence[100:, row] == 0).all()
    others = np.delete(flag, [row, H36M.index("left_knee")], 1)
    assert others.max() == Flag.INTERPOLATED
    assert motion.missing == "hold" and fill_missing(motion, "hold") is motion
    assert (
        "left_ankle 37.5%, left_knee 31.2%" in caplog.text
        and "160 of 200 frames in 2 segments" in caplog.text
    )


def test_frames_without_root_or_most_joints_are_not_present():
    person = walk(120, skeleton=HALPE)
    person[:30, HALPE.index("hip")] = np.nan
    person[90:, [HALPE.index_canonical(name) for name in H36M.canonical[11:]]] = np.nan
    person[90:, HALPE.index("neck")] = np.nan
    person[90:, HALPE.index("head")] = person[90:, HALPE.index("nose")] = np.nan
    motion, frames, _ = as_motion(track_of(person), H36M)
    np.testing.assert_array_equal(frames, np.arange(30, 90))
    assert motion.num_frames == 60
    person[:, HALPE.index("hip")] = np.nan
    with pytest.raises(UserError, match=r"person 1: no frame shows root.*--focus"):
        as_motion(track_of(person), H36M)


def test_a_joint_without_a_rule():
    with pytest.raises(UserError, match=r"no rule for.*Thumb"):
        as_motion(track_of(walk(20)), load_skeleton("Hand-21"))


@pytest.mark.slow
def test_ten_minutes_of_three_people_in_seconds():
    rng = np.random.default_rng(0)
    sway = 700 * np.sin(np.arange(18_000)[:, None] / 100 + np.arange(3))
    people = [walk(18_000, start=(900, 300), seed=n, skeleton=HALPE) for n in range(3)]
    for number, person in enumerate(people):
        person[..., 0] += sway[:, number, None]
        person[rng.random(18_000) < 0.03] = np.nan
    crowd = detections(*people)
    begin = time.perf_counter()
    tracks = build_tracks(crowd, fps=FPS)
    assert time.perf_counter() - begin < 20
    assert len(tracks) == 3
    for track in tracks:
        person = min(people, key=lambda person: np.nansum(np.abs(person[track.start] - track.keypoints[0])))
        assert_is(track, person)


def test_somebody_else_comes_later():
    """One after the other, but one of them twice as large: two people."""
    first, second = walk(60), walk(140, seed=3)
    second = (second - [900, 400, 0]) * [2, 2, 1] + [900, 400, 0]
    nobody = walk(140) * np.nan
    people = np.concatenate([first, nobody[:80], second[-60:]])
    assert [track.num_frames for track in build_tracks(detections(people), fps=FPS)] == [60, 60]
