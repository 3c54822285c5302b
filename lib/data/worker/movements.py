"""Building blocks of the tasks: walking, holding a box, lifting and lowering."""

from __future__ import annotations

import numpy as np

from lib.data.worker.kinematics import SIDE_SIGN, SIDES
from lib.data.worker.postures import reach_posture
from lib.data.worker.script import Script

AREA_MM = 2200.0  # walkers turn back towards the middle beyond this radius


def walk_about(script: Script, severity: float, speed: float | None = None, backward: bool = False) -> None:
    """Footsteps for the whole clip along a wandering path that stays in the area.

    speed in stature lengths per second (free walking: 0.7 to 0.85).
    """
    subject, rng = script.subject, script.rng
    stature = subject.stature_mm
    speed = speed if speed is not None else script.uniform(0.55, 0.86) * min(1.0, 0.8 + 0.25 * severity)
    step_s = np.clip(0.53 * (0.75 / speed) ** 0.45 / subject.habit["tempo"] ** 0.3, 0.45, 0.95)
    length = speed * stature * step_s * (-1.0 if backward else 1.0)
    width = 0.5 * 0.055 * stature * subject.habit["stance_width"]
    yaw, x, z = script.uniform(0, 360), script.uniform(-900, 900), script.uniform(-900, 900)
    time, side, turn = -2.0, SIDES[rng.integers(2)], 0.0
    brisk = abs(length) / (0.4 * stature)
    toe_out = 0.8 * subject.habit["toe_out"]

    def stand(side: str, ahead: float) -> tuple[tuple[float, float], float]:
        heading = np.radians(yaw)
        out = SIDE_SIGN[side] * width
        place = (
            x + ahead * np.cos(heading) + out * np.sin(heading),
            z - ahead * np.sin(heading) + out * np.cos(heading),
        )
        return place, yaw - SIDE_SIGN[side] * toe_out

    for foot in SIDES:
        place, foot_yaw = stand(foot, 0.0)
        script.feet.place(foot, *place, foot_yaw)
    while time < script.duration_s + 2.0:
        home = np.degrees(np.arctan2(z, -x)) + (180.0 if backward else 0.0)  # yaw that faces the middle
        off = (home - yaw + 180.0) % 360.0 - 180.0
        if np.hypot(x, z) > AREA_MM and abs(off) > 25.0:
            turn = 0.6 * turn + 0.4 * np.sign(off) * 24.0
        else:
            turn = 0.75 * turn + rng.normal(0.0, 3.0)
        yaw += turn
        slower = 1.0 - 0.012 * abs(turn)
        x += length * slower * np.cos(np.radians(yaw))
        z -= length * slower * np.sin(np.radians(yaw))
        place, foot_yaw = stand(side, 0.5 * length * slower)
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
    script.set(gaze=0.25, gaze_x=4000.0, gaze_y=1250.0)


def hands_on_box(ahead: float, height: float, half_width: float, pitch: float, roll: float = 0.0) -> dict[str, float]:
    """Hand channels for a box whose grips lie ``ahead`` of the ankles, ``height`` up, ``half_width`` to each side."""
    return {
        "both_ik": 1.0,
        "both_x": ahead,
        "both_y": height,
        "left_z": -half_width,
        "right_z": half_width,
        "both_pitch": pitch,
        "both_inward": 8.0,
        "both_roll": roll,
    }


def belly_mm(script: Script) -> float:
    """How far the front of the belly stands before the hips."""
    return 125.0 * float(script.subject.scale["abdomen"][0])


def carry_place(script: Script, half_depth: float, half_width: float) -> dict[str, float]:
    """A box held close before the belly with bent elbows, standing upright."""
    height = script.subject.stature_mm * script.uniform(0.55, 0.64)
    ahead = belly_mm(script) + half_depth + script.uniform(30, 70)
    upright = reach_posture(script.subject, ahead, height, load=0.1)
    upright |= {"trunk_flexion": upright["trunk_flexion"] - script.uniform(1, 6)}
    return {**upright, **hands_on_box(ahead, height, half_width, script.uniform(62, 85)), "both_grip": 0.5}


def look_at(x: float, y: float, z: float = 0.0, weight: float = 0.9) -> dict[str, float]:
    """Gaze channels for a point in the base frame."""
    return {"gaze": weight, "gaze_x": x, "gaze_y": y, "gaze_z": z}


def stand_still(script: Script) -> None:
    """Feet side by side, a little apart."""
    subject = script.subject
    for side in SIDES:
        sign = SIDE_SIGN[side]
        width = subject.stature_mm * script.uniform(0.055, 0.1) * subject.habit["stance_width"]
        script.feet.place(
            side, script.uniform(-30, 30), sign * width, -sign * (subject.habit["toe_out"] + script.uniform(-2, 8))
        )
    upright = reach_posture(subject, 300.0, 0.5 * subject.stature_mm)
    script.set(**upright)


def lift_cycles(script: Script, squat: float, severity: float) -> None:
    """Pick up a box from low before the feet, stand up with it, set it down, straighten, again and again."""
    subject = script.subject
    stand_still(script)
    half_width, half_depth = script.uniform(130, 260), script.uniform(90, 190)
    low = subject.stature_mm * script.uniform(0.06, 0.24 if severity > 0.5 else 0.3)
    ahead = script.uniform(170, 260) + half_depth
    load = script.uniform(0.03, 0.2)
    tempo = subject.habit["tempo"] * script.uniform(0.85, 1.25)
    upright = {**reach_posture(subject, 300.0, 0.5 * subject.stature_mm), "both_ik": 0.0, "both_grip": 0.25}
    script.set(**look_at(ahead + 400, 400, weight=0.5))
    script.hold(script.uniform(0.0, 0.8))
    while not script.done:
        down = {
            **reach_posture(subject, ahead, low, squat, half_width),
            **hands_on_box(ahead, low, half_width, 20.0 + 25.0 * squat),
            **look_at(ahead, low),
        }
        loaded = {**down, **reach_posture(subject, ahead, low, squat, half_width, load=load), "both_grip": 0.55}
        script.to(script.uniform(1.2, 1.7) / tempo, **down)
        script.to(script.uniform(0.3, 0.6), **loaded)
        held = carry_place(script, half_depth, half_width)
        script.to(script.uniform(1.2, 1.8) / tempo, arc={"both_x": 60.0}, **held, **look_at(900, 700, weight=0.6))
        script.hold(script.uniform(0.3, 1.2))
        script.to(script.uniform(1.3, 1.9) / tempo, arc={"both_x": 60.0}, **loaded)
        script.to(0.4, **down, both_grip=0.2)
        script.to(script.uniform(1.1, 1.6) / tempo, **upright, **look_at(1500, 1100, weight=0.4))
        script.hold(script.uniform(0.2, 1.0))
