"""The tasks of industrial work that the worker knows, each a function that writes the keyframes of one clip.

severity 0..1 makes a task more demanding: lower, higher, farther or heavier.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lib.data.worker import floor_tasks, hand_tasks
from lib.data.worker.movements import (
    body_towards,
    both_hands,
    box_between,
    hold_box,
    lift_cycles,
    look_at,
    middle_of,
    stand,
    upright,
    walk_about,
)
from lib.data.worker.script import Script
from lib.registry import Registry

Task = Callable[[Script, float], None]
TASKS: Registry[Task] = Registry("worker task")

# held out of training and validation altogether
TEST_TASKS = ("squat_lift", "place_on_shelf", "pull", "twist")


def split_tasks(split: str) -> tuple[str, ...]:
    """Names of the tasks of a split; those of test stand in no other split."""
    return tuple(name for name in TASKS.names() if (name in TEST_TASKS) == (split == "test"))


@TASKS.register("walk")
def walk(script: Script, severity: float) -> None:
    """Walk about, arms swinging."""
    walk_about(script, script.uniform(0.5, 0.86))
    script.set(**upright(script))
    script.set(gaze=0.3, gaze_x=4000.0, gaze_y=script.uniform(700, 1500), gaze_z=script.uniform(-800, 800))


@TASKS.register("stoop_lift")
def stoop_lift(script: Script, severity: float) -> None:
    """Lift a box from near the floor with nearly straight legs, and set it down again."""
    lift_cycles(script, script.uniform(0.0, 0.3), severity)


@TASKS.register("squat_lift")
def squat_lift(script: Script, severity: float) -> None:
    """Lift a box from near the floor with bent knees, and set it down again."""
    lift_cycles(script, script.uniform(0.65, 1.0), severity)


@TASKS.register("carry")
def carry(script: Script, severity: float) -> None:
    """Walk with a box in both arms, or with a bag in one hand."""
    walk_about(script, script.uniform(0.45, 0.75))
    script.set(**upright(script))
    if script.rng.random() < 0.7:
        script.set(**hold_box(script, script.uniform(90, 200), script.uniform(120, 260)))
    else:
        # the load pulls one shoulder down, the trunk leans to the other side
        script.set(right_swing=0.25, right_arm_abduction=14.0, right_grip=0.85, right_elbow=8.0)
        script.set(trunk_lateral=-script.uniform(2, 7 + 5 * severity), left_arm_abduction=16.0)
    script.set(gaze=0.4, gaze_x=3500.0, gaze_y=script.uniform(400, 1400))


@TASKS.register("place_on_shelf")
def place_on_shelf(script: Script, severity: float) -> None:
    """Lift a box from the waist onto a shelf at chest to above head height, and take it down."""
    subject = script.subject
    stand(script, stagger=script.uniform(-160, 160))
    half_width, half_depth = script.uniform(120, 220), script.uniform(80, 150)
    shelf = subject.stature_mm * script.uniform(0.72, 0.92 + 0.16 * severity)
    ahead = 150.0 + half_depth + script.uniform(140, 260)
    tempo = subject.habit["tempo"] * script.uniform(0.85, 1.2)
    before, on_shelf = box_between(half_width, ahead - 130, shelf + 30), box_between(half_width, ahead, shelf)
    script.set(**hold_box(script, half_depth, half_width), **look_at((ahead, shelf, 0), 0.7))
    script.hold(script.uniform(0.1, 0.6))
    while not script.done:
        placed = {
            **body_towards(script, on_shelf, 0.1, 0.93),
            **both_hands(script, on_shelf, roll=-10.0, grip=0.5),
            **look_at((ahead, shelf, 0)),
        }
        lifted = {
            **body_towards(script, before, 0.1, 0.95, 0.1),
            **both_hands(script, before, roll=-5.0, grip=0.5),
            **look_at((ahead, shelf, 0)),
        }
        held = {**hold_box(script, half_depth, half_width), **look_at((ahead, shelf, 0), 0.6)}
        script.to(script.uniform(1.0, 1.5) / tempo, arc={"both_x": 70.0}, **lifted)
        script.to(script.uniform(0.5, 0.8) / tempo, **placed)
        script.to(0.35, both_grip=0.15)
        if script.rng.random() < 0.5:
            script.to(script.uniform(0.9, 1.3), arc={"both_x": -60.0}, **upright(script))
            script.hold(script.uniform(0.3, 1.0))
            script.to(script.uniform(0.9, 1.3), arc={"both_x": -60.0}, **placed)
        script.to(script.uniform(0.5, 0.8) / tempo, **lifted)
        script.to(script.uniform(1.0, 1.5) / tempo, arc={"both_x": 70.0}, **held)
        script.hold(script.uniform(0.2, 0.9))


@TASKS.register("reach_overhead")
def reach_overhead(script: Script, severity: float) -> None:
    """Work above the head with one or both hands: reach up, handle something, come down, shift."""
    subject = script.subject
    stand(script, stagger=script.uniform(-200, 200))
    script.hold(script.uniform(0.0, 0.6))
    while not script.done:
        height = subject.stature_mm * script.uniform(1.02, 1.13 + 0.05 * severity)
        ahead, aside = script.uniform(150, 360), script.uniform(-180, 180)
        two = script.rng.random() < 0.6
        points = box_between(script.uniform(60, 200), ahead, height, aside)
        if not two:
            points = {"right": (ahead, height, aside + 100.0)}
        shape = {
            "roll": script.uniform(-20, 60),
            "pinch": script.uniform(0, 0.8),
            "grip": script.uniform(0.3, 0.7),
        }
        up = {
            **body_towards(script, points, 0.1, 0.93),
            **both_hands(script, points, **shape),
            **look_at(middle_of(points)),
            "both_elbow_out": script.uniform(0.0, 0.7),
        }
        script.to(script.uniform(0.9, 1.4), **up)
        for _ in range(script.rng.integers(2, 5)):
            nudge = {
                f"{side}_{axis}": up[f"{side}_{axis}"] + script.uniform(-60, 60)
                for side in points
                for axis in "xyz"
            }
            script.to(script.uniform(0.5, 1.1), **nudge, right_twist=script.uniform(-35, 35))
        script.to(script.uniform(0.9, 1.4), **upright(script))
        script.hold(script.uniform(0.2, 1.2))


@TASKS.register("push")
def push(script: Script, severity: float) -> None:
    """Push a cart while walking, or push a heavy object from a staggered stand."""
    _push_or_pull(script, severity, 1.0)


@TASKS.register("pull")
def pull(script: Script, severity: float) -> None:
    """Pull a cart walking backward, or pull a heavy object from a staggered stand."""
    _push_or_pull(script, severity, -1.0)


def _push_or_pull(script: Script, severity: float, direction: float) -> None:
    subject = script.subject
    arm = subject.length("elbow") + subject.length("wrist")
    height = subject.stature_mm * script.uniform(0.52, 0.72)
    half_width = script.uniform(150, 270)
    lean = script.uniform(6, 14 + 10 * severity) if direction > 0 else -script.uniform(2, 6 + 4 * severity)
    if script.rng.random() < 0.6:
        walk_about(script, script.uniform(0.3, 0.55), backward=direction < 0)
        script.set(**upright(script))
        ahead = (0.74 if direction > 0 else 0.86) * arm + 4.0 * lean + script.uniform(-30, 30)
        points = box_between(half_width, ahead, height)
        script.set(**both_hands(script, points, pitch=80.0, roll=script.uniform(30, 75), grip=0.65))
        script.set(
            forward=2.0 * lean, tilt=0.55 * lean + 3.0, trunk_flexion=0.6 * lean, gaze=0.4, gaze_y=1100.0
        )
        return
    stand(script, width=0.13, stagger=script.uniform(260, 420))
    script.set(gaze=0.4, gaze_y=1000.0)
    while not script.done:
        near, far = script.uniform(0.5, 0.62) * arm, script.uniform(0.9, 0.98) * arm
        start, end = (near, far) if direction > 0 else (far, near)
        for ahead, effort, seconds in (
            (start, 0.6, 1.0),
            (start, 1.0, 0.4),
            (end, 1.3, script.uniform(1.2, 2.2)),
        ):
            # the base lies between the feet; effort leans the body and moves the hips over one foot
            points = box_between(half_width, ahead + 5.0 * lean * effort, height)
            script.to(
                seconds,
                **both_hands(script, points, pitch=82.0, roll=script.uniform(35, 70), grip=0.6),
                forward=4.5 * lean * effort,
                height=0.53 * subject.stature_mm - script.uniform(20, 60),
                tilt=0.6 * lean * effort + 3.0,
                trunk_flexion=0.7 * lean * effort,
                **look_at((ahead + 800, height, 0), 0.5),
            )
        script.hold(script.uniform(0.2, 0.6))


@TASKS.register("twist")
def twist(script: Script, severity: float) -> None:
    """Move things from one side of the body to the other with the feet planted."""
    subject = script.subject
    stand(script, width=script.uniform(0.16, 0.24))
    half_width = script.uniform(70, 190)
    tempo = subject.habit["tempo"] * script.uniform(0.85, 1.2)
    places = []
    for sign in (-1.0, 1.0):
        angle = np.radians(script.uniform(45, 65 + 25 * severity))
        radius, height = script.uniform(360, 480), subject.stature_mm * script.uniform(0.42, 0.68)
        places.append(box_between(half_width, radius * np.cos(angle), height, sign * radius * np.sin(angle)))
    side = int(script.rng.integers(2))
    script.hold(script.uniform(0.0, 0.4))
    while not script.done:
        for number in (side, 1 - side):
            points = places[number]
            pose = {
                **body_towards(script, points, 0.15, 0.9, 0.05),
                **both_hands(script, points, roll=0.0, grip=0.5),
                **look_at(middle_of(points)),
            }
            # the way between the two places leads around the belly
            script.to(script.uniform(1.0, 1.6) / tempo, arc={"both_x": 130.0}, **pose)
            script.hold(script.uniform(0.2, 0.5))
        if script.rng.random() < 0.5:
            script.to(script.uniform(0.9, 1.4), **upright(script))
            script.hold(script.uniform(0.1, 0.6))
        side = 1 - side


TASKS.register("kneel")(floor_tasks.kneel)
TASKS.register("sit")(floor_tasks.sit)
TASKS.register("bench_work")(hand_tasks.bench_work)
TASKS.register("screwing")(hand_tasks.screwing)
TASKS.register("hand_grasps")(hand_tasks.hand_grasps)
