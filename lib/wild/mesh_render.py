"""mesh.mp4: the moving body above a floor, from two sides, drawn by VTK without a display.

Letters: F frames, V vertices, K joints. World axes: X right, Y up, Z towards the video's camera.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from lib.errors import UserError
from lib.wild.canvas import Canvas
from lib.wild.mesh_motion import MeshMotion
from lib.wild.projection import HEADER_PX, FloorView
from lib.wild.render import GRID, INK, PAPER, SHADOW, TEXT_PX
from lib.wild.skin import vertex_normals
from lib.wild.video_writer import VideoWriter, frame_of

if TYPE_CHECKING:
    from lib.body import BodyModel

SKIN = "#8fa9c4"
FLESH = 0.15  # how far the surface may lie from the nearest joint, as a share of the body's metres
SUPERSAMPLED = 2  # smoother edges at a third of the time that VTK's own way takes in software
PROBE = """
import vtkmodules.vtkRenderingOpenGL2
from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow
window = vtkRenderWindow()
window.OffScreenRenderingOn()
window.AddRenderer(vtkRenderer())
window.Render()
"""

Progress = Callable[[int], object]


def render_mesh(
    path: str | Path, mesh: MeshMotion, body: BodyModel, *, progress: Progress | None = None
) -> None:
    """Write the body from two sides, orthographic, above a fixed floor, the whole path in view.

    mesh: in world axes. progress(n) is called with the number of frames done since the last call. Raises ``UserError``
    where PyVista is not installed or cannot draw, ``OSError`` where the file cannot be written.
    """
    device = next(body.buffers()).device
    joints = np.concatenate([joints for _, joints in mesh.points(body.joints, device)])
    around = FLESH * mesh.scale * np.array([-1.0, 1.0])[:, None, None]
    view = FloorView((joints.reshape(-1, 3) + around).reshape(-1, 3))
    picture = np.full((view.size_px[1], view.size_px[0], 3), _rgb(PAPER), np.uint8)
    note = f"floor cells {view.cell:g} {'m' if mesh.units == 'm' else 'of the body height'}"
    present = mesh.present
    with _stage(view, body) as draw, VideoWriter(path, view.size_px, mesh.fps) as writer:
        vertices = (each for _, batch in mesh.points(body, device) for each in batch)
        for frame in range(mesh.num_frames):
            picture[HEADER_PX:] = draw(next(vertices) if present[frame] else None)
            nv12 = frame_of(picture, view.size_px)
            canvas = Canvas(nv12)
            for corner, caption in view.captions:
                canvas.text(caption, corner, TEXT_PX, INK)
            x = 10 + canvas.text(note, (10, 10), TEXT_PX, INK) + 24
            missing = "" if present[frame] else "   not seen"
            canvas.text(f"{frame / mesh.fps:.2f} s{missing}", (x, 10), TEXT_PX, INK)
            writer.write(nv12)
            if progress:
                progress(1)


@lru_cache(maxsize=1)
def _check_that_vtk_draws() -> None:
    """In a process of its own, since without any OpenGL VTK ends the process that asks it to draw."""
    try:
        __import__("pyvista")
    except ImportError as error:
        raise UserError(
            f"mesh.mp4 is drawn by PyVista, which cannot be imported ({error}): pip install pyvista"
        ) from None
    if subprocess.run([sys.executable, "-c", PROBE], capture_output=True, check=False).returncode:
        raise UserError(
            "mesh.mp4: VTK cannot draw on this machine, it finds no OpenGL: install EGL or OSMesa (Debian: apt-get "
            "install libegl1 libgl1-mesa-dri), or go without videos (--no_render)"
        )


@contextmanager
def _stage(view: FloorView, body: BodyModel) -> Iterator[Callable[[np.ndarray | None], np.ndarray]]:
    """Function from vertices (V,3), or None for nobody, to the tiles of the picture as RGB."""
    _check_that_vtk_draws()
    import pyvista
    from vtkmodules.vtkCommonCore import vtkLogger

    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)  # it complains of every display that is not there
    rows = len(view.axes) // view.columns
    size_px = [view.columns * view.tile_px[0], rows * view.tile_px[1]]
    plotter = pyvista.Plotter(
        off_screen=True,
        shape=(rows, view.columns),
        border=False,
        window_size=[SUPERSAMPLED * side for side in size_px],
    )
    plotter.disable_anti_aliasing()
    plotter.render_window.SetMultiSamples(0)
    faces = np.insert(body.faces, 0, 3, axis=1).ravel()
    surface, shadow = (
        pyvista.PolyData(np.zeros((body.num_vertices, 3), np.float32), faces) for _ in range(2)
    )
    surface.point_data.active_normals = np.zeros((body.num_vertices, 3), np.float32)
    floor = pyvista.line_segments_from_points(view.floor.reshape(-1, 3).astype(np.float32))
    actors: list[Any] = []
    for number in range(len(view.axes)):
        plotter.subplot(number // view.columns, number % view.columns)
        plotter.set_background(PAPER)
        plotter.add_mesh(floor, color=GRID, lighting=False, line_width=SUPERSAMPLED)
        actors.append(plotter.add_mesh(shadow, color=SHADOW, lighting=False))
        actors.append(plotter.add_mesh(surface, color=SKIN, ambient=0.3, diffuse=0.9))
        actors[-1].prop.interpolation = "Gouraud"
        _aim(plotter.camera, view, number)
    plotter.show(auto_close=False)

    def draw(vertices: np.ndarray | None) -> np.ndarray:
        for actor in actors:
            actor.visibility = vertices is not None
        if vertices is not None:
            surface.points = vertices
            surface.point_data.active_normals = vertex_normals(vertices, body.faces)
            shadow.points = vertices.copy()
            shadow.points[:, 1] = min(0.0, vertices[:, 1].min())  # never over feet that sink into the floor
        plotter.render()
        return cv2.resize(plotter.image, size_px, interpolation=cv2.INTER_AREA)

    try:
        yield draw
    finally:
        plotter.close()


def _aim(camera: Any, view: FloorView, number: int) -> None:
    """Let a VTK camera see its tile as ``FloorView`` has it."""
    columns, (width, height) = view.columns, view.tile_px
    corner = np.array([number % columns, number // columns]) * view.tile_px + [0, HEADER_PX]
    middle_px = corner + np.array([width, height]) / 2
    axes = view.axes[number]
    focus = axes[:, :2] @ ((middle_px - view.shifts[number]) / view.scale)
    away = 2 * float(np.abs(view.floor).max() + height / view.scale)
    camera.focal_point, camera.position, camera.up = focus, focus + away * axes[:, 2], -axes[:, 1]
    camera.parallel_projection, camera.parallel_scale = True, height / 2 / view.scale
    camera.clipping_range = (0.01 * away, 3 * away)


def _rgb(color: str) -> list[int]:
    return [int(color[start : start + 2], 16) for start in (1, 3, 5)]
