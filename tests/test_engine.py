"""Order, schedule, averaging and sharing-out are pure functions; a stop request is noted, not thrown."""

import os
import signal

import pytest
import torch
from torch import nn

from lib import engine
from lib.errors import UserError


def runtime(rank: int = 0, world_size: int = 1) -> engine.Runtime:
    return engine.Runtime(torch.device("cpu"), rank, world_size, "fp32")


def test_an_epoch_visits_every_clip_once_in_an_order_of_its_own():
    first = torch.cat(engine.epoch_batches(103, 10, seed=1, epoch=0))
    assert torch.equal(first.sort().values, torch.arange(103))
    assert torch.equal(first, torch.cat(engine.epoch_batches(103, 10, seed=1, epoch=0)))
    for other in ({"seed": 2, "epoch": 0}, {"seed": 1, "epoch": 1}, {"seed": 1, "epoch": 0, "stream": 1}):
        assert not torch.equal(first, torch.cat(engine.epoch_batches(103, 10, **other)))


def test_global_random_state_is_a_function_of_the_key():
    engine.seed_everything(3, 0, 17)
    first = torch.rand(4)
    torch.rand(100)
    engine.seed_everything(3, 0, 17)
    assert torch.equal(first, torch.rand(4))
    engine.seed_everything(3, 1, 17)
    assert not torch.equal(first, torch.rand(4))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16])
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_shares_of_a_batch_average_to_the_mean_of_the_batch(size, world_size):
    losses = torch.rand(size)
    total = 0.0
    for rank in range(world_size):
        part, share = runtime(rank, world_size).slice_of_batch(size)
        total += float(losses[part].mean()) * share
    assert total / world_size == pytest.approx(float(losses.mean()), rel=1e-6)


def test_exponential_rate_decays_once_an_epoch_after_warm_up():
    rate = engine.LearningRate(1e-3, "exponential", 0.9, 0.0, warmup_steps=4, total_steps=100)
    assert [rate.at(step, 0) for step in range(5)] == pytest.approx([2.5e-4, 5e-4, 7.5e-4, 1e-3, 1e-3])
    assert rate.at(50, 3) == pytest.approx(1e-3 * 0.9**3)


def test_cosine_rate_ends_at_its_minimum():
    rate = engine.LearningRate(1e-3, "cosine", 1.0, 1e-5, warmup_steps=0, total_steps=100)
    assert rate.at(0, 0) == pytest.approx(1e-3)
    assert rate.at(100, 9) == pytest.approx(1e-5)
    assert all(rate.at(step, 0) > rate.at(step + 1, 0) for step in range(99))


def test_averaged_weights_follow_and_swap_back():
    model = nn.Linear(3, 2)
    average = engine.AveragedWeights(model, decay=0.5)
    before = model.weight.detach().clone()
    with torch.no_grad():
        model.weight += 1
    average.update(model)
    own = model.weight.detach().clone()
    with average.swapped_into(model):
        assert torch.all(model.weight > before) and torch.all(model.weight < own)
    assert torch.equal(model.weight, own)


def test_a_device_that_is_not_there_is_a_users_mistake():
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(UserError, match="no CUDA GPU"):
        engine.start_runtime(device="cuda")


def test_sigterm_becomes_a_request():
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    try:
        stop = engine.StopRequest()
        assert not stop.agreed(runtime())
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.agreed(runtime()) and stop.name == "SIGTERM"
    finally:
        signal.signal(signal.SIGTERM, handlers[0])
        signal.signal(signal.SIGINT, handlers[1])
