"""A person's whole path seen orthographically from two sides, with its floor, in px of one picture.

Letters: F frames, J joints, L limbs, V views, S segments. World axes: X right, Y up, Z towards the video's camera.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lib.wild.hand_formats import is_one_hand
from lib.wild.records import WorldMotion

ELEVATION_DEG = 15.0
TURNS_DEG = (25.0, 115.0)
MARGIN_PX = 28
HEADER_PX = 40
# columns of views and the largest picture: side by side, or one above the other for somebody who walks across
LAYOUTS = ((2, (960, 540)), (1, (720, 720)))
# floor cells in the world's units, the finest that gives no more than so many lines
CELLS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 50.0, 100.0)
HAND_CELLS = (0.01, 0.02, 0.05, 0.1, *CELLS)
MAX_CELLS = 14


class FloorView:
    """Where points (N,3) and the floor under them lie in a picture of ``size_px`` (width, height) that shows them all.

    The views are ``columns`` tiles of ``tile_px`` side by side, below a header. axes: (3,3) of each view, its columns
    right, down and towards the viewer; a point is seen at ``scale * (point @ axes)[:2] + shift`` px. floor (S,2,3):
    its lines, whose cells have sides of ``cell`` in the world's units; grid_px: the same in px, of all views. captions:
    corner and text of each view. Points that are not finite do not count.
    """

    def __init__(self, points: np.ndarray, cells: Sequence[float] = CELLS) -> None:
        points = points[np.isfinite(points).all(-1)]
        if not len(points):
            points = np.array([[-0.5, 0.0, -0.5], [0.5, 1.0, 0.5]])
        low, high = points.min(0), points.max(0)
        extent = float((high - low)[[0, 2]].max())
        self.cell = next((cell for cell in cells if extent <= MAX_CELLS * cell), extent / MAX_CELLS)
        self.floor = _floor(low, high, self.cell)
        self.axes = [_axes(turn_deg) for turn_deg in TURNS_DEG]
        extremes = np.concatenate([points, self.floor.reshape(-1, 3)])
        spans = [np.stack([(seen := extremes @ each[:, :2]).min(0), seen.max(0)]) for each in self.axes]
        self.scale, self.columns, self.tile_px = max(_fit(spans, *layout) for layout in LAYOUTS)
        rows = len(self.axes) // self.columns
        self.size_px = (self.columns * self.tile_px[0], rows * self.tile_px[1] + HEADER_PX)
        self.shifts, self.captions, grids = [], [], []
        for number, (each, span) in enumerate(zip(self.axes, spans, strict=True)):
            corner = np.array([number % self.columns, number // self.columns]) * self.tile_px + [0, HEADER_PX]
            shift = corner + np.array(self.tile_px) / 2 - self.scale * span.mean(0)
            self.shifts.append(shift)
            grids.append((self.floor @ each[:, :2]) * self.scale + shift)
            self.captions.append(
                ((corner[0] + 12, corner[1] + self.tile_px[1] - 26), f"turned {TURNS_DEG[number]:g} deg")
            )
        self.grid_px = np.concatenate(grids)


class WorldView(FloorView):
    """Where every joint of a motion lies, computed for all frames at once."""

    def __init__(self, world: WorldMotion) -> None:
        cells = HAND_CELLS if is_one_hand(world.skeleton) else CELLS
        super().__init__(world.positions.reshape(-1, 3), cells)
        self._limb_idx = world.skeleton.limb_idx
        self._views = []
        on_floor = world.positions * np.array([1, 0, 1], np.float32)
        for each, shift in zip(self.axes, self.shifts, strict=True):
            projected = world.positions @ each
            depth = projected[..., 2][:, self._limb_idx].sum(-1)
            pixels, shadows = (
                (flat * self.scale + shift).astype(np.float32)
                for flat in (projected[..., :2], on_floor @ each[:, :2])
            )
            self._views.append((pixels, shadows, depth.argsort(-1).astype(np.int16)))

    def limbs(self, frame: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """For each view the limbs (L,2,2) px, their shadows on the floor, and their order (L,) from far to near."""
        for pixels, shadows, order in self._views:
            yield pixels[frame][self._limb_idx], shadows[frame][self._limb_idx], order[frame]


def _axes(turn_deg: float) -> np.ndarray:
    """(3,3): columns right, down and towards the viewer, who stands turned about Y and raised."""
    turn, raised = np.deg2rad([turn_deg, ELEVATION_DEG])
    right = np.array([np.cos(turn), 0, -np.sin(turn)])
    towards = np.array([np.sin(turn) * np.cos(raised), np.sin(raised), np.cos(turn) * np.cos(raised)])
    return np.stack([right, -np.cross(towards, right), towards], -1)


def _floor(low: np.ndarray, high: np.ndarray, cell: float) -> np.ndarray:
    """Lines (S,2,3) of the floor, at least a quarter of a cell wider than everything above it."""
    first, last = np.floor(low / cell - 0.25) * cell, np.ceil(high / cell + 0.25) * cell
    xs, zs = (np.arange(first[axis], last[axis] + cell / 2, cell) for axis in (0, 2))
    along_z = [[[x, 0, zs[0]], [x, 0, zs[-1]]] for x in xs]
    along_x = [[[xs[0], 0, z], [xs[-1], 0, z]] for z in zs]
    return np.array(along_z + along_x)


def _fit(
    spans: list[np.ndarray], columns: int, largest_px: tuple[int, int]
) -> tuple[float, int, tuple[int, int]]:
    """Px per unit, the columns, and the size of one view's tile, no higher than what it shows."""
    rows = len(spans) // columns
    width, height = largest_px[0] // columns, (largest_px[1] - HEADER_PX) // rows
    sides = np.max([high - low for low, high in spans], 0)
    scale = float(((np.array([width, height]) - 2 * MARGIN_PX) / sides).min())
    return scale, columns, (width, min(height, 2 * round(scale * sides[1] / 2) + 2 * MARGIN_PX))
