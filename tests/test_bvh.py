"""BVH files into joint positions and into the pickle layout: a file made here, and real ones if given.

Set CMU_BVH to a folder with the CMU sequences (BVH) to run the tests on real motion capture as well.
"""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from lib.data.bvh import load_bvh_mapping, read_bvh
from lib.data.readers.pickles import read_pickle
from lib.data.subject_splits import find_clips
from lib.errors import UserError
from lib.files import load_pickle
from lib.skeleton import load_skeleton
from tools import bvh_to_pickle

ROOT = Path(__file__).resolve().parents[1]
MAPPING = ROOT / "configs/bvh/cmu_h36m17.yaml"
SPLIT = ROOT / "configs/splits/cmu.yaml"

# A person in the file's units: node, parent, offset. x to the left, y up, z to the front.
HIERARCHY = [
    ("hip", None, (0, 0, 0)),
    ("chest", "hip", (0, 40, 0)),
    ("head", "chest", (0, 20, 0)),
    ("head.end", "head", (0, 20, 0)),
    ("lShldr", "chest", (18, 10, 0)),
    ("lForeArm", "lShldr", (28, 0, 0)),
    ("lHand", "lForeArm", (24, 0, 0)),
    ("lHand.end", "lHand", (8, 0, 0)),
    ("rShldr", "chest", (-18, 10, 0)),
    ("rForeArm", "rShldr", (-28, 0, 0)),
    ("rHand", "rForeArm", (-24, 0, 0)),
    ("rHand.end", "rHand", (-8, 0, 0)),
    ("lThigh", "hip", (9, 0, 0)),
    ("lShin", "lThigh", (0, -42, 0)),
    ("lFoot", "lShin", (0, -42, 0)),
    ("lFoot.end", "lFoot", (0, -6, 12)),
    ("rThigh", "hip", (-9, 0, 0)),
    ("rShin", "rThigh", (0, -42, 0)),
    ("rFoot", "rShin", (0, -42, 0)),
    ("rFoot.end", "rFoot", (0, -6, 12)),
]
NODES = [name for name, _, _ in HIERARCHY]


def bvh_text(
    frames: list[tuple[tuple[float, ...], dict[str, tuple[float, float, float]]]], fps: float
) -> str:
    """A BVH file: per frame the root position and the Z, X, Y angles in degrees of the joints that turn."""

    def block(node: str, indent: str) -> str:
        offset = " ".join(map(str, HIERARCHY[NODES.index(node)][2]))
        if node.endswith(".end"):
            return f"{indent}End Site\n{indent}{{\n{indent} OFFSET {offset}\n{indent}}}\n"
        kind = "ROOT" if node == "hip" else "JOINT"
        channels = "6 Xposition Yposition Zposition" if node == "hip" else "3"
        inside = "".join(block(name, indent + " ") for name, parent, _ in HIERARCHY if parent == node)
        head = f"{indent}{kind} {node}\n{indent}{{\n{indent} OFFSET {offset}\n"
        return f"{head}{indent} CHANNELS {channels} Zrotation Xrotation Yrotation\n{inside}{indent}}}\n"

    lines = []
    for position, angles in frames:
        turned = [angles.get(node, (0, 0, 0)) for node in NODES if not node.endswith(".end")]
        lines.append(" ".join(f"{value:.9f}" for values in (position, *turned) for value in values))
    motion = f"MOTION\nFrames: {len(lines)}\nFrame Time: {1 / fps:.8f}\n"
    return "HIERARCHY\n" + block("hip", "") + motion + "\n".join(lines) + "\n"


STAND = (0.0, 90.0, 0.0)
FRAMES = [
    ((9.0, 9.0, 9.0), {"lShldr": (50, 50, 50)}),  # to be dropped
    (STAND, {}),
    ((10.0, 90.0, 50.0), {"hip": (0, 0, 90)}),  # turned to the left, on another place
    (STAND, {"lShldr": (-90, 0, 0), "rShin": (0, 90, 0)}),  # left arm hangs, right knee bent
]


