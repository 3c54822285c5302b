"""Losses: MotionBERT's values, and properties that every loss has on every joint format."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from lib.errors import UserError
from lib.geometry import flip_pose
from lib.model import loss as loss_module
from lib.model.loss import LOSSES, WeightedLosses, limb_angles, limb_angles_smooth, limb_lengths
from lib.skeleton import Skeleton, list_skeletons, load_skeleton

GOLDEN = np.load(Path(__file__).parent / "data" / "golden" / "up_losses.npz", allow_pickle=False)
RECIPE = Path(__file__).parent.parent / "docs" / "add_loss.md"
H36M = load_skeleton("H36M-17")

# MotionBERT's function -> (our loss, whether it takes weights)
SAME = {
    "loss_mpjpe": ("mpjpe", False),
    "weighted_mpjpe": ("mpjpe", True),
    "loss_2d_weighted": ("weighted_2d", True),
    "n_mpjpe": ("n_mpjpe", False),
    "loss_velocity": ("velocity", False),
    "loss_limb_var": ("limb_var", False),
    "loss_limb_gt": ("limb_gt", False),
    "loss_angle": ("angle", False),
    "loss_angle_velocity": ("angle_velocity", False),
}
SAME_PARTS = {"get_limb_lens": limb_lengths, "get_angles": limb_angles}
NOT_CARRIED_OVER = {
    "loss_joint": "mean of |x|, |y|, |z| errors: changes as the camera is turned; mpjpe does not",
    "weighted_bonelen_loss": "takes lengths, not poses; no MotionBERT script calls it; they use limb_gt",
    "weighted_boneratio_loss": "as weighted_bonelen_loss, and infinite for a limb of no length",
    "loss_velocity_T1": "velocity of one frame: see test_one_frame_has_no_velocity",
}
OF_ANGLES = {"angle", "angle_velocity", "angle_cos", "angle_velocity_cos"}
OF_POSITION = {"mpjpe", "n_mpjpe", "weighted_2d", "velocity"}
BUILT_IN = LOSSES.names()
EVERY_LOSS = pytest.mark.parametrize("name", BUILT_IN)
SKELETONS = [load_skeleton(name) for name in list_skeletons()]
EVERY_PAIR = pytest.mark.parametrize(
    ("name", "skeleton"),
    [
        pytest.param(name, skeleton, id=f"{name}-{skeleton.name}")
        for name in BUILT_IN
        for skeleton in SKELETONS
        if name != "center" or len(skeleton.center_idx)
    ],
)
CASES = range(2)


def poses(skeleton: Skeleton, seed: int = 0, clips: int = 2, frames: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(clips, frames, skeleton.num_joints, 3, generator=generator)


def centred(pose: Tensor, skeleton: Skeleton) -> Tensor:
    """The nearest pose with every centre joint midway between its two."""
    rows = np.zeros((len(skeleton.center_idx), skeleton.num_joints))
    for row, (middle, one, other) in zip(rows, skeleton.center_idx, strict=True):
        row[[middle, one, other]] = 1, -0.5, -0.5
    keep = np.eye(skeleton.num_joints) - np.linalg.pinv(rows) @ rows
    return torch.from_numpy(keep).float() @ pose


def evaluate(
    name: str, prediction: Tensor, target: Tensor, skeleton: Skeleton, weights: Tensor | None = None
):
    """Value and gradient of the loss."""
    prediction = prediction.clone().requires_grad_()
    value = LOSSES.get(name)(prediction, target, skeleton, weights)
    value.backward()
    return value.detach(), prediction.grad


def golden_inputs(case: int) -> tuple[Tensor, Tensor, Tensor]:
    return tuple(torch.from_numpy(GOLDEN[f"torch_losses/{case}/{key}"]) for key in ("pred", "gt", "w"))


def test_every_golden_term_is_accounted_for():
    terms = {key.split("/")[3] for key in GOLDEN.files if key.startswith("torch_losses/0/terms/")}
    assert terms == {*SAME, *SAME_PARTS, *NOT_CARRIED_OVER}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("term", SAME)
def test_value_and_gradient_as_motionbert(term: str, case: int):
    name, weighted = SAME[term]
    prediction, target, weights = golden_inputs(case)
    value, gradient = evaluate(name, prediction, target, H36M, weights if weighted else None)
    key = f"torch_losses/{case}/terms/{term}"
    np.testing.assert_allclose(value, GOLDEN[f"{key}/value"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(gradient, GOLDEN[f"{key}/grad"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("term", SAME_PARTS)
def test_lengths_and_angles_as_motionbert(term: str, case: int):
    value = SAME_PARTS[term](golden_inputs(case)[0], H36M)
    np.testing.assert_allclose(value, GOLDEN[f"torch_losses/{case}/terms/{term}/value"], rtol=0, atol=1e-6)


@EVERY_PAIR
def test_a_perfect_prediction_costs_nothing(name: str, skeleton: Skeleton):
    pose = poses(skeleton)
    if name == "limb_var":
        pose = pose[:, :1].expand(-1, 3, -1, -1)
    elif name == "center":
        pose = centred(pose, skeleton)
    value, _ = evaluate(name, pose, pose.clone(), skeleton)
    assert value == pytest.approx(0, abs=1e-6)


@EVERY_PAIR
def test_an_error_costs_something(name: str, skeleton: Skeleton):
    value, gradient = evaluate(name, poses(skeleton), poses(skeleton, seed=1), skeleton)
    assert value > 1e-2 and gradient.abs().max() > 1e-6


@EVERY_PAIR
def test_flipping_both_poses_changes_nothing(name: str, skeleton: Skeleton):
    if name in OF_ANGLES and skeleton is H36M:
        return  # one pair of MotionBERT's 18 has no mirror image among them
    prediction, target = poses(skeleton), poses(skeleton, seed=1)
    value, gradient = evaluate(name, prediction, target, skeleton)
    flipped = [flip_pose(pose, skeleton.flip_idx) for pose in (prediction, target)]
    flipped_value, flipped_gradient = evaluate(name, *flipped, skeleton)
    torch.testing.assert_close(flipped_value, value, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(flip_pose(flipped_gradient, skeleton.flip_idx), gradient, rtol=1e-3, atol=1e-5)


def hard_poses(skeleton: Skeleton) -> dict[str, Tensor]:
    """Poses at which a careless gradient is NaN or infinite."""
    pose = poses(skeleton)
    along = torch.arange(skeleton.num_joints).float()[:, None] * torch.tensor([1.0, 2.0, -1.0])
    doubled = pose.clone()
    doubled[:, :, 1:] = doubled[:, :, :-1]
    return {
        "zero": torch.zeros_like(pose),
        "straight": along.expand_as(pose).contiguous(),
        "straight and short": 1e-4 * along.expand_as(pose),
        "flat": pose * torch.tensor([1.0, 1.0, 0.0]),
        "limbs of no length": doubled,
        **{f"size {size}": pose * size for size in (1e-25, 1e-15, 1e-8, 1e-6, 1e4)},
    }


@EVERY_PAIR
def test_gradients_are_finite_everywhere(name: str, skeleton: Skeleton):
    hard = hard_poses(skeleton)
    for label, prediction in hard.items():
        for target in (poses(skeleton, seed=1), prediction, hard["zero"]):
            value, gradient = evaluate(name, prediction, target, skeleton)
            assert value.isfinite() and value >= 0, label
            assert gradient.isfinite().all(), label


@EVERY_LOSS
def test_gradient_is_the_slope(name: str):
    skeleton = load_skeleton("H36M-17")
    prediction, target = (poses(skeleton, seed, 1, 3).double() for seed in (0, 1))
    function = LOSSES.get(name)
    prediction.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda pose: function(pose, target, skeleton, None), prediction, fast_mode=True
    )


@EVERY_LOSS
def test_one_frame_has_no_velocity(name: str):
    value, gradient = evaluate(name, poses(H36M, 0, frames=1), poses(H36M, 1, frames=1), H36M)
    assert gradient.isfinite().all()
    of_steps = ("velocity", "limb_var", "angle_velocity", "angle_velocity_cos", "ergo_angle_velocity")
    assert (value == 0) == (name in of_steps)


@pytest.mark.parametrize("name", sorted(OF_POSITION))
def test_a_joint_without_weight_does_not_count(name: str):
    prediction, target = poses(H36M), poses(H36M, seed=1)
    weights = torch.ones(prediction.shape[:3])
    torch.testing.assert_close(
        evaluate(name, prediction, target, H36M, weights), evaluate(name, prediction, target, H36M)
    )
    weights[:, 1, 5] = 0
    value, _ = evaluate(name, prediction, target, H36M, weights)
    target[:, 1, 5] += 1000
    wrong_value, gradient = evaluate(name, prediction, target, H36M, weights)
    torch.testing.assert_close(wrong_value, value)
    assert gradient[:, 1, 5].abs().max() == 0


def test_two_limbs_of_known_angle():
    pose = torch.zeros(1, 1, H36M.num_joints, 3)
    hip, knee, ankle = (H36M.index(f"right_{joint}") for joint in ("hip", "knee", "ankle"))
    pose[0, 0, knee, 1], pose[0, 0, ankle, 1] = 1, 1
    for degrees in (0, 1e-3, 30, 90, 179.999, 180):
        turn = torch.deg2rad(torch.tensor(float(degrees), dtype=torch.float64))
        pose = pose.double()
        pose[0, 0, ankle] = pose[0, 0, knee] + torch.stack([turn.sin(), turn.cos(), turn * 0])
        limbs = [set(limb) for limb in H36M.limb_idx.tolist()]
        pair = {limbs.index({hip, knee}), limbs.index({knee, ankle})}
        row = [set(angle) for angle in H36M.angle_idx.tolist()].index(pair)
        assert limb_angles_smooth(pose, H36M)[0, 0, row] == pytest.approx(turn.item(), abs=1e-9)
        assert limb_angles(pose, H36M)[0, 0, row] == pytest.approx(turn.item(), abs=1e-3)


def test_cosine_losses_count_the_difference_of_angles():
    prediction, target = poses(H36M), poses(H36M, seed=1)
    one, two = (limb_angles_smooth(pose, H36M) for pose in (prediction, target))
    expected = (1 - torch.cos(one - two)).mean()
    torch.testing.assert_close(LOSSES.get("angle_cos")(prediction, target, H36M, None), expected)
    change = (one[:, 1:] - one[:, :-1]) - (two[:, 1:] - two[:, :-1])
    velocity = LOSSES.get("angle_velocity_cos")(prediction, target, H36M, None)
    torch.testing.assert_close(velocity, (1 - change.cos()).mean())


def test_center_is_the_distance_from_the_middle():
    pose = poses(H36M)
    root, one, other = H36M.center_idx[0]
    pose[:, :, root] = (pose[:, :, one] + pose[:, :, other]) / 2 + torch.tensor([0.0, 3.0, 4.0])
    assert evaluate("center", pose, pose, H36M)[0] == pytest.approx(5)


def test_n_mpjpe_does_not_see_the_scale():
    prediction, target = poses(H36M), poses(H36M, seed=1)
    value, _ = evaluate("n_mpjpe", prediction, target, H36M)
    torch.testing.assert_close(evaluate("n_mpjpe", 7 * prediction, target, H36M)[0], value)
    assert evaluate("n_mpjpe", 3 * target, target, H36M)[0] == pytest.approx(0, abs=1e-6)


def test_weighted_sum():
    prediction, target = poses(H36M).requires_grad_(), poses(H36M, seed=1)
    weights = {"mpjpe": 1.0, "velocity": 20.0, "limb_gt": 0.5}
    total, terms = WeightedLosses(H36M, weights)(prediction, target)
    assert list(terms) == list(weights)
    assert not any(term.requires_grad for term in terms.values())
    assert total.item() == pytest.approx(
        sum(weights[name] * terms[name].item() for name in weights), rel=1e-6
    )
    total.backward()
    assert prediction.grad.abs().max() > 0


def test_confidence_reaches_the_losses():
    prediction, target = poses(H36M), poses(H36M, seed=1)
    total, _ = WeightedLosses(H36M, {"mpjpe": 1.0})(prediction, target, torch.zeros(prediction.shape[:3]))
    assert total == 0


def test_a_term_of_weight_zero_is_not_computed(monkeypatch):
    def never(*_):
        raise AssertionError("computed")

    monkeypatch.setitem(LOSSES._entries, "angle", never)
    _, terms = WeightedLosses(H36M, {"mpjpe": 1.0, "angle": 0.0})(poses(H36M), poses(H36M, seed=1))
    assert list(terms) == ["mpjpe"]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"mpjp": 1.0}, "did you mean 'mpjpe'"),
        ({"mpjpe": 0.0}, "no loss has a weight"),
        ({}, "no loss has a weight"),
        ({"mpjpe": -1.0}, "'mpjpe' is -1"),
        ({"mpjpe": float("nan")}, "'mpjpe' is nan"),
    ],
)
def test_wrong_weights_are_refused(weights: dict[str, float], message: str):
    with pytest.raises(UserError, match=re.escape(message)):
        WeightedLosses(H36M, weights)


def test_a_loss_that_the_format_cannot_have_is_refused_before_training():
    with pytest.raises(UserError, match="COCO-17 has no centers"):
        WeightedLosses(load_skeleton("COCO-17"), {"center": 1.0})


def test_the_recipe_works(monkeypatch):
    monkeypatch.setattr(LOSSES, "_entries", dict(LOSSES._entries))
    blocks = re.findall(r"```python\n(.*?)```", RECIPE.read_text(), re.DOTALL)
    assert len(RECIPE.read_text().splitlines()) < 50
    scope = dict(vars(loss_module))
    for block in blocks:
        exec(block, scope)
    new = set(LOSSES.names()) - set(BUILT_IN)
    assert len(new) == 1
    total, terms = WeightedLosses(H36M, dict.fromkeys(new, 1.0))(poses(H36M), poses(H36M, seed=1))
    assert set(terms) == new and total > 0
