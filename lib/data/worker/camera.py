"""Pinhole cameras around the worker. Camera axes: x right, y down, z forward; world y is up; mm and px."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Camera:
    """One fixed camera: image size (w, h) px, focal length px, world-to-camera rotation (3,3), position (3,) mm."""

    name: str
    size_px: tuple[int, int]
    focal_px: float
    rotation: np.ndarray
    position_mm: np.ndarray

    def to_camera(self, points_mm: np.ndarray) -> np.ndarray:
        """World points (...,3) mm in camera axes, mm."""
        return (points_mm - self.position_mm) @ self.rotation.T

    def project(self, camera_mm: np.ndarray) -> np.ndarray:
        """Image points (...,2) px of points (...,3) mm in camera axes; the principal point is the image centre."""
        centre = 0.5 * np.array(self.size_px, float)
        return camera_mm[..., :2] * (self.focal_px / camera_mm[..., 2:]) + centre


@dataclass(frozen=True)
class CameraRanges:
    """What cameras of one split are drawn from; distance in units of the extent of what is filmed."""

    sizes_px: tuple[tuple[int, int], ...]
    height_mm: tuple[float, float]
    distance: tuple[float, float]
    view_deg: tuple[float, float]  # field of view over the longer image side
    roll_deg: float


RANGES = {
    "train": CameraRanges(
        ((1920, 1080), (1280, 720), (1080, 1920), (1920, 1200), (1000, 1000)), (500, 3200), (1.5, 3.6), (38, 80), 3.0
    ),
    "validate": CameraRanges(((1920, 1080), (1440, 1080)), (800, 2800), (1.6, 3.3), (42, 75), 2.0),
    "test": CameraRanges(((1920, 1200), (1600, 1200), (720, 1280)), (900, 2700), (1.7, 3.2), (45, 72), 2.0),
}
FILL = 0.92  # of the half image may be used
NEAREST_MM = 700.0


def look_at(position: np.ndarray, target: np.ndarray, roll_deg: float = 0.0) -> np.ndarray:
    """World-to-camera rotation (3,3) of a camera at a position (3,) that looks at a target (3,)."""
    forward = target - position
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    roll = np.radians(roll_deg)
    return np.stack(
        [np.cos(roll) * right + np.sin(roll) * down, np.cos(roll) * down - np.sin(roll) * right, forward]
    )


def draw_camera(rng: np.random.Generator, name: str, ranges: CameraRanges, filmed_mm: np.ndarray) -> Camera:
    """A camera on a random side that keeps all filmed world points (M,3) in its image."""
    size = ranges.sizes_px[rng.integers(len(ranges.sizes_px))]
    low, high = filmed_mm.min(0), filmed_mm.max(0)
    middle, extent = (low + high) / 2.0, max(float(np.linalg.norm(high - low)), 350.0)
    azimuth = rng.uniform(0.0, 2.0 * np.pi)
    height = rng.uniform(*ranges.height_mm)
    distance = extent * rng.uniform(*ranges.distance)
    view = np.radians(rng.uniform(*ranges.view_deg))
    aim = middle + rng.normal(0.0, 0.04, 3) * extent
    roll = rng.normal(0.0, ranges.roll_deg / 2.0)
    focal = 0.5 * max(size) / np.tan(view / 2.0)
    widest = 0.5 * max(size) / np.tan(np.radians(ranges.view_deg[1]) / 2.0)
    for _ in range(12):
        level = np.sqrt(max(distance**2 - (height - middle[1]) ** 2, (0.5 * distance) ** 2))
        away = np.array([level * np.cos(azimuth), 0.0, level * np.sin(azimuth)])
        position = np.array([middle[0], height, middle[2]]) + away
        camera = Camera(name, size, float(focal), look_at(position, aim, roll), position)
        seen = camera.to_camera(filmed_mm)
        if seen[:, 2].min() > NEAREST_MM:
            half = 0.5 * np.array(size, float)
            over = float((np.abs(camera.project(seen) - half) / (FILL * half)).max())
            if over <= 1.0:
                break
            if focal / over >= widest:
                focal = focal / over * 0.995
                continue
        focal = max(focal * 0.9, widest)
        distance *= 1.15
    return camera
