"""Building blocks of the tasks: standing, walking, turning, reaching with one or both hands, holding.

Places are given in the base frame (x forward, y up, z right, mm); heights often as fractions of stature.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lib.data.worker.kinematics import SIDE_SIGN, SIDES
from lib.data.worker.postures import reach_posture
from lib.data.worker.script import Script

Point = tuple[float, float, float]

AREA_MM = 1600.0  # walkers turn back towards the middle beyond this radius
# fingers point down when the target is low, forward at the chest, up overhead: height / stature -> degrees
_PITCH_AT = ((0.0, 0.15, 0.3, 0.6, 0.8, 1.0, 1.25), (10.0, 18.0, 35.0, 72.0, 88.0, 118.0, 160.0))
REST = {"both_ik": 0.0, "both_grip": 0.25, "both_pinch": 0.0, "both_twist": 0.0}
FACING = {"yaw": 0.0, "trunk_rotation": 0.0, "trunk_lateral": 0.0, "right": 0.0}


def upright(script: Script) -> dict[str, float]:
    """Standing straight over the feet, arms hanging."""
    subject = script.subject
    posture = reach_posture(subject, 200.0, 0.6 * subject.stature_mm, stretch=1.5)
    return {**posture, **FACING, **REST, "gaze": 0.35, "gaze_x": 3000.0, "gaze_y": 1350.0, "gaze_z": 0.0}


def stand(script: Script, width: float | None = None, stagger: float | None = None) -> None:
    """Feet beside each other, or one before the other by ``stagger`` mm; the person stands upright."""
    subject = script.subject
    width = (width or script.uniform(0.11, 0.2)) * subject.stature_mm * subject.habit["stance_width"]
    ahead = stagger if stagger is not None else script.rng.normal(0.0, 25.0)
    for side in SIDES:
        sign = SIDE_SIGN[side]
        toe_out = subject.habit["toe_out"] + script.uniform(-3, 9)
        script.feet.place(side, -0.5 * sign * ahead, 0.5 * sign * width, -sign * toe_out)
    script.set(**upright(script))


def look_at(point: Point, weight: float = 0.9) -> dict[str, float]:
    """Gaze channels for a point."""
    return {"gaze": weight, "gaze_x": point[0], "gaze_y": point[1], "gaze_z": point[2]}


def hand_at(script: Script, side: str, point: Point, **changes: float) -> dict[str, float]:
    """Channels that bring one grip centre to a point, fingers turned as suits the height and direction.

    ``changes`` to pitch, roll, inward, grip and so on replace or, as ``inward``, add to what is chosen.
    """
    x, y, z = point
    pitch = float(np.interp(y / script.subject.stature_mm, *_PITCH_AT))
    towards = float(np.clip(-np.degrees(np.arctan2(z, max(x, 150.0))), -60, 60)) * SIDE_SIGN[side]
    channels = {"ik": 1.0, "x": x, "y": y, "z": z, "pitch": pitch, "roll": 15.0, "grip": 0.4, "pinch": 0.0}
    channels |= changes
    channels["inward"] = 0.6 * towards + changes.get("inward", 8.0)
    return {f"{side}_{name}": value for name, value in channels.items()}


def body_towards(
    script: Script,
    points: Mapping[str, Point],
    squat: float = 0.15,
    stretch: float = 0.88,
    load: float = 0.0,
    lean: float = 0.0,
) -> dict[str, float]:
    """Posture that brings the hands' targets within reach: trunk and hips turned to their middle and bent.

    lean: trunk flexion in degrees on top, the hips going back for it (a head bowed over the work).
    """
    x, y, z = np.mean(list(points.values()), axis=0)
    turn = float(np.clip(-np.degrees(np.arctan2(z, x)), -115, 115))
    aside = 0.5 * abs(points["right"][2] - points["left"][2]) if len(points) == 2 else 0.0
    posture = reach_posture(script.subject, float(np.hypot(x, z)), float(y), squat, aside, stretch, load)
    if len(points) == 1:  # the shoulder of the reaching arm comes forward
        turn += 14.0 * (1.0 if "right" in points else -1.0)
    towards = np.radians(0.55 * turn)
    forward = posture["forward"] - 2.0 * lean
    posture["trunk_flexion"] += lean
    return {
        **posture,
        "forward": forward * float(np.cos(towards)),
        "right": -forward * float(np.sin(towards)) * 0.8,
        "yaw": 0.35 * turn,
        "trunk_rotation": float(np.clip(0.45 * turn, -40, 40)),
        "trunk_lateral": -0.04 * turn,
    }


def box_between(half_width: float, ahead: float, height: float, aside: float = 0.0) -> dict[str, Point]:
    """Grip points of both hands on the sides of a box whose middle is at (ahead, height, aside)."""
    turn = np.arctan2(aside, ahead)  # the box faces the person
    across = np.array([-np.sin(turn), 0.0, np.cos(turn)]) * half_width
    middle = np.array([ahead, height, aside])
    return {side: tuple((middle + SIDE_SIGN[side] * across).tolist()) for side in SIDES}


def both_hands(script: Script, points: Mapping[str, Point], **changes: float) -> dict[str, float]:
    """``hand_at`` for each hand of a mapping side -> point."""
    out: dict[str, float] = {}
    for side, point in points.items():
        out |= hand_at(script, side, point, **changes)
    return out


def middle_of(points: Mapping[str, Point]) -> Point:
    """Mean of the points."""
    x, y, z = np.mean(list(points.values()), axis=0)
    return float(x), float(y), float(z)


def belly_mm(script: Script) -> float:
    """How far the front of the belly stands before the hips."""
    return 125.0 * float(script.subject.scale["abdomen"][0])


def hold_box(script: Script, half_depth: float, half_width: float) -> dict[str, float]:
    """A box held close before the belly with bent elbows, standing upright."""
    ahead = belly_mm(script) + half_depth + script.uniform(30, 70)
    points = box_between(half_width, ahead, script.subject.stature_mm * script.uniform(0.55, 0.63))
    posture = body_towards(script, points, load=0.1, stretch=1.2)
    posture |= {"trunk_flexion": posture["trunk_flexion"] - script.uniform(1, 6)}
    return {**posture, **both_hands(script, points, pitch=script.uniform(62, 88), roll=0.0, grip=0.5)}


def walk_about(script: Script, speed: float, backward: bool = False) -> None:
    """Footsteps for the whole clip along a wandering path that stays in the area.

    speed in stature lengths per second (free walking: 0.7 to 0.85).
    """
    subject, rng = script.subject, script.rng
    stature = subject.stature_mm
    step_s = float(np.clip(0.53 * (0.75 / speed) ** 0.45 / subject.habit["tempo"] ** 0.3, 0.45, 0.95))
    length = speed * stature * step_s * (-1.0 if backward else 1.0)
    width = 0.5 * 0.055 * stature * subject.habit["stance_width"]
    yaw, x, z = script.uniform(0, 360), script.uniform(-900, 900), script.uniform(-900, 900)
    time, side, turn = -2.0 - script.uniform(0, 1), SIDES[rng.integers(2)], 0.0
    brisk = abs(length) / (0.4 * stature)

    def foot_place(side: str, ahead: float) -> tuple[tuple[float, float], float]:
        heading, out = np.radians(yaw), SIDE_SIGN[side] * width
        place = (
            float(x + ahead * np.cos(heading) + out * np.sin(heading)),
            float(z - ahead * np.sin(heading) + out * np.cos(heading)),
        )
        return place, yaw - SIDE_SIGN[side] * 0.8 * subject.habit["toe_out"]

    for foot in SIDES:
        place, foot_yaw = foot_place(foot, 0.0)
        script.feet.place(foot, *place, foot_yaw)
    while time < script.duration_s + 2.0:
        home = np.degrees(np.arctan2(z, -x)) + (180.0 if backward else 0.0)  # yaw that leads to the middle
        off = (home - yaw + 180.0) % 360.0 - 180.0
        if np.hypot(x, z) > AREA_MM and abs(off) > 25.0:
            turn = 0.6 * turn + 0.4 * np.sign(off) * 24.0
        else:
            turn = 0.75 * turn + rng.normal(0.0, 3.0)
        yaw += turn
        travel = length * (1.0 - 0.012 * abs(turn))
        x += travel * np.cos(np.radians(yaw))
        z -= travel * np.sin(np.radians(yaw))
        place, foot_yaw = foot_place(side, 0.5 * travel)
        script.feet.step(
            side,
            time,
            0.8 * step_s,
            place,
            foot_yaw,
            heel_rise_deg=12.0 if backward else 22.0 + 32.0 * brisk,
            heel_strike_deg=-8.0 if backward else 18.0 * min(1.2, brisk),
            lift_mm=25.0,
        )
        time += step_s
        side = SIDES[1 - SIDES.index(side)]


def turn_in_place(script: Script, angle_deg: float, seconds: float, **channels: float) -> None:
    """Turn on the spot with small steps, to the left if positive, moving to other channels meanwhile."""
    count = 2 * max(1, round(abs(angle_deg) / 55.0))
    first = 0 if angle_deg > 0 else 1  # the foot on the inside of the turn opens it
    step_s = seconds / count
    stands = {side: script.feet.last(side) for side in SIDES}
    middle = np.mean([place for place, _ in stands.values()], axis=0)
    start = script.now
    for number in range(count):
        side = SIDES[(first + number) % 2]
        share = (number // 2 + 1) / (count // 2)
        angle = np.radians(angle_deg * share)
        (x, z), yaw = stands[side]
        dx, dz = x - middle[0], z - middle[1]
        place = (
            float(middle[0] + dx * np.cos(angle) + dz * np.sin(angle)),
            float(middle[1] - dx * np.sin(angle) + dz * np.cos(angle)),
        )
        script.feet.step(
            side, start + number * step_s, 0.85 * step_s, place, yaw + angle_deg * share, 18.0, 0.0, 40.0
        )
    script.to(seconds, **channels)


def lift_cycles(script: Script, squat: float, severity: float) -> None:
    """Pick up a box from low down, stand up with it, perhaps turn, set it down, straighten; repeat."""
    subject = script.subject
    stand(script)
    half_width, half_depth = script.uniform(130, 260), script.uniform(90, 190)
    low = subject.stature_mm * script.uniform(0.07, 0.3 - 0.1 * severity)
    ahead = script.uniform(170, 250) + half_depth + 60.0 * squat
    load = script.uniform(0.03, 0.2)
    tempo = subject.habit["tempo"] * script.uniform(0.85, 1.25)
    points = box_between(half_width, ahead, low)
    script.set(**look_at((ahead + 600, 300, 0), 0.5))
    script.hold(script.uniform(0.0, 0.8))
    while not script.done:
        pitch = 18.0 + 25.0 * squat + script.uniform(0, 10)
        down = {
            **body_towards(script, points, squat, 0.93),
            **both_hands(script, points, pitch=pitch, roll=0.0, grip=0.2),
            **look_at((ahead, low, 0)),
        }
        loaded = {**down, **body_towards(script, points, squat, 0.93, load), "both_grip": 0.55}
        held = {**hold_box(script, half_depth, half_width), **look_at((1200, 800, 0), 0.6)}
        script.to(script.uniform(1.2, 1.7) / tempo, **down)
        script.to(script.uniform(0.3, 0.6), **loaded)
        script.to(script.uniform(1.2, 1.8) / tempo, arc={"both_x": 50.0}, **held)
        if script.rng.random() < 0.5:
            angle = script.uniform(40, 120) * script.rng.choice([-1.0, 1.0])
            turn_in_place(script, angle, abs(angle) / 50.0 + 0.4)
        else:
            script.hold(script.uniform(0.3, 1.2))
        script.to(script.uniform(1.3, 1.9) / tempo, arc={"both_x": 50.0}, **loaded)
        script.to(0.4, **{**down, "both_grip": 0.15})
        script.to(script.uniform(1.1, 1.6) / tempo, **upright(script))
        script.hold(script.uniform(0.2, 1.0))
