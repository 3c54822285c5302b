"""Skeletons over the video, the skeleton in 3D, and heads that must not be recognised."""

from pathlib import Path

import numpy as np
import pytest

from lib.errors import UserError
from lib.skeleton import list_skeletons, load_skeleton
from lib.wild.anonymize import MOSAIC_CELLS, HeadBlur, check_can_anonymize, head_squares, hide
from lib.wild.canvas import Canvas, yuv
from lib.wild.projection import HEADER_PX, WorldView
from lib.wild.records import Detections, Flag, Track, WorldMotion
from lib.wild.render import render_overlay, render_world
from lib.wild.video import VideoInfo, VideoWriter, planes_of, probe_video, read_frames

COCO = load_skeleton("COCO-17")
# a person of 100 px who faces the camera, by name of the joint less its side: px to the side and below the crown
BODY = {
    "nose": (0, 8),
    **{"eye": (2, 6), "ear": (4, 7), "shoulder": (11, 18), "elbow": (16, 35), "wrist": (18, 50)},
    **{"hip": (8, 47), "knee": (9, 72), "ankle": (9, 96)},
}


def person(x: float, y: float, height: float = 100.0) -> np.ndarray:
    """COCO keypoints (17,3) px; the person's left is on the right of the picture."""
    points = np.ones((17, 3), np.float32)
    for number, name in enumerate(COCO.canonical):
        side, below = BODY[name.removeprefix("left_").removeprefix("right_")]
        sign = -1 if name.startswith("right") else 1
        points[number, :2] = x + sign * side * height / 100, y + below * height / 100
    return points


def track(keypoints: np.ndarray, start: int = 0, number: int = 1) -> Track:
    flag = np.full(keypoints.shape[:2], Flag.SEEN, np.uint8)
    return Track(id=number, start=start, keypoints=keypoints, flag=flag, skeleton=COCO)


def detections(people: list[np.ndarray], fps: float = 10.0) -> Detections:
    return Detections(skeleton=COCO, people=people, fps=fps, size_px=(400, 300), source="test")


NOBODY = np.zeros((0, 17, 3), np.float32)


@pytest.fixture
def noise_video(tmp_path) -> VideoInfo:
    """30 frames of 400x300 in which every cell of 4 px has its own brightness."""
    cells = np.random.default_rng(0).integers(40, 216, (75, 100), np.uint8)
    image = np.repeat(cells.repeat(4, 0).repeat(4, 1)[..., None], 3, -1)
    with VideoWriter(tmp_path / "source.mp4", (400, 300), 10) as writer:
        for _ in range(30):
            writer.write(image)
    return probe_video(tmp_path / "source.mp4")


def overlay_frames(tmp_path: Path, video: VideoInfo, tracks: list[Track], **options) -> list[np.ndarray]:
    render_overlay(tmp_path / "overlay.mp4", video, tracks, **options)
    return [frame.astype(int) for frame in read_frames(probe_video(tmp_path / "overlay.mp4"))]


def rgb(color: str) -> np.ndarray:
    return np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)])


def has_color(patch: np.ndarray, color: str) -> bool:
    """Whether some pixel has nearly the hue of a strong colour."""
    wanted = rgb(color) - rgb(color).mean()
    given = patch.reshape(-1, 3) - patch.reshape(-1, 3).mean(-1, keepdims=True)
    return bool((np.abs(given - wanted).max(-1) < 40).any())


LEFT, RIGHT = (COCO.limb_colors[COCO.limb_sides.index(side)] for side in ("left", "right"))


def around(frame: np.ndarray, point: np.ndarray, half: int = 5) -> np.ndarray:
    x, y = np.rint(point[:2]).astype(int)
    return frame[y - half : y + half + 1, x - half : x + half + 1]


