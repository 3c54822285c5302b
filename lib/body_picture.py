"""A picture of bodies, drawn by VTK without a display."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lib.errors import UserError
from lib.files import atomic_path

COLOURS = ("#9a9a9a", "#3b7fc4")  # truth, prediction
CELL_PX = (300, 320)
APART_M = 1.1
# towards the viewer, in camera axes (x right, y down, z forward)
VIEWS = {"front": (0.0, 0.0, -1.0), "side": (1.0, 0.0, 0.0)}


def bodies_side_by_side(
    path: str | Path, vertices_m: np.ndarray, faces: np.ndarray, titles: Sequence[str]
) -> None:
    """Write a PNG with a column a title: truth (grey) and prediction (blue) from the front and from the side.

    vertices_m (N,2,V,3), truth then prediction, in camera axes; faces (F,3). Raises ``UserError`` where PyVista is
    not installed.
    """
    try:
        import pyvista
        from vtkmodules.vtkCommonCore import vtkLogger
    except ImportError as error:
        raise UserError(f"bodies are drawn by PyVista, which cannot be imported ({error})") from None
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)  # it complains of every display that is not there
    triangles = np.insert(faces, 0, 3, axis=1).ravel()
    size = [CELL_PX[0] * len(titles), CELL_PX[1] * len(VIEWS)]
    plotter = pyvista.Plotter(
        off_screen=True, shape=(len(VIEWS), len(titles)), border=False, window_size=size
    )
    for column, (title, pair) in enumerate(zip(titles, vertices_m, strict=True)):
        for row, towards in enumerate(VIEWS.values()):
            plotter.subplot(row, column)
            plotter.set_background("white")
            right = np.cross((0.0, -1.0, 0.0), towards)
            for vertices, colour, sign in zip(pair, COLOURS, (-0.5, 0.5), strict=True):
                body = pyvista.PolyData(vertices + sign * APART_M * right, triangles)
                plotter.add_mesh(body, color=colour, smooth_shading=True)
            plotter.enable_parallel_projection()
            plotter.camera_position = [np.multiply(towards, 6.0), (0, 0, 0), (0, -1, 0)]
            plotter.camera.parallel_scale = 1.15
            if row == 0:
                plotter.add_text(title, font_size=7, color="black", position="upper_edge")
    with atomic_path(path) as temporary:
        plotter.screenshot(temporary)
    plotter.close()
