"""BVH files into joint positions and into the pickle layout: a file made here, and real ones where they are given.

Set CMU_BVH to a folder with the CMU sequences (BVH) to run the tests on real motion capture as well.
"""

from __future__ import annotations

import math
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from lib.data.bvh import load_bvh_mapping, read_bvh
from lib.errors import UserError
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
        "nose": (2.4 * 0, 1550, 100),
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
    """A steady walk with a steady turn of the arm stays steady at any rate, and the bones keep their length."""
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
def test_faulty_mappings_are_refused(tmp_path: Path, change: object, message: str) -> None:
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
