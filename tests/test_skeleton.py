"""Joint formats: the shipped files, what is refused, conversions, golden vectors of MotionBERT's mappings."""

from __future__ import annotations

import itertools
import logging
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from lib import anatomy
from lib.conversion import _resolve
from lib.errors import UserError
from lib.skeleton import Skeleton, conversion, conversions, list_skeletons, load_skeleton

GOLDEN = Path(__file__).parent / "data" / "golden" / "up_wild.npz"
RECIPE = Path(__file__).parent.parent / "docs" / "add_joint_format.md"
ONE_SIDED = {"Hand-21", "Hand-21-left", "Hand-21-right"}

# name: joints, root number (None: a mean)
SHIPPED = {
    "H36M-17": (17, 0),
    "COCO-17": (17, None),
    "PoseTrack-17": (17, None),
    "Halpe-26": (26, 19),
    "BODY_25": (25, 8),
    "BODY_25B": (25, None),
    "COCO-WholeBody-133": (133, None),
    "MediaPipe-33": (33, None),
    "SMPL-24": (24, 0),
    "Hand-21": (21, 0),
    "Hand-21-left": (21, 0),
    "Hand-21-right": (21, 0),
    "UBHand-48": (48, None),
    "RTM-24": (24, 21),
    "RTM-24-config5": (24, 21),
    "RTM-24-config2": (24, 21),
    "RTM-37": (37, 0),
    "RTM-66": (66, 57),
    "RTM-66-v1": (66, 57),
}


@pytest.fixture(params=list_skeletons())
def skeleton(request: pytest.FixtureRequest) -> Skeleton:
    return load_skeleton(request.param)


def test_shipped_formats_have_the_published_size_and_root() -> None:
    found = {
        name: (load_skeleton(name).num_joints, load_skeleton(name).root_idx) for name in list_skeletons()
    }
    assert found == SHIPPED


def test_mirror_is_its_own_inverse_and_changes_every_sided_joint(skeleton: Skeleton) -> None:
    flip = skeleton.flip_idx
    assert (flip[flip] == np.arange(skeleton.num_joints)).all()
    if skeleton.name not in ONE_SIDED:
        sides = np.array(skeleton.joint_sides)
        assert (sides[flip][sides == "left"] == "right").all()
        assert (flip[sides == "center"] == np.flatnonzero(sides == "center")).all()
        mirrored = [anatomy.mirror_name(name) for name in skeleton.canonical]
        assert [skeleton.canonical[number] for number in flip] == mirrored


def test_limbs_equal_their_mirror_image(skeleton: Skeleton) -> None:
    image = np.sort(skeleton.flip_idx[skeleton.limb_idx], axis=1)
    assert (image == np.sort(skeleton.limb_idx, axis=1)[skeleton.limb_flip_idx]).all()
    for limb, (a, b) in enumerate(skeleton.limbs):
        assert skeleton.limb_idx[limb].tolist() == [skeleton.index(a), skeleton.index(b)]


def test_no_joint_is_left_without_limb_and_the_body_hangs_together(skeleton: Skeleton) -> None:
    component = np.arange(skeleton.num_joints)
    for a, b in itertools.chain(*[skeleton.limb_idx.tolist()] * skeleton.num_joints):
        component[[a, b]] = component[[a, b]].min()
    assert set(np.unique(skeleton.limb_idx)) == set(range(skeleton.num_joints))
    detached = {skeleton.joints[number] for number in np.flatnonzero(component != component[0])}
    assert all(
        joint.startswith(("face-", "mouth_")) for joint in detached
    )  # contours and mouth are drawn alone


def test_angles_and_centers_point_at_limbs_and_joints(skeleton: Skeleton) -> None:
    assert len(skeleton.angle_idx) and skeleton.angle_idx.max() < len(skeleton.limbs)
    for first, second in skeleton.angle_idx.tolist():
        assert first != second
    centers = {(center, frozenset(ends)) for center, *ends in skeleton.center_idx.tolist()}
    flip = skeleton.flip_idx
    assert {(flip[center], frozenset(flip[list(ends)])) for center, ends in centers} == centers


