"""Where hands are: how they turn and travel through the room, and the cameras that film them.

F frames, P points. World y is up, mm. A hand whose rotation in camera axes is the identity is a right hand with
the fingers up and the palm to the camera: its segment's x goes to the right of the image, y down and z away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lib.data.worker.camera import Camera
from lib.data.worker.kinematics import rotation_zxy
from lib.data.worker.timing import smooth_noise

NEAREST_MM = 130.0
CLOSE_MM, FAR_MM = (250.0, 600.0), (600.0, 2600.0)
HALF_IMAGE = 0.96  # what is filmed stays within this share of the half image
SIZES_PX = {
    "train": ((1280, 720), (1920, 1080), (640, 480), (1080, 1920), (1000, 1000), (1440, 1080)),
    "validate": ((1600, 1200), (854, 480), (720, 1280)),
    "test": ((960, 540), (800, 600), (540, 960)),
}


@dataclass(frozen=True)
class HandPath:
    """How the forearm before pronation lies (F,3,3) in the world, and where the wrist is (F,3) mm."""

    forearm: np.ndarray
    wrist_mm: np.ndarray
    first_view: np.ndarray  # world-to-camera rotation (3,3) of the camera the clip was made for


def draw_path(rng: np.random.Generator, times_s: np.ndarray) -> HandPath:
    """A path in a drawn manner: held up before a camera, at work seen from above, or anyhow."""
    manner = rng.choice(3, p=(0.45, 0.25, 0.3))
    side = 180.0 * (rng.random() < 0.5)
    if manner == 0:
        view = _view(rng, rng.normal(0.0, 12.0), rng.normal(0.0, 4.0))
        seen = _turned(rng.normal(0.0, 28.0), rng.normal(0.0, 22.0), side + rng.normal(0.0, 40.0))
    elif manner == 1:
        view = _view(rng, rng.uniform(25.0, 80.0), rng.normal(0.0, 8.0))
        seen = _turned(rng.uniform(0.0, 360.0), rng.normal(0.0, 25.0), 180.0 + rng.normal(0.0, 45.0))
    else:
        view = _view(rng, rng.uniform(-20.0, 60.0), rng.normal(0.0, 8.0))
        seen = _any_rotation(rng)
    turning = np.exp(rng.uniform(np.log(2.0), np.log(50.0)))
    angles = turning * smooth_noise(rng, 3, times_s, rng.uniform(0.8, 4.0))
    reach_mm = np.exp(rng.uniform(np.log(3.0), np.log(160.0)))
    wrist = reach_mm * smooth_noise(rng, 3, times_s, rng.uniform(0.7, 4.0)).T
    return HandPath(view.T @ seen @ rotation_zxy(*angles), wrist, view)


def place_camera(
    rng: np.random.Generator,
    name: str,
    split: str,
    rotation: np.ndarray | None,
    filmed_mm: np.ndarray,
) -> Camera:
    """A camera near or far that keeps all filmed points (P,3) in its image, seldom in the middle of it.

    rotation: world to camera; None draws another one.
    """
    sizes = SIZES_PX[split]
    size = np.array(sizes[rng.integers(len(sizes))], float)
    if rotation is None:
        rotation = _view(rng, rng.uniform(-25.0, 75.0), rng.normal(0.0, 6.0))
    view_deg = rng.uniform(45.0, 86.0) if rng.random() < 0.75 else rng.uniform(18.0, 45.0)
    focal = 0.5 * size.max() / np.tan(np.radians(view_deg) / 2.0)
    low, high = CLOSE_MM if rng.random() < 0.45 else FAR_MM
    distance = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    turned = filmed_mm @ rotation.T
    middle = (turned.min(0) + turned.max(0)) / 2.0
    turned = turned - middle
    half = HALF_IMAGE * 0.5 * size / focal  # tangents of the field of view
    off = rng.uniform(-1.0, 1.0, 2) * np.minimum(1.0, rng.exponential(0.5))
    distance = max(distance, NEAREST_MM - turned[:, 2].min())
    while True:
        depth = turned[:, 2] + distance
        # the range of off-centre rays for which every point stays inside
        lowest = (-half * depth[:, None] - turned[:, :2]).max(0) / distance
        highest = (half * depth[:, None] - turned[:, :2]).min(0) / distance
        if (lowest < highest).all():
            break
        distance *= 1.15
    ray = 0.5 * (lowest + highest) + 0.5 * off * (highest - lowest)
    offset = np.array([ray[0] * distance, ray[1] * distance, distance])
    position = (middle - offset) @ rotation
    return Camera(name, (int(size[0]), int(size[1])), float(focal), rotation, position)


def mirrored_camera(camera: Camera) -> Camera:
    """The camera that sees the world mirrored in z = 0 as this one sees the world, left and right exchanged."""
    rotation = camera.rotation * np.array([[-1.0], [1.0], [1.0]]) * np.array([1.0, 1.0, -1.0])
    return replace(camera, rotation=rotation, position_mm=camera.position_mm * [1.0, 1.0, -1.0])


def _view(rng: np.random.Generator, down_deg: float, roll_deg: float) -> np.ndarray:
    """World-to-camera rotation (3,3) of a camera that looks anywhere level and then ``down_deg`` down."""
    azimuth, down = rng.uniform(0.0, 360.0), np.radians(down_deg)
    level = np.radians(azimuth)
    forward = np.array([np.cos(down) * np.cos(level), -np.sin(down), np.cos(down) * np.sin(level)])
    right = np.array([-np.sin(level), 0.0, np.cos(level)])
    upright = np.stack([right, np.cross(forward, right), forward])
    return rotation_zxy(np.array(roll_deg), 0.0, 0.0) @ upright


def _turned(in_image_deg: float, tilt_deg: float, about_deg: float) -> np.ndarray:
    """Rotation (3,3) of a hand in camera axes: about its own length, then tilted to or from the camera."""
    return rotation_zxy(np.array(in_image_deg), np.array(tilt_deg), np.array(about_deg))


def _any_rotation(rng: np.random.Generator) -> np.ndarray:
    """A rotation (3,3), uniform over all."""
    w, x, y, z = (quaternion := rng.standard_normal(4)) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