@pytest.fixture
def tiny_mapping(tmp_path: Path) -> Path:
    raw = yaml.safe_load(MAPPING.read_text())
    raw["skip_frames"] = 1
    rename = {"abdomen": "hip", "neck": "chest"}
    for joint, rule in raw["joints"].items():
        if isinstance(rule, str):
            raw["joints"][joint] = rename.get(rule, rule)
        else:
            weights = {rename.get(node, node): weight for node, weight in rule["weights"].items()}
            raw["joints"][joint]["weights"] = weights
    raw["joints"]["nose"]["offset"] = [0, 5, 10]
    raw["body"]["parts"] = {
        part: [node for node in nodes if node in NODES] for part, nodes in raw["body"]["parts"].items()
    }
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


@pytest.fixture
def tiny_file(tmp_path: Path) -> Path:
    folder = tmp_path / "bvh"
    folder.mkdir()
    path = folder / "05_01.bvh"
    path.write_text(bvh_text(FRAMES, 120))
    return path


def real_files() -> list[Path]:
    folder = os.environ.get("CMU_BVH")
    if not folder:
        pytest.skip("set CMU_BVH to a folder of CMU sequences in BVH to test on real motion capture")
    return sorted(Path(folder).glob("*.bvh"))


def plain_positions(path: Path, frame: int) -> dict[str, np.ndarray]:
    """Positions of all nodes of one frame by matrices written out here: a check on reader and library."""

    def turn(axis: str, degrees: float) -> np.ndarray:
        c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        rows = {"X": [[1, 0, 0], [0, c, -s], [0, s, c]], "Y": [[c, 0, s], [0, 1, 0], [-s, 0, c]]}
        return np.array(rows.get(axis, [[c, -s, 0], [s, c, 0], [0, 0, 1]]))

    head, motion = path.read_text().split("MOTION")
    values = iter(map(float, motion.split("\n")[3 + frame].split()))
    placed: dict[str, np.ndarray] = {}
    open_nodes: list[tuple[str, np.ndarray, np.ndarray]] = []  # name, position, rotation
    words = iter(head.split())
    for word in words:
        if word in ("ROOT", "JOINT"):
            name = next(words)
        elif word == "End":
            name = f"{open_nodes[-1][0]}.end"
        elif word == "OFFSET":
            offset = np.array([float(next(words)) for _ in range(3)])
            position, rotation = offset, np.eye(3)
            if open_nodes:
                _, above, rotation = open_nodes[-1]
                position = above + rotation @ offset
        elif word == "CHANNELS":
            for channel in [next(words) for _ in range(int(next(words)))]:
                value = next(values)
                if channel.endswith("position"):
                    position = position + value * np.eye(3)["XYZ".index(channel[0])]
                else:
                    rotation = rotation @ turn(channel[0], value)
            open_nodes.append((name, position, rotation))
        elif word == "}":
            if name.endswith(".end"):
                placed[name] = position
                name = ""
            else:
                name, position, _ = open_nodes.pop()
                placed[name] = position
    return placed


def joints_of(path: Path, mapping_path: Path, **options: object) -> dict[str, np.ndarray]:
    mapping = load_bvh_mapping(mapping_path)
    motion = read_bvh(path, mapping.skip_frames)
    mapping.check(motion, path.name)
    return dict(
        zip(mapping.skeleton.joints, mapping.joints_mm(motion, **options).swapaxes(0, 1), strict=True)
    )