def test_parents_form_a_tree(skeleton: Skeleton) -> None:
    if skeleton.parents is None:
        assert len(skeleton.root) > 1  # a format whose root is no keypoint
        return
    for joint in range(skeleton.num_joints):
        steps = 0
        while joint >= 0:
            joint, steps = int(skeleton.parents[joint]), steps + 1
            assert steps <= skeleton.num_joints
    assert (skeleton.parents == -1).sum() == 1


def test_colors_sides_and_read_only_arrays(skeleton: Skeleton) -> None:
    assert len(skeleton.joint_colors) == skeleton.num_joints and len(skeleton.limb_colors) == len(
        skeleton.limbs
    )
    assert all(re.fullmatch("#[0-9a-f]{6}", color) for color in skeleton.joint_colors + skeleton.limb_colors)
    for array in (skeleton.flip_idx, skeleton.limb_idx, skeleton.angle_idx, skeleton.center_idx):
        assert array.dtype == np.int64
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    assert pickle.loads(pickle.dumps(skeleton)).joints == skeleton.joints  # data loader workers need this


@pytest.mark.parametrize("as_torch", [False, True])
def test_root_of_is_the_mean_of_the_root_joints(skeleton: Skeleton, as_torch: bool) -> None:
    pose = np.random.default_rng(0).normal(size=(2, 5, skeleton.num_joints, 3)).astype(np.float32)
    expected = np.einsum("ntjc,j->ntc", pose, skeleton.root_weights)[:, :, None]
    root = skeleton.root_of(torch.from_numpy(pose) if as_torch else pose)
    assert isinstance(root, torch.Tensor if as_torch else np.ndarray)
    np.testing.assert_allclose(np.asarray(root), expected, atol=1e-6)
    assert skeleton.root_weights.sum() == 1
    with pytest.raises(UserError, match=skeleton.name):
        skeleton.root_of(pose[:, :, 1:])


def test_with_root_keeps_everything_else() -> None:
    arms = load_skeleton("UBHand-48")
    assert arms.with_root("left_shoulder").root_idx == 0 and arms.root_idx is None
    assert arms.with_root("left_shoulder").flip_idx is arms.flip_idx
    assert set(arms.other_roots) <= set(arms.joints)
    with pytest.raises(UserError, match=r"left_sholder.*left_shoulder"):
        arms.with_root("left_sholder")


def test_names_and_aliases_match_without_regard_to_case_and_hyphen() -> None:
    for name in list_skeletons():
        for given in (name, *load_skeleton(name).aliases):
            for variant in (given, given.lower(), given.upper(), given.replace("-", "_")):
                assert load_skeleton(variant) is load_skeleton(name)
    assert load_skeleton("VEHS-37").name == "RTM-37" and load_skeleton("vehs-66-v2").name == "RTM-66"
    with pytest.raises(UserError, match=r"RTM-38.*did you mean 'RTM-3?\d.*Halpe-26"):
        load_skeleton("RTM-38")
    with pytest.raises(UserError, match=r"nowhere\.yaml"):
        load_skeleton("nowhere.yaml")


def test_h36m_has_motionberts_limbs_and_angles_in_order() -> None:
    h36m = load_skeleton("H36M")
    assert h36m.limb_idx.tolist() == [
        *[[0, 1], [1, 2], [2, 3], [0, 4], [4, 5], [5, 6], [0, 7], [7, 8]],
        *[[8, 9], [9, 10], [8, 11], [11, 12], [12, 13], [8, 14], [14, 15], [15, 16]],
    ]
    assert h36m.angle_idx.tolist() == [
        *[[0, 3], [0, 6], [3, 6], [0, 1], [1, 2], [3, 4], [4, 5], [6, 7], [7, 10]],
        *[[7, 13], [8, 13], [10, 13], [7, 8], [8, 9], [10, 11], [11, 12], [13, 14], [14, 15]],
    ]
    assert h36m.flip_idx.tolist() == [0, 4, 5, 6, 1, 2, 3, 7, 8, 9, 10, 14, 15, 16, 11, 12, 13]