def test_the_overlay_shows_the_person_where_and_when_present(tmp_path, noise_video):
    body = person(200, 60, 200)
    keypoints = np.repeat(body[None], 15, 0)
    one = track(keypoints, start=5)
    one.flag[10:] = Flag.ABSENT
    steps = []
    frames = overlay_frames(tmp_path, noise_video, [one], progress=steps.append)
    assert len(frames) == 30 and sum(steps) == 30
    assert frames[0].shape == (300, 400, 3)
    thighs = {
        side: (body[COCO.index_canonical(f"{side}_hip")] + body[COCO.index_canonical(f"{side}_knee")]) / 2
        for side in ("left", "right")
    }
    for number, frame in enumerate(frames):
        shown = 5 <= number < 15
        assert has_color(around(frame, thighs["left"]), LEFT) == shown
        assert has_color(around(frame, thighs["right"]), RIGHT) == shown
        assert not has_color(around(frame, thighs["left"]), RIGHT)
    # the legend names both sides
    assert has_color(frames[0][:40, :150], LEFT) and has_color(frames[0][:40, :150], RIGHT)


def test_what_was_not_seen_is_faint(tmp_path, noise_video):
    keypoints = np.repeat(person(200, 60, 200)[None], 30, 0)
    sure, guessed, weak = (track(keypoints.copy()) for _ in range(3))
    guessed.flag[:] = Flag.INTERPOLATED
    weak.keypoints[..., 2] = 0.1
    empty = overlay_frames(tmp_path, noise_video, [])
    changed = [
        (np.abs(overlay_frames(tmp_path, noise_video, [one])[20] - empty[20])[60:].max(-1) > 40).sum()
        for one in (sure, guessed, weak)
    ]
    assert 0 < changed[1] < 0.7 * changed[0] and changed[1] == changed[2]


def test_the_overlay_is_reduced_to_its_highest_size(tmp_path, noise_video):
    body = person(200, 60, 200)
    frames = overlay_frames(tmp_path, noise_video, [track(np.repeat(body[None], 30, 0))], max_height=150)
    assert frames[0].shape == (150, 200, 3)
    knee = body[COCO.index_canonical("left_knee")] / 2
    assert has_color(around(frames[9], knee), LEFT)


def test_several_people_carry_their_numbers(tmp_path, noise_video):
    people = [np.repeat(person(x, 120, 150)[None], 30, 0) for x in (120, 280)]
    alone = overlay_frames(tmp_path, noise_video, [track(people[0])])
    both = overlay_frames(tmp_path, noise_video, [track(people[0], number=7), track(people[1], number=8)])
    label = (slice(100, 122), slice(130, 145))
    assert np.abs(both[9][label] - alone[9][label]).mean() > 15


def test_a_failure_leaves_no_video(tmp_path, noise_video):
    def stop(_: int) -> None:
        raise RuntimeError("stop")

    before = set(tmp_path.iterdir())
    with pytest.raises(RuntimeError, match="stop"):
        render_overlay(tmp_path / "overlay.mp4", noise_video, [], progress=stop)
    with pytest.raises(RuntimeError, match="stop"):
        render_world(tmp_path / "X3D.mp4", world_motion(COCO, np.zeros((3, 17, 3))), progress=stop)
    assert set(tmp_path.iterdir()) == before


def test_heads_cannot_be_recognised_in_any_frame(tmp_path, noise_video):
    """A person who is lost for a second and more, stands where nobody is drawn, and comes back."""
    body = person(200, 100, 150)
    people = [NOBODY] * 8 + [body[None]] * 4 + [NOBODY] * 14 + [body[None]] * 4
    blur = HeadBlur(detections(people))
    plain, hidden = (
        overlay_frames(tmp_path, noise_video, [], anonymize=anonymize) for anonymize in (None, blur)
    )
    head = (slice(100, 120), slice(190, 210))
    feet = (slice(230, 260), slice(180, 220))
    for number in range(30):
        assert np.abs(hidden[number][feet] - plain[number][feet]).mean() < 3
        assert hidden[number][head].std() < 0.4 * plain[number][head].std()


