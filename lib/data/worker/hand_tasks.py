"""Manual work in standing: bench work, screwing, grasping parts."""

from __future__ import annotations

from lib.data.worker.kinematics import SIDE_SIGN
from lib.data.worker.movements import (
    Point,
    body_towards,
    both_hands,
    hand_at,
    look_at,
    middle_of,
    stand,
    upright,
)
from lib.data.worker.script import Script


def _before_belly(script: Script, height: float) -> dict[str, Point]:
    """Both hands close to each other over the work, near the body."""
    ahead, aside = script.uniform(300, 420), script.uniform(-70, 70)
    return {
        side: (ahead + script.uniform(-40, 40), height + script.uniform(0, 60), aside + SIDE_SIGN[side] * gap)
        for side in ("left", "right")
        for gap in [script.uniform(45, 120)]
    }


def bench_work(script: Script, severity: float) -> None:
    """Assemble at a bench: both hands over the work piece, now and then one fetches a part from a bin."""
    subject = script.subject
    stand(script, stagger=script.rng.normal(0.0, 70.0))
    bench = subject.stature_mm * script.uniform(0.52 - 0.08 * severity, 0.6)
    lean = script.uniform(0, 14)
    start = _before_belly(script, bench)
    script.set(
        **body_towards(script, start, lean=lean),
        **both_hands(script, start, roll=45.0),
        **look_at(middle_of(start)),
    )
    while not script.done:
        points = _before_belly(script, bench)
        work = {
            **body_towards(script, points, stretch=0.8, lean=lean),
            **both_hands(script, points, roll=script.uniform(20, 80), pinch=script.uniform(0, 1), grip=0.45),
            **look_at(middle_of(points)),
        }
        script.to(script.uniform(0.5, 1.0), **work)
        for _ in range(script.rng.integers(1, 4)):
            script.to(
                script.uniform(0.3, 0.7),
                right_x=work["right_x"] + script.uniform(-45, 45),
                right_z=work["right_z"] + script.uniform(-45, 45),
                right_roll=script.uniform(0, 80),
                left_roll=script.uniform(0, 80),
                right_pinch=script.uniform(0, 1),
                left_pinch=script.uniform(0, 1),
            )
        if script.rng.random() < 0.55:
            _fetch(script, "right" if script.rng.random() < 0.7 else "left", bench, severity)


def _fetch(script: Script, side: str, bench: float, severity: float) -> None:
    """Reach to a bin aside, pinch a part, come back."""
    aside = SIDE_SIGN[side] * script.uniform(150, 420)
    point = (script.uniform(380, 520 + 80 * severity), bench + script.uniform(20, 330), aside)
    there = {
        **body_towards(script, {side: point}, stretch=0.93),
        **hand_at(script, side, point, roll=script.uniform(30, 80), pinch=0.2, grip=0.3),
        **look_at(point, 0.8),
    }
    script.to(script.uniform(0.7, 1.1), **there)
    script.to(0.3, **{f"{side}_pinch": 1.0})


def screwing(script: Script, severity: float) -> None:
    """One hand turns a screwdriver, the other steadies the part: at the bench, the chest or overhead."""
    subject = script.subject
    stand(script, stagger=script.uniform(-220, 220))
    low, high = ((0.5, 0.66), (0.66, 0.85), (0.98, 1.12))[script.rng.integers(3)]
    upward = low > 0.9
    lean = 0.0 if upward else script.uniform(0, 12)
    grip = {"grip": script.uniform(0.65, 0.9)}
    script.hold(script.uniform(0.0, 0.5))
    while not script.done:
        height = subject.stature_mm * script.uniform(low, high)
        ahead, aside = script.uniform(300, 430), script.uniform(-60, 160)
        tool = (ahead - (90.0 if upward else 0.0), height, aside)
        points = {"right": tool, "left": (tool[0] + 40.0, height + script.uniform(-40, 60), aside - 170.0)}
        at_screw = {
            **body_towards(script, points, stretch=0.86, lean=lean),
            **hand_at(
                script, "right", tool, roll=script.uniform(20, 50), inward=script.uniform(10, 30), **grip
            ),
            **hand_at(script, "left", points["left"], roll=40.0, pinch=0.6),
            **look_at(tool),
            "right_elbow_out": script.uniform(0.0, 0.5),
        }
        script.to(script.uniform(0.9, 1.3), **at_screw)
        quick = script.uniform(0.28, 0.5)
        for _ in range(script.rng.integers(3, 8)):
            script.to(quick, right_twist=-script.uniform(25, 45))
            script.to(quick * 1.1, right_twist=script.uniform(20, 35))
        script.to(0.4, right_twist=0.0)
        if script.rng.random() < 0.4:
            script.to(script.uniform(0.8, 1.2), **upright(script))
            script.hold(script.uniform(0.2, 0.8))


def hand_grasps(script: Script, severity: float) -> None:
    """Grasp, carry and release small things on a bench with many hand shapes and forearm turns."""
    subject = script.subject
    stand(script)
    bench = subject.stature_mm * script.uniform(0.5, 0.6)
    lean = script.uniform(0, 14)
    start = _before_belly(script, bench)
    script.set(
        **body_towards(script, start, lean=lean),
        **both_hands(script, start, roll=45.0),
        **look_at(middle_of(start)),
    )
    while not script.done:
        side = "right" if script.rng.random() < 0.65 else "left"
        power = script.rng.random() < 0.5
        closed = {"grip": script.uniform(0.55, 1.0), "pinch": 0.0} if power else {"grip": 0.4, "pinch": 1.0}
        shape = {f"{side}_{name}": value for name, value in closed.items()}
        roll = script.uniform(-60, 85)
        for phase in ("take", "put"):
            point = (
                script.uniform(300, 500),
                bench + script.uniform(0, 180),
                SIDE_SIGN[side] * script.uniform(-60, 330),
            )
            there = {
                **body_towards(script, {side: point}, stretch=0.9, lean=lean),
                **hand_at(script, side, point, roll=roll, pitch=script.uniform(45, 110)),
                **look_at(point, 0.8),
            }
            hand = {f"{side}_grip": 0.05, f"{side}_pinch": 0.0} if phase == "take" else shape
            script.to(script.uniform(0.6, 1.1), arc={f"{side}_y": 60.0}, **{**there, **hand})
            done = shape if phase == "take" else {f"{side}_grip": 0.1, f"{side}_pinch": 0.0}
            script.to(script.uniform(0.25, 0.5), **done)
            if script.rng.random() < 0.3:
                script.to(script.uniform(0.4, 0.8), **{f"{side}_twist": script.uniform(-50, 50)})
                script.to(script.uniform(0.4, 0.8), **{f"{side}_twist": 0.0})
            roll = script.uniform(-60, 85)