def test_known_positions(tiny_file: Path, tiny_mapping: Path) -> None:
    joints = joints_of(tiny_file, tiny_mapping)
    # frame 0 stands with arms spread; the toes (90 - 42 - 42 - 6 = 0 cm) are on the floor
    expected = {
        "root": (0, 900, 0),
        "left_hip": (90, 900, 0),
        "right_knee": (-90, 480, 0),
        "spine": (0, 1100, 0),
        "thorax": (0, 1300, 0),
        "nose": (0, 1550, 100),
        "left_wrist": (700, 1400, 0),
        "right_wrist": (-700, 1400, 0),
    }
    for joint, position in expected.items():
        np.testing.assert_allclose(joints[joint][0], position, atol=1e-3, err_msg=joint)
    # frame 1 looks along +x from (100, 900, 500): what was left (+x) is now -z, and the nose points along +x
    np.testing.assert_allclose(joints["left_wrist"][1], (100, 1400, -200), atol=1e-3)
    np.testing.assert_allclose(joints["nose"][1], (200, 1550, 500), atol=1e-3)
    # frame 2: the left arm hangs from the shoulder, the right shank points backwards
    np.testing.assert_allclose(joints["left_wrist"][2], (180, 880, 0), atol=1e-3)
    np.testing.assert_allclose(joints["right_ankle"][2], (-90, 480, -420), atol=1e-3)


@pytest.mark.parametrize("real", [False, True], ids=["tiny", "cmu"])
def test_library_agrees_with_plain_matrices(real: bool, tiny_file: Path) -> None:
    pybvh = pytest.importorskip("pybvh")
    path = real_files()[0] if real else tiny_file
    motion, library = read_bvh(path), pybvh.read_bvh_file(path, world_up="+y").node_positions()
    ours = motion.positions()
    np.testing.assert_allclose(ours, library, atol=1e-9)
    for frame in (0, 1, len(ours) // 2, len(ours) - 1):
        for node, position in plain_positions(path, frame).items():
            np.testing.assert_allclose(ours[frame, motion.nodes.index(node)], position, atol=1e-5)


@pytest.mark.parametrize("fps", [30, 50, 29.97, 120, 250])
def test_resampling_is_by_time(tmp_path: Path, fps: float) -> None:
    """A steady walk with a steady turn of the arm stays steady at any rate, and bones keep their length."""
    frames = [((0.0, 90.0, 2.0 * i), {"lShldr": (-1.5 * i, 0, 0)}) for i in range(61)]
    path = tmp_path / "steady.bvh"
    path.write_text(bvh_text(frames, 120))
    motion = read_bvh(path, skip_frames=1, fps=fps)
    time_s = np.arange(len(motion.root)) / fps
    assert time_s[-1] <= 59 / 120 + 1e-6 < time_s[-1] + 1 / fps + 1e-3
    np.testing.assert_allclose(motion.root[:, 2], 2 + 240 * time_s, atol=1e-4)
    nodes = motion.positions()
    forearm = nodes[:, motion.nodes.index("lForeArm")] - nodes[:, motion.nodes.index("lShldr")]
    np.testing.assert_allclose(np.linalg.norm(forearm, axis=1), 28, atol=1e-6)
    np.testing.assert_allclose(
        np.arctan2(-forearm[:, 1], forearm[:, 0]), np.radians(1.5 + 180 * time_s), atol=1e-5
    )


def test_bodies_scale_alike_left_and_right_and_stand_on_the_floor(
    tiny_file: Path, tiny_mapping: Path
) -> None:
    body = {"stature": 1.1, "thighs": 0.9, "shanks": 1.08, "upper_arms": 0.95, "head": 1.1}
    own, other = joints_of(tiny_file, tiny_mapping), joints_of(tiny_file, tiny_mapping, body=body)

    def length(joints: dict[str, np.ndarray], a: str, b: str) -> np.ndarray:
        return np.linalg.norm(joints[a] - joints[b], axis=-1)

    for part, (a, b) in {
        "thighs": ("hip", "knee"),
        "shanks": ("knee", "ankle"),
        "upper_arms": ("shoulder", "elbow"),
        "forearms": ("elbow", "wrist"),
    }.items():
        for side in ("left", "right"):
            ratio = length(other, f"{side}_{a}", f"{side}_{b}") / length(own, f"{side}_{a}", f"{side}_{b}")
            np.testing.assert_allclose(ratio, 1.1 * body.get(part, 1.0), rtol=1e-6)
    np.testing.assert_allclose(
        length(other, "nose", "head") / length(own, "nose", "head"), 1.1 * 1.1, rtol=1e-6
    )
    lowest = [np.minimum(joints["left_ankle"], joints["right_ankle"])[:, 1] for joints in (own, other)]
    np.testing.assert_allclose(lowest[0], 60, atol=1e-3)
    np.testing.assert_allclose(lowest[1], 60, atol=9)  # the foot itself grows, too


def test_drawn_bodies_stay_in_their_range() -> None:
    mapping = load_bvh_mapping(MAPPING)
    bodies = [mapping.draw_body(np.random.default_rng(seed)) for seed in range(200)]
    assert bodies[0] == mapping.draw_body(np.random.default_rng(0))
    stature = np.array([body["stature"] for body in bodies])
    assert mapping.stature_range[0] <= stature.min() < stature.max() <= mapping.stature_range[1]
    assert set(bodies[0]) == {"stature", *mapping.body_parts}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw["joints"].pop("nose"), "missing nose"),
        (lambda raw: raw["joints"].update(nosy="head"), "did you mean 'nose'"),
        (lambda raw: raw["joints"].update(nose={"weights": {"head": 2}}), "sum to 2"),
        (lambda raw: raw["joints"].update(nose={"weights": {"head": 1}, "offset": [0, 0, 1]}), "go together"),
        (lambda raw: raw.update(up="Y"), "allowed: x, y, z"),
        (lambda raw: raw["body"]["parts"].update(more=["lShin"]), "more than one part.*lShin"),
    ],
)
def test_faulty_mappings_are_refused(tmp_path: Path, change: Callable[[dict], object], message: str) -> None:
    raw = yaml.safe_load(MAPPING.read_text())
    change(raw)
    path = tmp_path / "mapping.yaml"
    path.write_text(yaml.safe_dump(raw))
    with pytest.raises(UserError, match=message):
        load_bvh_mapping(path)