def test_heads_are_held_and_grow_beyond_the_detections():
    walk = [person(100 + 4 * number, 100)[None] for number in range(10)]
    blur = HeadBlur(detections([NOBODY] * 30 + walk + [NOBODY] * 30))
    hidden = [number for number in range(70) if len(blur.boxes(number))]
    assert hidden == list(range(20, 50))
    areas = [
        float(np.prod(blur.boxes(number)[0, 2:] - blur.boxes(number)[0, :2])) for number in range(39, 50)
    ]
    assert np.all(np.diff(areas) > 0)
    x0, _, x1, _ = blur.boxes(49)[0]
    assert x0 < 136 and x1 > 136 + 4 * 10, "neither if the person stops nor if the person goes on"
    assert not len(blur.boxes(-1)) and not len(blur.boxes(70))


def test_in_a_gap_both_ends_are_hidden():
    blur = HeadBlur(detections([person(100, 100)[None]] + [NOBODY] * 5 + [person(125, 100)[None]]))
    for number in range(1, 6):
        ((x0, _, x1, _),) = blur.boxes(number)
        assert x0 < 92 and x1 > 133


def test_the_way_of_somebody_who_leaps_is_hidden():
    """Lost in the air for 0.9 s and found seven heads away: one arc between them, and a body that turns."""
    fps, gap = 30.0, 26
    last, found = np.array([120.0, 60.0]), np.array([165.0, 185.0])  # left upper corners of people of 100 px
    people = [person(*last)[None]] * 5 + [NOBODY] * (gap - 1) + [person(*found)[None]] * 5
    blur = HeadBlur(detections(people, fps))
    time = np.arange(1, gap) / gap
    sag = 0.5 * 560 * (gap / fps) ** 2 * time * (1 - time)  # px; 560 px/s2 is gravity for 100 px of 1.75 m
    turned = -np.minimum(30, 200 * time)  # px that the head goes aside
    for frame, share, up, aside in zip(range(5, 4 + gap), time, sag, turned, strict=True):
        aside *= 4 * share * (1 - share)
        x, y = last + share * (found - last) + [aside, 7 - up]
        assert any(
            x0 < x - 6 and y0 < y - 6 and x + 6 < x1 and y + 6 < y1 for x0, y0, x1, y1 in blur.boxes(frame)
        ), frame
    # somebody who comes elsewhere after a longer time is another one: nothing between them is hidden
    people = [person(50, 60)[None]] * 5 + [NOBODY] * 90 + [person(350, 60)[None]] * 5
    assert all(len(HeadBlur(detections(people, fps)).boxes(frame)) == 0 for frame in range(36, 64))


def test_everybody_is_hidden_also_for_one_frame_only_and_from_several_detectors():
    crowd = np.stack([person(100, 50), person(300, 50)])
    blur = HeadBlur(
        detections([NOBODY] * 5 + [crowd] + [NOBODY] * 5), detections([person(200, 150)[None]] * 11)
    )
    for number in range(11):
        centres = (blur.boxes(number)[:, :2] + blur.boxes(number)[:, 2:]) / 2
        assert sorted(np.rint(centres[:, 0]).tolist()) == [100, 200, 300]


def test_boxes_cover_the_head_in_every_pose():
    facing = person(200, 100)
    profile = facing.copy()
    profile[:, 0] = 200 + (facing[:, 0] - 200) * 0.1
    without_face = facing.copy()
    without_face[
        [number for number, name in enumerate(COCO.canonical) if BODY.get(name, (0, 9))[1] < 9], 2
    ] = 0
    without_face[:5] = np.nan
    legs_only = facing.copy()
    legs_only[[number for number, name in enumerate(COCO.canonical) if "shoulder" not in name]] = np.nan
    for points in (facing, profile, without_face, legs_only):
        (x, y, height), *_ = head_squares(points[None], COCO)
        assert abs(x - 200) < 3 and abs(y - 107) < 10
        assert 10 < height < 30  # of 100 px, 13 are the head
    assert np.isnan(head_squares(np.full((1, 17, 3), np.nan), COCO)).any()


