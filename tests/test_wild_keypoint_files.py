"""Keypoint files: every layout as its program writes it, what is ambiguous, and what is refused."""

from __future__ import annotations

import json
import logging
import pickle
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.errors import UserError
from lib.skeleton import load_skeleton
from lib.wild.keypoint_files import KEYPOINT_READERS, read_keypoints
from lib.wild.records import Detections

# A standing person: where each point lies, in parts of the body's height, from the middle of the feet
BODY = {
    "nose": (0, 0.92),
    "eye": (0.02, 0.94),
    "ear": (0.05, 0.93),
    "head_top": (0, 1.0),
    "upper_neck": (0, 0.85),
    "neck_base": (0, 0.82),
    "shoulder_center": (0, 0.81),
    "shoulder": (0.11, 0.81),
    "elbow": (0.14, 0.63),
    "wrist": (0.15, 0.48),
    "hip": (0.06, 0.52),
    "hip_center": (0, 0.52),
    "knee": (0.06, 0.28),
    "ankle": (0.06, 0.04),
    "big_toe": (0.1, 0.0),
    "small_toe": (0.12, 0.01),
    "heel": (0.05, 0.0),
    "mid_spine": (0, 0.67),
    "face": (0, 0.9),
}


def person(joint_format: str, *, x: float = 500, height: float = 400) -> np.ndarray:
    """(J,3) of somebody who stands at x px and faces the camera; confidence 0.9."""
    points = []
    for name in load_skeleton(joint_format).canonical:
        side = -1 if name.startswith("right_") else 1
        right, up = BODY.get(name.removeprefix("left_").removeprefix("right_"), (0.05, 0.5))
        points.append((x + side * right * height, 600 - up * height, 0.9))
    return np.array(points)


def flat(points: np.ndarray) -> list[float]:
    return points.reshape(-1).tolist()


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def read(path: Path, **options: Any) -> Detections:
    return read_keypoints(path, **{"joint_format": None, **options})


# one writer for each layout: the same two people in frame 0, one in frame 2, frame 1 empty
LEFT, RIGHT = 300, 700


def alphapose(folder: Path, joint_format: str) -> Path:
    people = [(0, LEFT, 1), (0, RIGHT, 2), (2, RIGHT + 5, 2)]
    return write(
        folder / "alphapose-results.json",
        [
            {
                "image_id": f"{frame}.jpg",
                "category_id": 1,
                "keypoints": flat(person(joint_format, x=x)),
                "score": 2.7,
                "box": [x, 100, 50, 200],
                "idx": [float(number)],
            }
            for frame, x, number in people
        ],
    )


def openpose(folder: Path, joint_format: str) -> Path:
    folder = folder / "json"
    folder.mkdir()
    for frame, xs in enumerate([[LEFT, RIGHT], [], [RIGHT + 5]]):
        people = [
            {
                "person_id": [-1],
                "pose_keypoints_2d": flat(person(joint_format, x=x)),
                "face_keypoints_2d": [],
                "hand_left_keypoints_2d": [1.0, 2.0, 0.3] * 21,
            }
            for x in xs
        ]
        write(folder / f"walk_{frame:012d}_keypoints.json", {"version": 1.3, "people": people})
    return folder


def mmpose_frames(joint_format: str, first: int) -> list[dict[str, Any]]:
    return [
        {
            "frame_id": frame,
            "instances": [
                {
                    "keypoints": person(joint_format, x=x)[:, :2].tolist(),
                    "keypoint_scores": person(joint_format, x=x)[:, 2].tolist(),
                    "bbox": [[x, 0, x, 1]],
                    "bbox_score": 0.9,
                }
                for x in xs
            ],
        }
        for frame, xs in enumerate([[LEFT, RIGHT], [], [RIGHT + 5]], first)
    ]


def mmpose_inferencer(folder: Path, joint_format: str) -> Path:
    return write(folder / "clip.json", mmpose_frames(joint_format, 0))