def test_rtm37_centers_and_rtm66_orders() -> None:
    rtm37, v2, v1 = (load_skeleton(name) for name in ("RTM-37", "RTM-66", "RTM-66-v1"))
    public = [[15, 25, 26], [16, 27, 28], [13, 29, 30], [14, 31, 32], [11, 33, 34], [12, 35, 36]]
    assert rtm37.center_idx.tolist()[:6] == public
    assert [v1.index(joint) + 1 for joint in v2.joints[11:50]] == list(range(11, 50))  # REAR .. LSHOULDER
    assert v1.joints[50:] == v2.joints[50:] and v1.joints[:10] == v2.joints[:10] and v1.joints[49] == "C7_m"
    assert set(v2.vertex_ids["smpl"]) == set(v2.vertex_ids["smplx"]) == set(v2.joints[:47])
    assert set(v1.vertex_ids["smpl"]) == set(v2.joints[:47]) - {"MDFH"}


def test_points_that_differ_in_the_body_differ_in_name() -> None:
    names = {
        ("H36M-17", "head"), ("RTM-37", "HEAD"), ("RTM-37", "HDTP"), ("H36M-17", "nose"), ("COCO-17", "nose"),
        ("H36M-17", "root"), ("RTM-37", "PELVIS"), ("RTM-24-config2", "pelvis"), ("SMPL-24", "pelvis"),
        ("RTM-24", "thorax"), ("RTM-24-config5", "thorax"), ("H36M-17", "thorax"), ("SMPL-24", "neck"),
        ("PoseTrack-17", "head_bottom"), ("RTM-37", "C7"), ("RTM-37", "C7_d"), ("RTM-37", "SS"),
    }  # fmt: skip
    canonical = {load_skeleton(name).canonical[load_skeleton(name).index(joint)] for name, joint in names}
    assert len(canonical) == len(names)
    assert load_skeleton("RTM-24").index_canonical("hip_center") == load_skeleton("RTM-24").index("pelvis")
    assert load_skeleton("RTM-24").index_canonical("pelvis") is None


# refused at load

STICK: dict[str, Any] = {
    "name": "Stick",
    "root": "hip_center",
    "joints": ["hip_center", "left_hip", "right_hip", "left_knee", "right_knee"],
    "flip": [["left_hip", "right_hip"], ["left_knee", "right_knee"]],
    "limbs": [
        *[["hip_center", "left_hip"], ["hip_center", "right_hip"]],
        *[["left_hip", "left_knee"], ["right_hip", "right_knee"]],
    ],
    "parents": {
        **{"left_hip": "hip_center", "right_hip": "hip_center"},
        **{"left_knee": "left_hip", "right_knee": "right_hip"},
    },
    "centers": [["hip_center", "left_hip", "right_hip"]],
}
KNEES = [["left_hip", "left_knee"], ["hip_center", "left_hip"]]
MISTAKES = {
    "unknown key": ({"flips": []}, "unknown key 'flips'.*did you mean 'flip'"),
    "missing key": ({"root": None}, "'root' is missing"),
    "doubled joint": ({"joints": [*STICK["joints"], "left_hip"]}, "'left_hip' is listed 2 times"),
    "joint that is no text": ({"joints": [*STICK["joints"], 7]}, "7 is no text"),
    "unknown root": ({"root": "hip_centre"}, "root: 'hip_centre' is no joint.*did you mean 'hip_center'"),
    "unknown joint in a limb": ({"limbs": [["hip_center", "tail"]]}, "limbs: 'tail' is no joint"),
    "limb of one joint": ({"limbs": [*STICK["limbs"], ["left_hip", "left_hip"]]}, "to itself"),
    "limb of three": ({"limbs": [["left_hip", "hip_center", "right_hip"]]}, "must be a list of 2"),
    "unknown anatomy": ({"canonical": {"left_knee": "left_nee"}}, "'left_nee'.*did you mean"),
    "shared anatomy": ({"canonical": {"left_knee": "left_hip"}}, "2 joints share .* 'left_hip'"),
    "wrong pair": (
        {"flip": [["left_hip", "right_knee"], ["left_knee", "right_hip"]]},
        "'left_hip' .* and 'right_knee' .* are not each other's mirror",
    ),
    "pair given twice": ({"flip": [*STICK["flip"], ["left_hip", "right_hip"]]}, "'left_hip' is in 2 pairs"),
    "forgotten pair": ({"flip": [["left_hip", "right_hip"]]}, "'left_knee'.*stands in no pair"),
    "no flip at all": ({"flip": []}, "'left_hip'.*stands in no pair, its mirror is 'right_hip'"),
    "limb on one side": ({"limbs": STICK["limbs"][:3]}, r"limbs: .*left_knee.* has no mirror image"),
    "angle on one side": ({"angles": [KNEES]}, "angles: .* has no mirror image"),
    "angle of no limb": ({"angles": [[["left_knee", "right_knee"], KNEES[0]]]}, "is no limb"),
    "center on one side": (
        {"centers": [["left_hip", "hip_center", "left_knee"]]},
        "centers: 'left_hip' .* has no mirror image",
    ),
    "unknown center": ({"centers": [["navel", "left_hip", "right_hip"]]}, "centers: 'navel' is no joint"),
    "cycle": ({"parents": {**STICK["parents"], "hip_center": "left_knee"}}, "cycle hip_center -> left_knee"),
    "two trees": ({"parents": {"left_hip": "hip_center"}}, "exactly one joint has no parent"),
    "unknown parent": ({"parents": {"left_hip": "hip"}}, "parents: 'hip' is no joint"),
    "rule of no kind": ({"derived": {"pelvis": {"maybe": "hip_center"}}}, "'pelvis' needs"),
    "rule of nothing": ({"derived": {"pelvis": {"exact": []}}}, "'pelvis' needs"),
    "rule off unity": ({"derived": {"pelvis": {"exact": {"hip_center": 0.9}}}}, "sum to 0.9, not 1"),
    "rule unknown": ({"derived": {"pelvis": {"exact": "hips"}}}, "unknown anatomical name 'hips'"),
    "rule for no format": ({"derived_for": {"H36M17": {}}}, "unknown format 'H36M17'.*H36M-17"),
    "vertex of no joint": ({"vertex_ids": {"smpl": {"toe": 1}}}, "vertex_ids: 'toe' is no joint"),
    "list as parent": ({"parents": {"left_hip": ["hip_center"]}}, "'parents' must be a mapping to names"),
    "base of itself": ({"base": "stick.yaml"}, "goes in a circle"),
}