@pytest.mark.parametrize("name", list_skeletons())
def test_heads_of_every_joint_format(name):
    skeleton = load_skeleton(name)
    people = np.random.default_rng(0).uniform(1, 100, (3, skeleton.num_joints, 3)) * [1, 1, 0.01]
    if any("shoulder" in joint or joint == "nose" for joint in skeleton.canonical):
        check_can_anonymize(skeleton)
        assert np.isfinite(head_squares(people, skeleton)).all()
    else:
        for refused in (lambda: check_can_anonymize(skeleton), lambda: head_squares(people, skeleton)):
            with pytest.raises(UserError, match="no joint at the head"):
                refused()


def test_what_is_hidden_is_gone():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (100, 120, 3), np.uint8)
    before = image.copy()
    hide(image, np.array([[20.0, 30.0, 70.0, 80.0], [-50, -50, -10, -10], [110, 90, 300, 300]]))
    assert np.array_equal(image[:30], before[:30]) and np.array_equal(image[80:90], before[80:90])
    # the values between cells follow from the cells: every line is a polygon with so many corners at most
    bends = np.abs(np.diff(image[55, 20:70, 0].astype(int), 2)) > 1
    assert bends.sum() <= 2 * MOSAIC_CELLS
    one, another = before.copy(), before.copy()
    one[30:40, 20:30] = before[30:40, 20:30][::-1]  # other details of the same mean give the same picture
    for picture in (one, another):
        hide(picture, np.array([[20.0, 30.0, 70.0, 80.0]]))
    assert np.abs(one.astype(int) - another).max() <= 1
    blur = HeadBlur(detections([person(60, 20)[None]]))
    untouched = before.copy()
    assert not np.array_equal(blur.apply(before, 0), before)
    assert np.array_equal(before, untouched), "the caller's picture was changed"


def world_motion(skeleton, positions: np.ndarray) -> WorldMotion:
    frames = len(positions)
    flag = np.where(np.isfinite(positions).all(-1), Flag.SEEN, Flag.ABSENT).astype(np.uint8)
    return WorldMotion(
        positions=positions.astype(np.float32),
        root=positions[:, 0].astype(np.float32),
        confidence=(flag == Flag.SEEN).astype(np.float32),
        flag=flag,
        time_s=np.arange(frames) / 25,
        units="m",
        skeleton=skeleton,
        foot_contact=np.zeros((frames, 2), bool),
        fps=25.0,
        pitch_deg=0.0,
    )


def standing(num_frames: int = 10, walk_m: float = 0.0) -> np.ndarray:
    """Positions (F,17,3) m of the person above, who faces the camera and may walk along X."""
    flat = person(0, 0, 1.8)[:, :2]
    positions = np.stack([flat[:, 0], 1.8 - flat[:, 1], np.zeros(17)], -1)
    positions = np.repeat(positions[None], num_frames, 0)
    positions[..., 0] += np.linspace(0, walk_m, num_frames)[:, None]
    return positions


@pytest.mark.parametrize("walk_m", [0.0, 3.0, 30.0])
def test_the_whole_path_is_in_view(walk_m):
    world = world_motion(COCO, standing(12, walk_m))
    view = WorldView(world)
    width, height = view.size_px
    assert width % 2 == 0 and height % 2 == 0 and max(view.size_px) <= 960
    everything = [view.grid_px.reshape(-1, 2)]
    for frame in range(12):
        for limbs, shadows, order in view.limbs(frame):
            everything += [limbs.reshape(-1, 2), shadows.reshape(-1, 2)]
            assert sorted(order) == list(range(len(COCO.limbs)))
    points = np.concatenate(everything)
    assert points.min() > 5 and points[:, 1].min() > HEADER_PX
    assert points[:, 0].max() < width - 5 and points[:, 1].max() < height - 5