def mmpose_demo(folder: Path, joint_format: str) -> Path:
    names = {str(number): name for number, name in enumerate(load_skeleton(joint_format).joints)}
    meta = {"dataset_name": "mine", "num_keypoints": len(names), "keypoint_id2name": names}
    return write(
        folder / "results_clip.json", {"meta_info": meta, "instance_info": mmpose_frames(joint_format, 1)}
    )


def rtmpose(folder: Path, joint_format: str) -> Path:
    number = load_skeleton(joint_format).num_joints
    points = np.zeros((3, 2, number, 3))
    points[0, 0], points[0, 1] = person(joint_format, x=LEFT), person(joint_format, x=RIGHT)
    points[2, 0] = person(joint_format, x=RIGHT + 5)
    points[1, 0] = np.nan
    np.save(folder / "keypoints.npy", points)
    return folder / "keypoints.npy"


def coco_parts(points: np.ndarray) -> dict[str, list[float]]:
    names = ("keypoints", "foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts")
    return dict(zip(names, map(flat, np.split(points, [17, 23, 91, 112])), strict=True))


def coco_results(folder: Path, joint_format: str) -> Path:
    people = [(0, LEFT), (0, RIGHT), (2, RIGHT + 5)]
    content = [
        {"image_id": frame, "category_id": 1, "score": 0.8, **coco_parts(person(joint_format, x=x))}
        for frame, x in people
    ]
    return write(folder / "wholebody.json", content)


def coco_annotation(folder: Path, joint_format: str) -> Path:
    content = json.loads(coco_results(folder, joint_format).read_text())
    images = [{"id": 70 + frame, "file_name": f"f_{frame + 1:04d}.png", "width": 1280} for frame in range(3)]
    for entry in content:
        entry["image_id"] += 70
    return write(folder / "annotation.json", {"images": images, "annotations": content, "categories": []})


def stored(folder: Path, joint_format: str) -> Path:
    one = person(joint_format, x=RIGHT + 5)[None].astype(np.float32)
    two = np.stack([person(joint_format, x=LEFT), person(joint_format, x=RIGHT)]).astype(np.float32)
    Detections(
        skeleton=load_skeleton(joint_format), people=[two, one[:0], one], fps=25, source="clip.mp4"
    ).save(folder / "detections.npz")
    return folder / "detections.npz"


LAYOUTS = [
    ("alphapose", alphapose, "Halpe-26"),
    ("alphapose", alphapose, "COCO-17"),
    ("alphapose", alphapose, "COCO-WholeBody-133"),
    ("openpose", openpose, "BODY_25"),
    ("openpose", openpose, "BODY_25B"),
    ("mmpose", mmpose_inferencer, "Halpe-26"),
    ("mmpose", mmpose_demo, "COCO-17"),
    ("mmpose", mmpose_demo, "H36M-17"),
    ("mmpose", mmpose_demo, "RTM-37"),
    ("rtmpose_npy", rtmpose, "COCO-WholeBody-133"),
    ("rtmpose_npy", rtmpose, "BODY_25B"),
    ("rtmpose_npy", rtmpose, "RTM-37"),
    ("coco_wholebody", coco_results, "COCO-WholeBody-133"),
    ("coco_wholebody", coco_annotation, "COCO-WholeBody-133"),
    ("detections", stored, "RTM-24"),
]


def test_every_layout_is_tried() -> None:
    assert {name for name, *_ in LAYOUTS} == set(KEYPOINT_READERS.names())


