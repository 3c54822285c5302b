"""Pinhole cameras around the worker. Camera axes: x right, y down, z forward; world y is up; mm and px."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lib.skeleton import Skeleton


@dataclass(frozen=True)
class Camera:
    """One fixed camera: image size (w, h), focal length px, world-to-camera rotation (3,3), position (3,)."""

    name: str
    size_px: tuple[int, int]
    focal_px: float
    rotation: np.ndarray
    position_mm: np.ndarray

    def to_camera(self, points_mm: np.ndarray) -> np.ndarray:
        """World points (...,3) mm in camera axes, mm."""
        return (points_mm - self.position_mm) @ self.rotation.T

    def project(self, camera_mm: np.ndarray) -> np.ndarray:
        """Image points (...,2) px of points (...,3) mm in camera axes; principal point in the centre."""
        centre = 0.5 * np.array(self.size_px, float)
        return camera_mm[..., :2] * (self.focal_px / camera_mm[..., 2:]) + centre


def image_labels(
    skeleton: Skeleton, camera_mm: np.ndarray, px: np.ndarray, focal_px: float | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The 2.5D labels (...,J,3) px of joints (...,J,3) mm in camera axes, seen at px (...,J,2), and mm per px (...).

    Depth counts from the root and has the scale of the image at the root's depth. focal_px: a number, or (...).
    """
    root_mm = skeleton.root_of(camera_mm)[..., 0, 2]
    factor = root_mm / focal_px
    depth_px = (camera_mm[..., 2] - root_mm[..., None]) / factor[..., None]
    return np.concatenate([px, depth_px[..., None]], axis=-1), factor


@dataclass(frozen=True)
class CameraRanges:
    """What cameras of one split are drawn from.

    distance in units of the extent of what is filmed; fill: share of the half image that the outermost point
    may reach, for which the lens is chosen within view_deg, the field of view over the longer image side.
    """

    sizes_px: tuple[tuple[int, int], ...]
    height_mm: tuple[float, float]
    distance: tuple[float, float]
    fill: tuple[float, float]
    view_deg: tuple[float, float]
    roll_deg: float


_TRAIN_SIZES = ((1920, 1080), (1280, 720), (1080, 1920), (1920, 1200), (1000, 1000))
RANGES = {
    "train": CameraRanges(_TRAIN_SIZES, (500, 2700), (1.0, 3.0), (0.5, 0.95), (22, 84), 3.0),
    "validate": CameraRanges(
        ((1920, 1080), (1440, 1080)), (700, 2500), (1.1, 2.7), (0.55, 0.93), (26, 78), 2.0
    ),
    "test": CameraRanges(
        ((2048, 1152), (1600, 1200), (720, 1280)), (800, 2400), (1.15, 2.6), (0.6, 0.9), (28, 75), 2.0
    ),
}
NEAREST_MM = 500.0


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
    fill = rng.uniform(*ranges.fill)
    aim = middle + rng.normal(0.0, 0.03, 3) * extent
    roll = rng.normal(0.0, ranges.roll_deg / 2.0)
    longest, shortest = (0.5 * max(size) / np.tan(np.radians(view) / 2.0) for view in ranges.view_deg)
    while True:
        level = np.sqrt(max(distance**2 - (height - middle[1]) ** 2, (0.5 * distance) ** 2))
        away = np.array([level * np.cos(azimuth), 0.0, level * np.sin(azimuth)])
        position = np.array([middle[0], height, middle[2]]) + away
        camera = Camera(name, size, 1.0, look_at(position, aim, roll), position)
        seen = camera.to_camera(filmed_mm)
        if seen[:, 2].min() > NEAREST_MM:
            half = 0.5 * np.array(size, float)
            focal = fill / float((np.abs(camera.project(seen) - half) / half).max())
            if focal >= shortest:
                return replace(camera, focal_px=float(min(focal, longest)))
        distance *= 1.12
