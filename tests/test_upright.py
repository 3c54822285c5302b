"""The model that sees clips upright: a turned, scaled, shifted input turns its output alike."""

import math

import pytest
import torch

from lib.config import load_config
from lib.errors import UserError
from lib.model.upright import UprightDSTformer, upright_view
from lib.skeleton import load_skeleton

HAND = load_skeleton("Hand-21")
UPRIGHT = (HAND.index("Wrist"), HAND.index("Middle_0"))


def make_model() -> UprightDSTformer:
    torch.manual_seed(0)
    model = UprightDSTformer(
        dim_feat=16,
        dim_rep=32,
        depth=1,
        num_heads=2,
        num_joints=HAND.num_joints,
        maxlen=9,
        input_residual=True,
        root_weights=HAND.root_weights,
        upright=UPRIGHT,
    )
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return model.eval()


def make_clips() -> torch.Tensor:
    x = torch.randn(3, 5, HAND.num_joints, 3, generator=torch.Generator().manual_seed(1))
    x[..., 2] = 0.9
    x[0, 1, 3] = 0.0  # masked
    return x


@pytest.mark.parametrize("angle", [0.7, -2.0, math.pi])
def test_output_turns_and_grows_with_the_input(angle):
    model, x = make_model(), make_clips()
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    moved = (x[..., :2] @ turn * 2 + torch.tensor([0.3, 0.1])) * (x != 0).any(-1, keepdim=True)
    with torch.no_grad():
        straight, turned = model(x), model(torch.cat([moved, x[..., 2:]], -1))
    expected = 2 * torch.cat([straight[..., :2] @ turn, straight[..., 2:]], -1)
    torch.testing.assert_close(turned, expected, atol=2e-5, rtol=1e-4)
    assert not torch.allclose(turned, straight, atol=0.1)


def test_the_second_joint_stands_above_the_first():
    x = make_clips()
    seen = (x != 0).any(-1, keepdim=True)
    turn, size, middle = upright_view(x[..., :2], seen, UPRIGHT)
    view = (x[..., :2] @ turn - middle) / size
    way = (view[:, :, UPRIGHT[1]] - view[:, :, UPRIGHT[0]]).mean(1)
    assert (way[:, 0].abs() < 1e-5).all() and (way[:, 1] < 0).all()
    torch.testing.assert_close(torch.linalg.det(turn), torch.ones(3, 1))


@pytest.mark.parametrize("x", [torch.zeros(2, 3, HAND.num_joints, 3), torch.ones(2, 3, HAND.num_joints, 3)])
def test_nothing_seen_and_all_in_one_point_stay_finite(x):
    assert torch.isfinite(make_model()(x)).all()


@pytest.mark.parametrize(
    ("joints", "message"), [("[Wrist]", "upright"), ("[Wrist, Elbow]", "'Elbow' is no joint of Hand-21")]
)
def test_wrong_joints_are_refused_in_the_config(tmp_path, joints, message):
    config = tmp_path / "hand.yaml"
    config.write_text(f"task: hand\nreader: worker_hands\njoint_format: Hand-21\nupright: {joints}\n")
    with pytest.raises(UserError, match=message):
        load_config(config)