@pytest.mark.parametrize(
    ("writer", "joint_format"),
    [case[1:] for case in LAYOUTS],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_layout_is_recognised_and_read(writer: Any, joint_format: str, tmp_path: Path) -> None:
    path = writer(tmp_path, joint_format)
    found = read(path, size_px=(1280, 720), num_frames=3, fps=30.0)
    assert found.skeleton.name == joint_format and found.source == path.name
    assert [len(people) for people in found.people] == [2, 0, 1] and found.fps == 30
    for number, x in enumerate((LEFT, RIGHT)):
        np.testing.assert_allclose(found.people[0][number], person(joint_format, x=x), rtol=1e-5)
    np.testing.assert_allclose(found.people[2][0], person(joint_format, x=RIGHT + 5), rtol=1e-5)
    assert all(people.dtype == np.float32 for people in found.people)
    # neither a rename nor another name of the folder changes anything
    renamed = path.rename(path.with_name("x.dat"))
    again = read(renamed)
    assert again.skeleton is found.skeleton and again.num_frames == 3


def test_ids_come_from_tracking_only(tmp_path: Path) -> None:
    path = alphapose(tmp_path, "COCO-17")
    ids = read(path).ids
    assert ids is not None and [row.tolist() for row in ids] == [[1, 2], [], [2]]
    content = json.loads(path.read_text())
    for entry in content:
        entry["idx"] = 0.0  # what AlphaPose writes for everybody when it does not track
    assert read(write(path, content)).ids is None


def test_gaps_in_the_frame_numbers_stay_gaps(tmp_path: Path) -> None:
    content = [
        {"image_id": name, "keypoints": flat(person("COCO-17")), "score": 1}
        for name in ("7.jpg", "3.jpg", "3.jpg")
    ]
    found = read(write(tmp_path / "a.json", content))
    assert [len(people) for people in found.people] == [0, 0, 0, 2, 0, 0, 0, 1]
    assert [len(people) for people in read(tmp_path / "a.json", num_frames=9).people][-2:] == [1, 0]
    # a file that counts from 1 to the number of the video's frames
    assert [len(people) for people in read(tmp_path / "a.json", num_frames=7).people] == [0, 0, 2, 0, 0, 0, 1]


def test_pictures_are_counted_from_one_where_ffmpeg_named_them(tmp_path: Path) -> None:
    content = [{"image_id": f"cam2_{k:04d}.png", "keypoints": flat(person("COCO-17"))} for k in (1, 2, 4)]
    assert [len(people) for people in read(write(tmp_path / "a.json", content)).people] == [1, 1, 0, 1]


def test_halpe_with_face_and_hands_gives_its_body(tmp_path: Path) -> None:
    content = [{"image_id": 0, "keypoints": flat(person("Halpe-26")) + [1.0, 2.0, 0.5] * 110}]
    found = read(write(tmp_path / "a.json", content))
    assert found.skeleton.name == "Halpe-26"
    np.testing.assert_allclose(found.people[0][0], person("Halpe-26"), rtol=1e-5)


def test_points_that_are_missing_or_no_numbers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    points = np.stack([person("Halpe-26")] * 2)[:, None]
    points[0, 0, 3] = 0
    points[0, 0, 4, 0] = np.inf
    points[0, 0, 5, 2] = np.nan
    points[0, 0, 6, 2] = 7
    points[1, 0, :] = np.nan
    np.save(tmp_path / "a.npy", points)
    with caplog.at_level(logging.INFO):
        found = read(tmp_path / "a.npy")
    gone = found.people[0][0][[3, 4, 5]]
    assert np.isnan(gone[:, :2]).all() and (gone[:, 2] == 0).all()
    assert found.people[0][0][6, 2] == 1 and len(found.people[1]) == 0 and found.num_frames == 2
    assert "2 points are NaN or infinite" in caplog.text and "up to 7" in caplog.text


def test_arrays_of_one_person_and_without_confidence(tmp_path: Path) -> None:
    points = np.stack([person("RTM-37")] * 4)
    points[2, 5] = 0
    np.save(tmp_path / "a.npy", points[..., :2])
    found = read(tmp_path / "a.npy")
    assert [len(people) for people in found.people] == [1] * 4
    assert found.people[0][0][5, 2] == 1 and found.people[2][0][5, 2] == 0


def test_one_frame_of_openpose_or_of_mmpose(tmp_path: Path) -> None:
    folder = openpose(tmp_path, "BODY_25")
    assert [len(people) for people in read(sorted(folder.iterdir())[0]).people] == [2]
    instances = mmpose_frames("Halpe-26", 0)[0]["instances"]
    assert [len(people) for people in read(write(tmp_path / "image.json", instances)).people] == [2]


# which format


@pytest.mark.parametrize(
    ("joint_format", "listed"),
    [
        ("COCO-17", ["COCO-17", "H36M-17", "PoseTrack-17"]),
        ("H36M-17", ["COCO-17", "H36M-17", "looks like H36M-17"]),
        ("RTM-24", ["RTM-24", "RTM-24-config5", "SMPL-24"]),
        ("RTM-66", ["RTM-66", "RTM-66-v1"]),
    ],
)
def test_an_ambiguous_number_of_points_is_asked_for(
    joint_format: str, listed: list[str], tmp_path: Path
) -> None:
    path = rtmpose(tmp_path, joint_format)
    with pytest.raises(UserError, match="--keypoints") as caught:
        read(path)
    assert all(name in str(caught.value) for name in listed)
    assert read(path, joint_format=joint_format.lower()).skeleton.name == joint_format


def test_a_hand_of_unknown_side_is_no_question(tmp_path: Path) -> None:
    np.save(tmp_path / "hand.npy", np.random.default_rng(0).uniform(10, 500, (5, 21, 3)))
    assert read(tmp_path / "hand.npy").skeleton.name == "Hand-21"
    assert read(tmp_path / "hand.npy", joint_format="Hand-21-left").skeleton.name == "Hand-21-left"


@pytest.mark.parametrize("joint_format", ["BODY_25", "BODY_25B"])
def test_25_points_in_a_heap_are_asked_for(joint_format: str, tmp_path: Path) -> None:
    points = person(joint_format)
    np.random.default_rng(0).shuffle(points)
    np.save(tmp_path / "a.npy", points[None])
    with pytest.raises(UserError, match=r"BODY_25, BODY_25B; choose with --keypoints"):
        read(tmp_path / "a.npy")


def test_a_format_that_does_not_fit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = rtmpose(tmp_path, "H36M-17")
    with pytest.raises(UserError, match="holds 17 points a person, Halpe-26 has 26"):
        read(path, joint_format="Halpe-26")
    with pytest.raises(UserError, match="did you mean 'COCO-17'"):
        read(path, joint_format="COCO17x")
    read(path, joint_format="H36M-17")
    assert not caplog.text
    read(path, joint_format="COCO-17")
    assert "its limbs look like H36M-17" in caplog.text


def test_an_alphapose_file_of_another_format_is_asked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = alphapose(tmp_path, "H36M-17")
    with pytest.raises(UserError, match="by the lengths of its limbs it looks like H36M-17") as caught:
        read(path)
    assert "COCO-17, H36M-17, PoseTrack-17; choose with --keypoints" in str(caught.value)
    assert read(path, joint_format="H36M-17").skeleton.name == "H36M-17" and not caplog.text
    # whoever insists gets it, and so do files that say their format
    assert read(path, joint_format="COCO-17").skeleton.name == "COCO-17"
    points = [person("H36M-17")[None].astype(np.float32)]
    Detections(skeleton=load_skeleton("COCO-17"), people=points, source="a").save(tmp_path / "a.npz")
    assert read(tmp_path / "a.npz").skeleton.name == "COCO-17"


def test_names_of_joints_in_no_known_order(tmp_path: Path) -> None:
    path = mmpose_demo(tmp_path, "COCO-17")
    content = json.loads(path.read_text())
    names = content["meta_info"]["keypoint_id2name"]
    content["meta_info"]["keypoint_id2name"] = dict(zip(names, reversed(names.values()), strict=True))
    write(path, content)
    with pytest.raises(UserError, match=r"names 17 joints .* in no known format.* one of COCO-17, H36M-17"):
        read(path)
    assert read(path, joint_format="COCO-17").skeleton.name == "COCO-17"
    variant = mmpose_demo(tmp_path, "RTM-24-config5")  # the same names for other points
    with pytest.raises(UserError, match=r"in several formats.* one of RTM-24, .*RTM-24-config5"):
        read(variant)


# refused


def json_text(text: str) -> Any:
    return lambda path: path.write_text(text)


def json_of(content: Any) -> Any:
    return lambda path: path.write_text(json.dumps(content))


def array(points: Any) -> Any:
    return lambda path: np.save(path.open("wb"), points, allow_pickle=True)


HALPE = flat(person("Halpe-26"))
REFUSED = {
    "missing": (lambda path: None, "there is no keypoint file"),
    "empty file": (json_text(" \n"), "is empty"),
    "text": (json_text("x,y,c\n1,2,3"), "neither JSON nor NPY nor NPZ; known: AlphaPose JSON"),
    "cut JSON": (json_text('[{"image_id": 0, "keypoints": [1, 2'), "cut off or damaged.*line 1 column"),
    "deep JSON": (json_text("[" * 100_000), "cut off or damaged"),
    "empty list": (json_of([]), "holds no people"),
    "numbers": (json_of([1, 2]), "no layout that is known; known: AlphaPose"),
    "unknown layout": (json_of({"skeletons": [1]}), "no layout that is known; known: AlphaPose"),
    "unequal": (
        json_of([{"image_id": 0, "keypoints": HALPE}, {"image_id": 1, "keypoints": HALPE[:51]}]),
        "people with 51 and with 78 numbers",
    ),
    "words": (json_of([{"image_id": 0, "keypoints": ["a", "b", "c"]}]), "must be a list of numbers"),
    "no triplets": (json_of([{"image_id": 0, "keypoints": [1, 2, 3, 4]}]), "flat list of x, y, confidence"),
    "an entry without": (
        json_of([{"image_id": 0, "keypoints": HALPE}, {"image_id": 1}]),
        r"looks like AlphaPose JSON, but .*\(KeyError: 'keypoints'\)",
    ),
    "an entry that is none": (
        json_of([{"image_id": 0, "keypoints": HALPE}, 5]),
        "an entry is not as it should",
    ),
    "image without number": (json_of([{"image_id": "first.jpg", "keypoints": HALPE}]), "holds no number"),
    "two videos": (
        json_of([{"image_id": name, "keypoints": HALPE} for name in ("a/1.jpg", "b/1.jpg")]),
        "several images have the same number",
    ),
    "pictures": (json_of([{"image_id": 10**15, "keypoints": HALPE}]), "not the frames of one video"),
    "negative": (json_of([{"image_id": -3, "keypoints": HALPE}]), "frame number -3"),
    "old order": (
        json_of({"0.jpg": {"version": 0.3, "people": [{"pose_keypoints_2d": [1.0, 2, 3] * 18}]}}),
        "18 points in OpenPose's old COCO order.*without --format",
    ),
    "OpenPose COCO": (
        json_of({"people": [{"pose_keypoints_2d": [10.0, 20, 0.3] * 18}]}),
        "18 points of its model COCO.*--model_pose BODY_25",
    ),
    "nobody": (json_of({"people": []}), "holds no people"),
    "3D": (
        json_of([{"frame_id": 0, "instances": [{"keypoints": [[1, 2, 3]], "keypoint_scores": [1]}]}]),
        "not of 3D points",
    ),
    "scores": (
        json_of([{"frame_id": 0, "instances": [{"keypoints": [[1, 2]], "keypoint_scores": [1, 1]}]}]),
        "one of the keypoint_scores for each",
    ),
    "parts": (array(np.random.default_rng(0).uniform(-1, 1, (9, 26, 3))), "parts of the image, not px"),
    "only NaN": (array(np.full((9, 26, 3), np.nan)), "no point that is a number"),
    "only 0": (array(np.zeros((9, 26, 3))), "no point that is a number"),
    "no frames": (array(np.zeros((0, 26, 3))), "holds no people"),
    "flat array": (array(np.ones((9, 78))), r"array \(9, 78\)"),
    "strings": (array(np.array([[["a"] * 3] * 26])), "keypoints are numbers"),
    "objects": (array(np.array([{}], object)), "Object arrays cannot be loaded"),
    "other npz": (lambda path: np.savez(path.open("wb"), a=1), "no layout that is known"),
    "broken npz": (lambda path: path.write_bytes(b"PK\x03\x04abc"), "cut off or damaged"),
    "pickle": (lambda path: path.write_bytes(pickle.dumps([1])), "neither JSON nor NPY"),
    "empty folder": (lambda path: path.mkdir(), r"holds no \*_keypoints.json"),
    "no format": (array(np.full((3, 19, 3), 50.0)), "19 points a person, which no known joint format has"),
    "another video": (
        json_of([{"image_id": number, "keypoints": HALPE} for number in range(120)]),
        "has 120 frames, the video 100: it belongs to another video",
    ),
    "another size": (
        json_of([{"image_id": 0, "keypoints": flat(person("Halpe-26", x=3000) * 2)}]),
        "outside the video's 1280x720 px .x up to",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_files_are_refused_in_one_line(case: str, tmp_path: Path) -> None:
    make, message = REFUSED[case]
    path = tmp_path / "given.json"
    make(path)
    with pytest.raises(UserError, match=message) as caught:
        read(path, size_px=(1280, 720), num_frames=100)
    assert "given.json" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.3, 1.5])
def test_files_of_another_resolution_are_told(
    factor: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    walk = np.stack([person("Halpe-26", x=x) for x in np.linspace(50, 1230, 60)])
    walk += np.random.default_rng(0).normal(0, 3, walk.shape)
    walk[..., 2] = 0.9
    walk[0, :20] = (-400, 900, 0.1)  # a guess far outside
    walk[..., :2] *= factor
    np.save(tmp_path / "a.npy", walk)
    assert read(tmp_path / "a.npy", size_px=(1280, 720)).num_frames == 60
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == (factor > 1)
    if warnings:
        right, bottom = walk[..., :2][walk[..., 2] > 0.5].max(0)
        assert re.search(r"a.npy: \d+ % of its points lie outside the video's 1280x720 px", warnings[0])
        assert f"to {right:.0f}, y from" in warnings[0] and f"to {bottom:.0f}): it may" in warnings[0]


def test_a_folder_of_two_videos_or_with_a_broken_frame(tmp_path: Path) -> None:
    folder = openpose(tmp_path, "BODY_25")
    write(folder / "other_000000000000_keypoints.json", {"people": []})
    with pytest.raises(UserError, match=r"frames of 2 videos \('other_...' and 'walk_...'\)"):
        read(folder)
    (folder / "other_000000000000_keypoints.json").unlink()
    (folder / "walk_000000000001_keypoints.json").write_text('{"people": [')
    with pytest.raises(UserError, match=r"walk_000000000001_keypoints.json is no frame .* column"):
        read(folder)


def test_a_video_that_counts_a_frame_less(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    np.save(tmp_path / "a.npy", np.stack([person("Halpe-26")] * 50))
    assert read(tmp_path / "a.npy", num_frames=49).num_frames == 49
    assert not caplog.text
    assert [len(people) for people in read(tmp_path / "a.npy", num_frames=60).people][-11:] == [1] + [0] * 10
    assert "only 50 of the video's 60 frames" in caplog.text


def test_ten_minutes_are_read_in_two_seconds(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    points = (person("Halpe-26") + rng.normal(0, 5, (18_000, 26, 3))).round(3)
    content = [
        {"image_id": f"{number}.jpg", "category_id": 1, "keypoints": row, "score": 2.5, "idx": 1.0}
        for number, row in enumerate(points.reshape(len(points), -1).tolist())
    ]
    path = write(tmp_path / "a.json", content)
    start = time.process_time()
    found = read(path, size_px=(1280, 720))
    assert time.process_time() - start < 2
    assert found.num_frames == len(points)
