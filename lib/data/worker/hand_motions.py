"""What hands do: grasps, gestures and free movement, each a function that writes the keyframes of one clip."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lib.data.worker.hand_script import HandScript
from lib.data.worker.kinematics import FINGERS
from lib.registry import Registry

HandTask = Callable[[HandScript], None]
HAND_TASKS: Registry[HandTask] = Registry("hand task")

# held out of training and validation; these stand in every split, as free movement holds everything
TEST_HAND_TASKS = ("lateral_grasp", "tripod_grasp", "gestures", "finger_taps")
EVERY_SPLIT = ("free_fingers", "turn_forearm")
_NUMBERS = (
    ("fist", "point", "two", "three", "four", "open"),
    ("fist_thumb_beside", "thumb_up", "point_thumb_out", "three_thumb", "four", "open"),
    ("open", "four", "three", "two", "point", "fist"),
    ("fist", "little_finger", "horns", "three", "four", "spread"),
)


def split_hand_tasks(split: str) -> tuple[str, ...]:
    """Names of the hand tasks of a split: those of test stand in no other split, but for ``EVERY_SPLIT``."""
    return tuple(
        name
        for name in HAND_TASKS.names()
        if name in EVERY_SPLIT or (name in TEST_HAND_TASKS) == (split == "test")
    )


def _wander(script: HandScript, seconds: float, wide: float = 1.0) -> None:
    """Somewhere else with wrist and forearm meanwhile; does not take time of its own."""
    if script.rng.random() < 0.6:
        bend, tilt = script.rng.normal([-12.0, 0.0], [26.0 * wide, 11.0 * wide])
        script.part("wrist", script.now, seconds, (bend, tilt))
    if script.rng.random() < 0.5:
        script.part("forearm", script.now, seconds, (script.uniform(-80, 80) * wide,))


def _grasp(script: HandScript, before: tuple[str, ...], shapes: tuple[str, ...]) -> None:
    """Open, close on something, carry or work with it, let go, over and over."""
    script.shape(0.5, script.choose(*before))
    while not script.done:
        _wander(script, script.uniform(0.5, 1.2))
        script.shape(script.uniform(0.35, 0.8), script.choose(*before))
        script.hold(script.uniform(0.0, 0.3))
        held = script.draw(script.choose(*shapes))
        script.move(script.uniform(0.25, 0.7), held, lag_s=0.04)
        for _ in range(script.rng.integers(0, 4)):
            _wander(script, script.uniform(0.3, 1.0), 0.8)
            # what is held gives way a little: all fingers together
            squeeze = script.uniform(-5.0, 6.0)
            script.move(
                script.uniform(0.25, 0.8),
                {finger: held[finger] + squeeze * (np.abs(held[finger]) > 15.0) for finger in FINGERS},
                lag_s=0.02,
            )
        script.hold(script.uniform(0.1, 1.0))


@HAND_TASKS.register("power_grasp")
def power_grasp(script: HandScript) -> None:
    """Take handles, bars, balls and tools with the whole hand."""
    shapes = ("power_thin", "power_thick", "power_ball", "power_diagonal", "fist")
    _grasp(script, ("open", "spread", "relaxed", "claw"), shapes)


@HAND_TASKS.register("pinch_grasp")
def pinch_grasp(script: HandScript) -> None:
    """Take small and flat things between thumb and fingertips."""
    _grasp(script, ("relaxed", "open", "pinch_flat"), ("pinch", "pinch_ring", "pinch_flat", "pinch_closed"))


@HAND_TASKS.register("lateral_grasp")
def lateral_grasp(script: HandScript) -> None:
    """Hold keys and sheets between the thumb and the side of the index finger."""
    _grasp(script, ("relaxed", "fist_thumb_beside", "curled"), ("lateral",))


@HAND_TASKS.register("hook_grasp")
def hook_grasp(script: HandScript) -> None:
    """Carry by bent fingers, the thumb out of the way."""
    _grasp(script, ("open", "relaxed", "flat"), ("hook", "hook_deep", "claw"))


@HAND_TASKS.register("tripod_grasp")
def tripod_grasp(script: HandScript) -> None:
    """Hold a pen or a small part between thumb and two or all fingers, and move it by the fingers."""
    script.shape(0.3, "relaxed")
    while not script.done:
        held = script.draw(script.choose("tripod", "tripod", "five_tips", "pinch_closed"))
        script.move(script.uniform(0.3, 0.7), held, lag_s=0.03)
        _wander(script, script.uniform(0.5, 1.0), 0.7)
        for _ in range(script.rng.integers(4, 14)):
            stroke = {}
            for finger in ("thumb", "index", "middle"):
                amount = script.uniform(-9.0, 9.0)
                off = [amount, 0, 0, -0.8 * amount, 0] if finger == "thumb" else [amount, 0, -1.4 * amount, 0]
                stroke[finger] = held[finger] + np.array(off)
            script.move(script.uniform(0.12, 0.3), stroke, lag_s=0.0)
        if script.rng.random() < 0.5:
            script.shape(script.uniform(0.3, 0.7), script.choose("relaxed", "open", "curled"))


@HAND_TASKS.register("free_fingers")
def free_fingers(script: HandScript) -> None:
    """Every finger by itself, anywhere in its range."""
    script.shape(0.3, script.choose(*script.takes))
    busy = script.uniform(0.25, 0.9)
    while not script.done:
        for finger in FINGERS:
            if script.rng.random() < busy:
                seconds = script.uniform(0.2, 0.9)
                script.part(
                    finger, script.now + script.uniform(0, 0.4), seconds, free_finger(script.rng, finger)
                )
        _wander(script, script.uniform(0.5, 1.2))
        script.hold(script.uniform(0.4, 1.0))


def free_finger(rng: np.random.Generator, finger: str) -> np.ndarray:
    """Channels of one finger drawn over its range: knuckle and middle joint apart, more often together."""
    if finger == "thumb":
        low, high = [-18, -40, -12, -10, -20], [44, 8, 55, 45, 60]
        across = rng.random()  # metacarpal flexion and rotation belong to the same movement across the palm
        return np.array(low) + (np.array(high) - low) * (
            0.6 * np.array([across, rng.random(), across, rng.random(), rng.random()]) + 0.4 * rng.random(5)
        )
    curl = rng.random()
    knuckle = -12.0 + 100.0 * (curl if rng.random() < 0.5 else rng.random())
    middle = 108.0 * (curl if rng.random() < 0.5 else rng.random()) ** 1.2
    return np.array([knuckle, rng.normal(0.0, 9.0), middle, rng.normal(0.0, 5.0)])


@HAND_TASKS.register("counting")
def counting(script: HandScript) -> None:
    """Count up and down on the fingers, in several customs."""
    script.shape(0.3, "fist")
    while not script.done:
        numbers = list(_NUMBERS[script.rng.integers(len(_NUMBERS))])
        if script.rng.random() < 0.3:
            script.rng.shuffle(numbers)
        for name in numbers:
            script.shape(script.uniform(0.2, 0.5), name)
            script.hold(script.uniform(0.1, 0.7))
        _wander(script, 0.8, 0.6)


@HAND_TASKS.register("gestures")
def gestures(script: HandScript) -> None:
    """Signs of the hand, one after the other."""
    signs = (
        *("point", "point_thumb_out", "thumb_up", "two", "two_together", "pinch_ring", "horns", "telephone"),
        *("flat", "fist", "open", "spread", "scissors", "claw", "tabletop", "little_finger", "five_tips"),
    )
    script.shape(0.3, script.choose(*signs))
    while not script.done:
        script.shape(script.uniform(0.25, 0.7), script.choose(*signs))
        _wander(script, script.uniform(0.4, 1.0), 0.8)
        script.hold(script.uniform(0.2, 1.0))


@HAND_TASKS.register("any_shape")
def any_shape(script: HandScript) -> None:
    """Mixtures of all shapes, finger by finger: what falls between grasps and signs."""
    names = tuple(script.takes)
    script.shape(0.3, script.choose(*names))
    while not script.done:
        one, other = (script.draw(script.choose(*names)) for _ in range(2))
        share = script.uniform(0.0, 1.0)
        apart = script.rng.random() < 0.5
        mixed = {
            finger: one[finger] + (script.uniform(0, 1) if apart else share) * (other[finger] - one[finger])
            for finger in FINGERS
        }
        _wander(script, script.uniform(0.5, 1.2))
        script.move(script.uniform(0.3, 1.0), mixed, lag_s=0.15)
        script.hold(script.uniform(0.0, 0.5))


@HAND_TASKS.register("open_close")
def open_close(script: HandScript) -> None:
    """Open and close the hand again and again, as to show or to stretch it; slowly, or as fast as it goes."""
    script.shape(0.3, "open")
    pace = script.uniform(0.22, 1.0)
    while not script.done:
        script.shape(pace, script.choose("fist", "fist", "fist_thumb_beside", "hook", "tabletop", "curled"))
        script.hold(script.uniform(0.0, 0.3))
        script.shape(pace, script.choose("open", "spread", "flat", "relaxed"))
        script.hold(script.uniform(0.0, 0.3))
        if script.rng.random() < 0.3:
            _wander(script, 0.8)


@HAND_TASKS.register("finger_waves")
def finger_waves(script: HandScript) -> None:
    """One finger after the other closes and opens, and the thumb goes to each tip."""
    script.shape(0.3, "open")
    touches = {"index": "pinch_ring", "middle": "touch_middle", "ring": "touch_ring", "pinky": "touch_pinky"}
    while not script.done:
        order = FINGERS[1:] if script.rng.random() < 0.6 else FINGERS[:0:-1]
        step = script.uniform(0.08, 0.4)
        if script.rng.random() < 0.5:
            for finger in order:
                script.shape(step + 0.2, touches[finger])
                script.hold(step)
        else:
            for name in script.rng.permutation(["fist", "open"]):
                for number, (finger, values) in enumerate(script.draw(str(name)).items()):
                    place = number if finger == "thumb" else order.index(finger) + 1
                    script.part(finger, script.now + step * place, script.uniform(0.25, 0.5), values)
                script.hold(step * 5 + 0.4)
        _wander(script, 1.0, 0.6)


@HAND_TASKS.register("finger_taps")
def finger_taps(script: HandScript) -> None:
    """Type, tap and press with single fingers of a bent hand."""
    rest = script.draw(script.choose("typing", "typing", "relaxed", "flat"))
    script.move(0.3, rest)
    script.part("wrist", 0.0, 0.3, (script.uniform(-35, 5), script.uniform(-15, 8)))
    while not script.done:
        finger = FINGERS[script.rng.integers(5)]
        lift, press = script.uniform(6, 22), script.uniform(4, 16)
        first = 0 if finger != "thumb" else 3
        for amount in (-lift, press, 0.0):
            values = rest[finger].copy()
            values[first] += amount
            script.part(finger, script.now, script.uniform(0.08, 0.16), values)
            script.hold(script.uniform(0.05, 0.13))
        if script.rng.random() < 0.1:
            _wander(script, 0.8, 0.4)


@HAND_TASKS.register("wave")
def wave(script: HandScript) -> None:
    """Wave the open hand, from the wrist or the forearm."""
    script.shape(0.3, script.choose("open", "flat", "spread", "relaxed"))
    while not script.done:
        pace, wide = script.uniform(0.14, 0.4), script.uniform(0.4, 1.0)
        part = script.choose("wrist", "wrist", "forearm", "fingers")
        sideways = script.rng.random() < 0.6
        for turn in range(script.rng.integers(4, 12)):
            sign = (1.0 if turn % 2 else -1.0) * wide
            if part == "wrist":
                script.move(pace, {"wrist": (0.0, 22.0 * sign) if sideways else (50.0 * sign, 0.0)}, 0.01)
            elif part == "forearm":
                script.move(pace, {"forearm": (55.0 * sign,)}, 0.01)
            else:
                script.shape(pace, "tabletop" if sign > 0 else "flat")
        script.shape(script.uniform(0.3, 0.6), script.choose("open", "flat", "relaxed", "spread"))


@HAND_TASKS.register("turn_forearm")
def turn_forearm(script: HandScript) -> None:
    """Turn the forearm over its whole range with a kept shape: show both sides, screw, pour."""
    names = (
        "open",
        "flat",
        "fist",
        "relaxed",
        "power_thick",
        "pinch",
        "lateral",
        "tripod",
        "point",
        "spread",
    )
    script.shape(0.3, script.choose(*names))
    script.part("forearm", 0.0, 0.3, (script.uniform(-80, 80),))
    while not script.done:
        if script.rng.random() < 0.3:
            script.shape(script.uniform(0.3, 0.8), script.choose(*names))
        if script.rng.random() < 0.4:
            for turn in range(script.rng.integers(3, 8)):
                script.move(script.uniform(0.2, 0.45), {"forearm": (35.0 * (1 if turn % 2 else -1),)}, 0.02)
        else:
            script.move(script.uniform(0.4, 1.5), {"forearm": (script.uniform(-84, 84),)}, 0.02)
        if script.rng.random() < 0.5:
            script.part(
                "wrist", script.now, script.uniform(0.3, 0.8), tuple(script.rng.normal(0.0, [32.0, 12.0]))
            )


@HAND_TASKS.register("rest")
def rest(script: HandScript) -> None:
    """A hand at rest that fidgets."""
    script.shape(0.3, script.choose("relaxed", "curled", "flat", "power_thick"))
    while not script.done:
        kept = script.draw(script.choose("relaxed", "relaxed", "curled"))
        some = [finger for finger in FINGERS if script.rng.random() < 0.4]
        script.move(script.uniform(0.4, 1.2), {finger: kept[finger] for finger in some})
        _wander(script, script.uniform(0.6, 1.5), 0.5)
        script.hold(script.uniform(0.2, 1.5))