def write(path: Path, raw: dict[str, Any]) -> str:
    path.write_text(yaml.safe_dump(raw))
    return str(path)


def test_the_example_without_mistakes_loads(tmp_path: Path) -> None:
    stick = load_skeleton(write(tmp_path / "stick.yaml", STICK))
    assert stick.angle_idx.tolist() == [[0, 1], [0, 2], [1, 3]] and stick.parents is not None


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_refused_with_the_file_named(case: str, tmp_path: Path) -> None:
    change, message = MISTAKES[case]
    with pytest.raises(UserError, match=message) as caught:
        load_skeleton(write(tmp_path / "stick.yaml", {**STICK, **change}))
    assert "stick.yaml" in str(caught.value)


def test_all_mistakes_of_a_file_are_named_at_once(tmp_path: Path) -> None:
    raw = {**STICK, "root": "hips", "centers": [["navel", "left_hip", "right_hip"]], "other_roots": ["tail"]}
    with pytest.raises(UserError, match=r"'hips'.*'tail'.*'navel'"):
        load_skeleton(write(tmp_path / "stick.yaml", raw))


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "stick.yaml", STICK))
    path.write_text(path.read_text() + "\nroot: left_hip\n")
    with pytest.raises(UserError, match="doubled key"):
        load_skeleton(str(path))


def test_a_variant_inherits_and_drops(tmp_path: Path) -> None:
    write(tmp_path / "stick.yaml", STICK)
    short = {"name": "Short", "base": "stick.yaml", "without": ["left_knee", "right_knee"]}
    loaded = load_skeleton(write(tmp_path / "short.yaml", short))
    assert loaded.joints == ("hip_center", "left_hip", "right_hip") and len(loaded.limbs) == 2
    more = {**short, "name": "More", "limbs+": [["left_hip", "right_hip"]], "root": ["left_hip", "right_hip"]}
    loaded = load_skeleton(write(tmp_path / "more.yaml", more))
    assert loaded.limbs[-1] == ("left_hip", "right_hip") and loaded.root_idx is None


# conversions


