"""Kneeling and sitting: the pelvis goes to a height of its own, and the hands work from there."""

from __future__ import annotations

import numpy as np

from lib.data.worker.kinematics import SIDE_SIGN
from lib.data.worker.movements import both_hands, look_at, middle_of, stand, upright
from lib.data.worker.postures import shoulder_place
from lib.data.worker.script import Script

KNEE_RADIUS_MM = 58.0  # height of the knee centre when the knee is on the floor
SEATED_HIP_MM = 88.0  # hip centre above the seat


def work_before(script: Script, seconds: float, low: float, high: float, lean: float) -> None:
    """One reach with both hands to a place before the body while the hips stay.

    The targets follow from where the shoulders are; low and high bound their height, mm; lean is the trunk's
    inclination in degrees.
    """
    subject = script.subject
    tilt, flexion = 0.35 * lean, 0.65 * lean
    x, y = shoulder_place(subject, script["forward"], script["height"], tilt, flexion)
    arm = subject.length("elbow") + subject.length("wrist")
    reach = script.uniform(0.66, 0.88) * arm
    height = max(script.uniform(low, high), y - 0.93 * reach)
    ahead = x + np.sqrt(reach**2 - (height - y) ** 2)
    aside = script.uniform(-130, 130)
    gap = script.uniform(40, 190)
    points = {
        side: (float(ahead + script.uniform(-50, 50)), float(height), aside + SIDE_SIGN[side] * gap)
        for side in ("left", "right")
    }
    script.to(
        seconds,
        **both_hands(
            script,
            points,
            roll=script.uniform(10, 75),
            grip=script.uniform(0.2, 0.7),
            pinch=script.uniform(0, 0.9),
        ),
        **look_at(middle_of(points)),
        tilt=tilt,
        trunk_flexion=flexion,
        trunk_rotation=-0.06 * aside,
        yaw=-0.03 * aside,
    )


def kneel(script: Script, severity: float) -> None:
    """Step back, go down on one knee, work near the floor or before the chest, get up again."""
    subject = script.subject
    thigh, shank = subject.length("knee"), subject.length("ankle")
    size = subject.stature_mm / 1750.0
    stand(script, width=script.uniform(0.13, 0.19))
    heel_up = script.uniform(72, 78)
    lean_back = np.radians(script.uniform(-12, 4))  # thigh of the kneeling leg against vertical, > 0 forward
    front_knee = script.uniform(92, 112)
    # rear foot stands on its ball; from there along shank and thigh to the hip, then down the front leg
    ball_x, ball_y = subject.joints["toes"][:2]
    up = np.radians(heel_up)
    ankle_x = ball_x - ball_x * np.cos(up) - ball_y * np.sin(up)
    ankle_y = subject.ankle_height_mm + ball_y - ball_y * np.cos(up) + ball_x * np.sin(up)
    knee_y = KNEE_RADIUS_MM * size
    knee_x = ankle_x + np.sqrt(shank**2 - (ankle_y - knee_y) ** 2)
    hip_x, hip_y = knee_x + thigh * np.sin(lean_back), knee_y + thigh * np.cos(lean_back)
    span = np.sqrt(thigh**2 + shank**2 + 2 * thigh * shank * np.cos(np.radians(front_knee)))
    front_x = hip_x + np.sqrt(max(span**2 - (hip_y - subject.ankle_height_mm) ** 2, 1.0))
    (left_x, _), _ = script.feet.last("left")
    (_, right_z), right_yaw = script.feet.last("right")
    rear_x = left_x - front_x
    forward = hip_x - 0.5 * front_x  # the base is midway between the feet
    down = {
        "forward": float(forward),
        "height": float(hip_y),
        "tilt": 6.0,
        "trunk_flexion": script.uniform(2, 12),
        "right_heel_raise": heel_up,
        **look_at((900, 300, 0), 0.6),
    }
    step_s = script.uniform(0.75, 1.0)
    script.hold(script.uniform(0.1, 0.7))
    while not script.done:
        script.feet.step(
            "right", script.now, step_s, (rear_x, right_z + 40.0), 0.3 * right_yaw, 25.0, 0.0, 45.0
        )
        lowered = 0.83 * 0.53 * subject.stature_mm
        script.to(
            step_s,
            right_heel_raise=42.0,
            height=lowered,
            trunk_flexion=14.0,
            tilt=8.0,
            forward=0.6 * float(forward),
        )
        script.to(script.uniform(0.8, 1.2), **down)
        stay = script.now + script.uniform(2.5, 6.0)
        while script.now < stay:
            low_work = script.rng.random() < 0.6
            low, high = (120.0, 420.0) if low_work else (450.0, 850.0)
            lean = script.uniform(18, 34 + 12 * severity) if low_work else script.uniform(2, 16)
            work_before(script, script.uniform(0.7, 1.3), low * size, high * size, lean)
        script.to(script.uniform(0.7, 1.0), **down, both_ik=0.0, both_pinch=0.0)
        script.to(
            script.uniform(0.8, 1.1),
            right_heel_raise=42.0,
            height=lowered,
            trunk_flexion=18.0,
            tilt=10.0,
            forward=0.6 * float(forward),
        )
        script.feet.step("right", script.now, step_s, (left_x, right_z), right_yaw, 20.0, 0.0, 40.0)
        script.to(step_s, **{**upright(script), "both_heel_raise": 0.0})
        script.hold(script.uniform(0.3, 1.0))


def sit(script: Script, severity: float) -> None:
    """Sit at a bench and work with both hands; some clips sit down first and stand up again."""
    subject = script.subject
    size = subject.stature_mm / 1750.0
    stand(script, width=script.uniform(0.13, 0.22), stagger=script.rng.normal(0.0, 40.0))
    seat = subject.stature_mm * script.uniform(0.24, 0.29)
    hip_y = seat + SEATED_HIP_MM * size
    thigh = subject.length("knee")
    back = script.uniform(0.86, 0.99) * thigh - script.uniform(-40, 110)
    table = hip_y + script.uniform(120, 230) * size
    seated = {
        "forward": -float(back),
        "height": float(hip_y),
        "tilt": script.uniform(-12, 2),  # the pelvis rolls back on a stool
        "trunk_flexion": script.uniform(8, 22),
        **look_at((500, table, 0), 0.7),
    }
    sits_down = script.rng.random() < 0.5
    if sits_down:
        script.hold(script.uniform(0.2, 0.8))
    else:
        script.set(**seated)
    while not script.done:
        if sits_down:
            bow = {"trunk_flexion": 26.0, "tilt": 24.0, "forward": -60.0}
            script.to(script.uniform(1.4, 2.0), arc=bow, **seated)
            script.hold(0.3)
        stay = script.now + (script.uniform(2.5, 4.5) if sits_down else 100.0)
        while script.now < stay and not script.done:
            lean = script.uniform(4, 18 + 16 * severity)
            work_before(script, script.uniform(0.6, 1.3), table + 30, table + 200 * size, lean)
            if script.rng.random() < 0.25:
                script.hold(script.uniform(0.2, 1.0))
        if sits_down and not script.done:
            script.to(0.8, **seated, both_ik=0.0, both_pinch=0.0)
            bow = {"trunk_flexion": 30.0, "tilt": 26.0, "forward": 30.0}
            script.to(script.uniform(1.3, 1.8), arc=bow, **upright(script))
            script.hold(script.uniform(0.4, 1.2))