def test_faulty_files_are_refused(tiny_file: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs nodes it does not hold"):
        load_bvh_mapping(MAPPING).check(read_bvh(tiny_file), "tiny")
    with pytest.raises(UserError, match="first 9 are to be dropped"):
        read_bvh(tiny_file, skip_frames=9)
    text = tiny_file.read_text()
    for name, faulty in {
        "cut": text[: len(text) // 2],
        "nan": text.replace("50.000000000", "nan"),
        "empty": "",
    }.items():
        path = tmp_path / f"{name}.bvh"
        path.write_text(faulty)
        with pytest.raises(UserError, match=f"{name}.bvh"):
            read_bvh(path)
    with pytest.raises(UserError, match=r"none.bvh"):
        read_bvh(tmp_path / "none.bvh")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two subjects, one of them in the test split; the second walks and waves."""
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "INDEX.tsv").write_text("id\tdescription\n13_01\twalk, wave\n")
    for name, frames in (("05_01", 70), ("05_02", 30), ("13_01", 61)):
        motion = [
            ((0.0, 90.0, 2.0 * i), {"lForeArm": (0, 0, -90 - i / 2), "rThigh": (0, -i / 3, 0)})
            for i in range(frames)
        ]
        (folder / f"{name}.bvh").write_text(bvh_text(motion, 120))
    return folder


def convert(folder: Path, mapping: Path, *options: str) -> dict[str, dict]:
    out = folder.parent / "out.pkl"
    arguments = [
        "--bvh",
        folder,
        "--out",
        out,
        "--split",
        SPLIT,
        "--mapping",
        mapping,
        "--joint_format",
        "H36M-17",
    ]
    small = ["--bodies", "2", "--cameras", "2", "--test_bodies", "1", "--test_cameras", "1"]
    assert bvh_to_pickle.main([*map(str, arguments), *small, *options]) == 0
    return load_pickle(out)


def test_pickle_layout(folder: Path, tiny_mapping: Path, capsys: pytest.CaptureFixture[str]) -> None:
    splits = convert(folder, tiny_mapping, "--fps", "60")
    assert set(splits) == {"train", "test"}
    assert "train: 2 clips of 1 subjects (05), 8 videos" in capsys.readouterr().out
    train, test = splits["train"], splits["test"]
    frames = 2 * 2 * (35 + 15)  # 69 and 29 frames at 120 fps are 35 and 15 at 60
    for key, shape in {
        "joint_2d": (frames, 17, 2),
        "confidence": (frames, 17),
        "joint3d_image": (frames, 17, 3),
        "2.5d_factor": (frames,),
        "joints_2.5d_image": (frames, 17, 3),
        "size_px": (frames, 2),
    }.items():
        assert train[key].shape == shape and train[key].dtype == np.float32, key
    assert len(train["source"]) == len(train["camera_name"]) == len(train["action"]) == frames
    assert {source[:2] for source in train["source"]} == {"05"} and {
        source[:2] for source in test["source"]
    } == {"13"}
    assert set(test["action"]) == {"walk, wave"} and set(train["action"]) == {"05_01", "05_02"}
    assert train["fps"] == 60 and train["derived_joints"] == ["nose", "head"]
    np.testing.assert_array_equal(train["joint_2d"], train["joint3d_image"][..., :2])
    # an exact prediction has no error: px times the factor are the labels in mm, and the root's depth is 0
    image, factor = train["joint3d_image"], train["2.5d_factor"][:, None, None]
    np.testing.assert_allclose(image * factor, train["joints_2.5d_image"], rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(image[:, 0, 2], 0, atol=1e-4)
    inside = (train["joint_2d"] >= 0) & (train["joint_2d"] <= train["size_px"][:, None])
    assert inside.all()


def test_projection_is_a_pinhole(folder: Path, tiny_mapping: Path) -> None:
    """Undone with the depth that the 2.5D labels tell, the image gives back the lengths of the bones."""
    data = convert(folder, tiny_mapping, "--bodies", "0", "--test_bodies", "0")["train"]
    image, factor, size = data["joint3d_image"].astype(float), data["2.5d_factor"], data["size_px"]
    off = image[..., :2] - size[:, None] / 2
    lengths = {(0, 1): 90, (1, 2): 420, (2, 3): 420, (11, 12): 280, (15, 16): 240, (8, 9): np.hypot(250, 100)}
    # with the focal length f the root lies at depth f * factor; f is the one number that is not in the file
    video = np.array(
        [source + camera for source, camera in zip(data["source"], data["camera_name"], strict=True)]
    )
    for name in np.unique(video):
        rows = np.flatnonzero(video == name)
        errors = []
        for focal in np.geomspace(500, 6000, 400):
            depth = (focal + image[rows, :, 2]) * factor[rows, None]
            points = np.concatenate([off[rows] * depth[..., None] / focal, depth[..., None]], axis=-1)
            found = [np.linalg.norm(points[:, a] - points[:, b], axis=-1) for a, b in lengths]
            errors.append(np.abs(np.array(found) - np.array(list(lengths.values()))[:, None]).max())
        assert min(errors) < 3, name


def test_same_seed_same_bytes_and_noise_keeps_the_views(folder: Path, tiny_mapping: Path) -> None:
    first, again, other = (convert(folder, tiny_mapping, "--seed", seed)["train"] for seed in ("0", "0", "1"))
    noisy = convert(folder, tiny_mapping, "--noise", "detector")["train"]
    np.testing.assert_array_equal(first["joint_2d"], again["joint_2d"])
    assert not np.array_equal(first["joint_2d"], other["joint_2d"])
    np.testing.assert_array_equal(first["joint3d_image"], noisy["joint3d_image"])
    assert 0 < noisy["confidence"].min() < noisy["confidence"].max() <= 1
    error_px = np.linalg.norm(noisy["joint_2d"] - noisy["joint3d_image"][..., :2], axis=-1)
    assert 0 < np.median(error_px * noisy["2.5d_factor"][:, None]) < 50


def test_drawn_rates_shots_and_mirror(folder: Path, tiny_mapping: Path) -> None:
    data = convert(folder, tiny_mapping, "--fps", "24-60", "--shot_seconds", "0.2", "--mirror")["train"]
    assert data["fps"].shape == data["2.5d_factor"].shape and len(np.unique(data["fps"])) == 4
    assert 24 <= data["fps"].min() < data["fps"].max() <= 60
    assert {source[:5] for source in data["source"] if source.endswith("_mirrored")} == {"05_01", "05_02"}
    videos = list(zip(data["source"], data["camera_name"], strict=True))
    longest = max(videos.count(video) / data["fps"][videos.index(video)] for video in set(videos))
    assert longest < 0.2 + 2 / 24
    # the left arm bends in the recording, so the right one does in the mirror
    mm = data["joints_2.5d_image"]
    bend = {
        side: np.linalg.norm(mm[:, shoulder] - mm[:, wrist], axis=-1)
        for side, shoulder, wrist in (("left", 11, 13), ("right", 14, 16))
    }
    mirrored = np.array([source.endswith("_mirrored") for source in data["source"]])
    assert (bend["left"] < bend["right"])[~mirrored].mean() > 0.8
    assert (bend["left"] > bend["right"])[mirrored].mean() > 0.8


def test_other_joint_formats_by_conversion(folder: Path, tiny_mapping: Path) -> None:
    path = folder.parent / "few.yaml"
    path.write_text(
        "name: Few\nroot: pelvis\njoints: [pelvis, left_knee, right_knee, nose]\n"
        "canonical: {pelvis: hip_center, nose: face}\nflip: [[left_knee, right_knee]]\n"
        "limbs: [[pelvis, left_knee], [pelvis, right_knee], [pelvis, nose]]\n"
    )
    few = convert(folder, tiny_mapping, "--joint_format", str(path))["test"]
    assert few["joint_2d"].shape[1] == 4 and few["derived_joints"] == ["nose"]
    knees = few["joints_2.5d_image"][:, [1, 2]] - few["joints_2.5d_image"][:, :1]
    assert (np.abs(np.linalg.norm(knees, axis=-1) - 430) < 90).all()


def test_the_reader_takes_the_pickle(folder: Path, tiny_mapping: Path) -> None:
    convert(folder, tiny_mapping)
    motion = read_pickle(load_skeleton("H36M-17"), "train", "out.pkl", dt_root=str(folder.parent))
    assert motion.fps == 60 and motion.derived_joints == ("nose", "head")
    assert len(motion.videos) == 2 * 2 * 2
    assert np.ptp(motion.size_px, axis=0).max() > 0  # several image sizes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("subject: '^([0-9]+)_'\nsplits: {train: [05], test: rest}", "must stand in quotes"),
        ("subject: '^([0-9]+)_'\nsplits: {train: ['05'], test: ['05', '13']}", "is in train and in test"),
        ("subject: '^([0-9]+)_'\nsplits: {train: ['05']}", "subject '13'.*in no split"),
        ("subject: '^[0-9]+_'\nsplits: {train: rest}", "one group"),
        ("subject: '^(x)'\nsplits: {train: rest}", "finds no subject in 05_01.bvh"),
        ("subject: '^([0-9]+)_'\nsplits: {trian: rest}", "did you mean 'train'"),
        ("splits: {train: rest}", "a split file has 'subject'"),
    ],
)
def test_faulty_split_files_are_refused(folder: Path, text: str, message: str) -> None:
    split = folder.parent / "split.yaml"
    split.write_text(text)
    with pytest.raises(UserError, match=message):
        find_clips(folder, split, ".bvh")


def test_a_named_subject_without_file_is_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert {clip.split for clip in find_clips(folder, SPLIT, ".bvh")} == {"train", "test"}
    assert "no file" in caplog.text and "14" in caplog.text


def test_users_mistakes_are_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder.parent / "out.pkl"
    arguments = [
        "--bvh",
        folder,
        "--out",
        out,
        "--split",
        SPLIT,
        "--mapping",
        MAPPING,
        "--joint_format",
        "H36M-17",
    ]
    assert bvh_to_pickle.main([*map(str, arguments)]) == 2  # the tiny files lack nodes of the CMU mapping
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1 and "abdomen" in lines[0]
    assert not out.exists()


def test_documentation_names_what_exists() -> None:
    text = (ROOT / "docs/real_motion.md").read_text()
    for path in re.findall(r"`((?:configs|tools|lib|docs)/[\w./]+\w)`", text):
        assert (ROOT / path).exists(), path
    commands = re.findall(r"python tools/bvh_to_pickle.py ((?:[^\n]*\\\n)*[^\n]*)", text)
    assert commands
    for command in commands:
        options = bvh_to_pickle.parse(shlex.split(command.replace("\\\n", " ")))
        assert options.split.exists() or (ROOT / options.split).exists()
        load_bvh_mapping(ROOT / options.mapping)


def test_cmu_people_face_their_way_and_bend_their_knees_forward() -> None:
    mapping = load_bvh_mapping(MAPPING)
    at = {joint: number for number, joint in enumerate(mapping.skeleton.joints)}
    files = {path.stem: path for path in real_files()}
    for name in ("02_01", "07_01", "12_02", "09_01"):  # walks and a run
        motion = read_bvh(files[name], mapping.skip_frames, fps=60)
        mapping.check(motion, name)
        joints = mapping.joints_mm(motion)
        to_left = joints[:, at["left_hip"]] - joints[:, at["right_hip"]]
        front = np.cross(to_left, [0, 1, 0])
        front /= np.linalg.norm(front, axis=-1, keepdims=True)
        velocity = np.gradient(joints[:, at["root"]], axis=0) * 60
        assert np.median((velocity * front).sum(-1)) > 500, name  # mm/s: forward, so left is left
        face = joints[:, at["nose"]] - joints[:, at["head"]]
        assert ((face * front).sum(-1) > 0).mean() > 0.95
        assert (joints[:, at["head"], 1] > joints[:, at["root"], 1] + 500).all()
        for side in ("left", "right"):
            hip, knee, ankle = (joints[:, at[f"{side}_{joint}"]] for joint in ("hip", "knee", "ankle"))
            share = np.linalg.norm(knee - hip, axis=-1, keepdims=True)
            share = share / (share + np.linalg.norm(ankle - knee, axis=-1, keepdims=True))
            forward = ((knee - hip - share * (ankle - hip)) * front).sum(-1)
            assert (forward > -15).mean() > 0.95 and forward.max() > 100, (name, side)
        lowest = joints[:, [at["left_ankle"], at["right_ankle"]], 1].min(axis=1)
        assert 20 < np.percentile(lowest, 5) < 120


def test_cmu_bodies_do_not_slide() -> None:
    """The foot that stands slips on a drawn body no faster than on the recorded one."""
    mapping = load_bvh_mapping(MAPPING)
    at = {joint: number for number, joint in enumerate(mapping.skeleton.joints)}
    motion = read_bvh(
        next(path for path in real_files() if path.stem == "07_01"), mapping.skip_frames, fps=60
    )
    speeds = []
    for body in (None, *(mapping.draw_body(np.random.default_rng(seed)) for seed in range(4))):
        ankles = mapping.joints_mm(motion, body)[:, [at["left_ankle"], at["right_ankle"]]]
        speeds.append(np.median(np.linalg.norm(np.diff(ankles, axis=0), axis=-1).min(axis=1)) * 60)
    assert max(speeds[1:]) < 1.25 * speeds[0] + 20