@pytest.mark.parametrize(
    ("source", "key", "mean_confidence"),
    [
        ("Halpe-26", "halpe2h36m", [7]),
        ("COCO-17", "coco2h36m", [0, 7, 8, 10]),
        ("PoseTrack-17", "posetrack2h36m", []),
    ],
)
def test_conversions_to_h36m_equal_motionberts(source: str, key: str, mean_confidence: list[int]) -> None:
    with np.load(GOLDEN, allow_pickle=False) as golden:
        given, expected = golden[f"{key}/0"], golden[f"{key}/1"]
    to_h36m = conversion(load_skeleton(source), load_skeleton("H36M-17"))
    made, confidence = to_h36m.apply(given[..., :2], given[..., 2])
    np.testing.assert_allclose(made, expected[..., :2], atol=1e-6, rtol=0)
    # Different on purpose: the original averages the confidence of means, so a good source hides a bad one.
    same = np.setdiff1d(np.arange(17), mean_confidence)
    np.testing.assert_allclose(confidence[..., same], expected[..., same, 2], atol=1e-6, rtol=0)
    assert (confidence <= expected[..., 2] + 1e-6).all()
    for number in mean_confidence:
        sources = np.flatnonzero(to_h36m.matrix[number])
        np.testing.assert_array_equal(confidence[..., number], given[..., sources, 2].min(-1))


NEEDED = [
    *itertools.product(
        ["Halpe-26", "COCO-17", "PoseTrack-17", "BODY_25", "MediaPipe-33", "COCO-WholeBody-133", "SMPL-24"],
        ["H36M-17"],
    ),
    *itertools.product(
        ["RTM-24", "RTM-24-config5", "RTM-24-config2", "RTM-37", "RTM-66", "RTM-66-v1"], ["H36M-17"]
    ),
    *itertools.product(
        ["COCO-WholeBody-133"],
        ["COCO-17", "Halpe-26", "RTM-37", "RTM-24", "UBHand-48", "Hand-21-left", "Hand-21-right"],
    ),
    *itertools.product(["MediaPipe-33"], ["COCO-17", "RTM-24"]),
    *itertools.product(["RTM-66", "RTM-66-v1"], ["RTM-37", "RTM-24", "RTM-24-config5", "RTM-24-config2"]),
    *itertools.product(["Halpe-26", "BODY_25"], ["COCO-17"]),
    *[("RTM-37", "RTM-24"), ("Halpe-26", "BODY_25"), ("BODY_25", "Halpe-26"), ("UBHand-48", "Hand-21-right")],
]


def test_needed_conversions_are_complete() -> None:
    assert set(NEEDED) <= {(source, target) for source, target, *_ in conversions()}


@pytest.mark.parametrize("target", list_skeletons())
def test_every_conversion_is_affine_and_mirror_symmetric(skeleton: Skeleton, target: str) -> None:
    other = load_skeleton(target)
    made = conversion(skeleton, other, allow_missing=True, log=False)
    assert made.matrix.shape == (other.num_joints, skeleton.num_joints)
    np.testing.assert_allclose(made.matrix.sum(1), ~made.missing, atol=1e-6)
    assert not (made.exact & made.missing).any()
    assert set(made.rules) == {
        joint for joint, gone in zip(other.joints, made.missing, strict=True) if not gone
    }
    if not ONE_SIDED & {skeleton.name, target}:
        mirrored = made.matrix[other.flip_idx][:, skeleton.flip_idx]
        np.testing.assert_allclose(mirrored, made.matrix, atol=1e-6)
    if skeleton is other:
        np.testing.assert_array_equal(made.matrix, np.eye(skeleton.num_joints, dtype=np.float32))
        assert made.exact.all()


def test_every_rule_of_a_format_can_be_followed(skeleton: Skeleton) -> None:
    for name in skeleton.derived:
        assert _resolve(name, skeleton, "", ()), f"{skeleton.name}: {name}"
    for target, rules in skeleton.derived_for.items():
        assert set(rules) <= set(load_skeleton(target).canonical)