def test_the_view_is_upright_orthographic_and_sorted_by_depth():
    positions = standing(2)
    positions[..., COCO.index_canonical("left_wrist"), 2] = (
        0.6  # the left arm is stretched towards the camera
    )
    positions[1] += [0.5, 0, -0.4]
    view = WorldView(world_motion(COCO, positions))
    limb = {limb: number for number, limb in enumerate(COCO.limbs)}
    thigh = next(n for pair, n in limb.items() if set(pair) == {"left_hip", "left_knee"})
    forearm = next(n for pair, n in limb.items() if set(pair) == {"left_elbow", "left_wrist"})
    first, second = (list(view.limbs(frame)) for frame in (0, 1))
    for (limbs, shadows, _), (limbs_later, _, _) in zip(first, second, strict=True):
        # the limb as the format lists it: put the hip first
        hip_first = limbs[thigh] if COCO.limbs[thigh][0] == "left_hip" else limbs[thigh][::-1]
        assert hip_first[0, 1] < hip_first[1, 1], "the hip is above the knee"
        assert abs(shadows[thigh, 0, 1] - shadows[thigh, 1, 1]) < 3
        moved = limbs_later - limbs
        assert np.abs(moved - moved[0, 0]).max() < 1e-2, "no perspective"
    order = first[0][2].tolist()
    assert order.index(forearm) > order.index(thigh), "near limbs are drawn last"


def test_the_world_video(tmp_path):
    positions = standing(20)
    positions[10:15] = np.nan
    steps = []
    render_world(tmp_path / "X3D.mp4", world_motion(COCO, positions), progress=steps.append)
    video = probe_video(tmp_path / "X3D.mp4")
    assert (video.num_frames, video.fps, sum(steps)) == (20, 25.0, 20)
    frames = [frame[HEADER_PX::2, ::2].astype(int) for frame in read_frames(video)]
    for number, frame in enumerate(frames):
        assert has_color(frame, LEFT) == has_color(frame, RIGHT) == (not 10 <= number < 15)
    assert np.abs(frames[9] - frames[1]).mean() < 1, "the floor is fixed"


def test_somebody_who_is_never_seen(tmp_path):
    render_world(tmp_path / "X3D.mp4", world_motion(COCO, np.full((3, 17, 3), np.nan)))
    assert probe_video(tmp_path / "X3D.mp4").num_frames == 3


@pytest.mark.parametrize("name", list_skeletons())
def test_every_joint_format_is_drawn(tmp_path, noise_video, name):
    skeleton = load_skeleton(name)
    rng = np.random.default_rng(0)
    points = rng.uniform(20, 280, (2, skeleton.num_joints, 3)).astype(np.float32)
    flag = np.zeros(points.shape[:2], np.uint8)
    one = Track(id=1, start=0, keypoints=points, flag=flag, skeleton=skeleton)
    render_overlay(tmp_path / "overlay.mp4", noise_video, [one], max_height=120)
    render_world(tmp_path / "X3D.mp4", world_motion(skeleton, points / 100))
    assert probe_video(tmp_path / "X3D.mp4").num_frames == 2


def test_colours_on_planes():
    assert yuv("#000000") == (16, 128, 128) and yuv("#ffffff") == (235, 128, 128)
    canvas = Canvas.blank((40, 30), "#2878b5")
    picture = canvas.frame.to_ndarray(format="rgb24")
    assert np.abs(picture.astype(int) - rgb("#2878b5")).max() <= 3
    canvas.lines(np.array([[[0.0, 15.0], [40.0, 15.0]]]), "#e07b39", 6)
    picture = canvas.frame.to_ndarray(format="rgb24")
    assert np.abs(picture[15, 5:35].astype(int) - rgb("#e07b39")).max() <= 12
    assert np.abs(picture[2].astype(int) - rgb("#2878b5")).max() <= 3
    canvas.lines(np.array([[[np.float64(1e9), 0.0], [-1e9, 20.0]]]), "#ffffff", 2)  # far outside


def test_a_copy_of_a_canvas_stands_alone():
    first = Canvas.blank((40, 30), "#ffffff")
    second = first.copy()
    second.panel((0, 0, 40, 30), "#000000")
    width = second.text("12.5 s", (2, 2), 16, "#ffffff")
    assert 10 < width < 40 and second.y.max() > 150
    assert first.y.min() == 235 and planes_of(first.frame)[0].min() == 235
    second.text("beyond the edge", (30, 25), 16, "#ffffff")