@pytest.mark.parametrize(
    ("source", "target", "pairs"),
    [
        (
            "COCO-WholeBody-133",
            "RTM-37",
            {
                10: 1,
                9: 2,
                12: 3,
                11: 4,
                14: 5,
                13: 6,
                16: 7,
                15: 8,
                121: 11,
                100: 12,
                8: 13,
                7: 14,
                6: 15,
                5: 16,
            }
            | {4: 20, 3: 21, 117: 33, 129: 34, 96: 35, 108: 36},
        ),
        (
            "COCO-WholeBody-133",
            "RTM-24",
            {0: 0, 3: 1, 4: 2, 96: 15, 100: 16, 108: 17, 117: 18, 121: 19, 129: 20},
        ),
        (
            "COCO-WholeBody-133",
            "UBHand-48",
            {5: 0, 6: 1, 7: 2, 8: 3, 9: 4, 10: 5} | {91 + i: 6 + i for i in range(42)},
        ),
        ("COCO-WholeBody-133", "Hand-21-right", {112 + i: i for i in range(21)}),
        (
            "COCO-WholeBody-133",
            "Halpe-26",
            {i: i for i in range(17)} | {17: 20, 20: 21, 18: 22, 21: 23, 19: 24, 22: 25},
        ),
        (
            "RTM-66",
            "H36M-17",
            {58: 1, 59: 2, 60: 3, 62: 4, 63: 5, 64: 6, 49: 11, 51: 12, 54: 13, 53: 16},
        ),
        ("SMPL-24", "H36M-17", {1: 4, 2: 1, 5: 2, 8: 3, 12: 8, 16: 11, 21: 16}),
    ],
)
def test_published_joint_maps_hold(source: str, target: str, pairs: dict[int, int]) -> None:
    matrix = conversion(load_skeleton(source), load_skeleton(target)).matrix
    for from_joint, to_joint in pairs.items():
        assert np.flatnonzero(matrix[to_joint]).tolist() == [from_joint], load_skeleton(target).joints[
            to_joint
        ]


def test_vehs_to_h36m_uses_the_same_points_as_motion_capture_did() -> None:
    rules = conversion(load_skeleton("RTM-37"), load_skeleton("H36M-17")).rules
    assert rules["root"] == "0.5 LHIP + 0.5 RHIP"  # not PELVIS
    assert rules["thorax"] == "0.5 C7 + 0.5 THORAX (approximate)"
    assert rules["head"] == "0.5 HEAD + 0.5 HDTP (approximate)"


def test_a_joint_without_rule_is_refused_or_missing() -> None:
    coco, halpe = load_skeleton("COCO-17"), load_skeleton("Halpe-26")
    with pytest.raises(UserError, match=r"COCO-17 cannot be converted to Halpe-26.*left_big_toe.*derived"):
        conversion(coco, halpe)
    pose, confidence = conversion(coco, halpe, allow_missing=True).apply(np.ones((4, 17, 2)))
    toe, knee = halpe.index("left_big_toe"), halpe.index("left_knee")
    assert np.isnan(pose[:, toe]).all() and (confidence[:, toe] == 0).all()
    assert (pose[:, knee] == 1).all() and (confidence[:, knee] == 1).all()


def test_apply_keeps_the_callers_arrays_and_spreads_nan_only_where_it_is_used() -> None:
    halpe, h36m = load_skeleton("Halpe-26"), load_skeleton("H36M-17")
    pose = np.random.default_rng(1).normal(size=(3, 26, 3)).astype(np.float32)
    pose[1, halpe.index("neck")] = np.nan
    before = pose.copy()
    made, _ = conversion(halpe, h36m).apply(pose)
    np.testing.assert_array_equal(pose, before)
    assert made.dtype == np.float32
    broken = np.isnan(made).any(-1)
    assert broken.sum() == 2 and broken[1, [h36m.index("thorax"), h36m.index("spine")]].all()
    with pytest.raises(UserError, match="expects 26 joints"):
        conversion(halpe, h36m).apply(pose[:, 1:])
    with pytest.raises(UserError, match="need confidence"):
        conversion(halpe, h36m).apply(pose, np.ones((3, 25)))


def test_approximate_joints_are_logged_exact_ones_are_silent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    conversion(load_skeleton("RTM-66"), load_skeleton("RTM-37"))
    assert not caplog.messages
    conversion(load_skeleton("COCO-17"), load_skeleton("H36M-17"))
    (line,) = caplog.messages
    assert "COCO-17 to H36M-17" in line and "spine" in line and "right_hip" not in line


def test_the_recipe_in_the_docs_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    text = RECIPE.read_text()
    assert len(text.splitlines()) < 60
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.S)
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    (tmp_path / "my8.yaml").write_text(example)
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert "hip" in capsys.readouterr().out
