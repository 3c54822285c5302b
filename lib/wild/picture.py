"""Pictures of the body model at work, as a camera of the worker motion sees it: something for detectors to look at.

Colors, light and background are drawn. Letters: F frames, V vertices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from lib.body import BodyModel
from lib.data.worker.camera import Camera
from lib.wild.skin import vertex_normals

SKIN_TONES = ((240, 200, 170), (224, 172, 140), (190, 140, 105), (120, 80, 60))
# which joints of the body carry which piece; the first piece with a word in the joint's name
PIECES = {
    "skin": ("wrist", "hand", "neck", "skull", "head"),
    "forearm": ("elbow",),
    "shoe": ("ankle", "foot", "toe"),
    "trousers": ("hip", "knee", "pelvis"),
    "shirt": ("",),
}
HAIR_SHARE = 0.065  # of the body's height, from the top of the head down
FLOOR_MM = 20_000.0


def draw_colors(generator: np.random.Generator, body: BodyModel) -> np.ndarray:
    """A color (V,3) uint8 for each vertex: clothes, skin, hair and shoes of one person."""
    colors = {
        "skin": SKIN_TONES[generator.integers(len(SKIN_TONES))],
        "shoe": generator.integers(10, 120, 3),
        "trousers": generator.integers(20, 150, 3),
        "shirt": generator.integers(30, 255, 3),
    }
    colors["forearm"] = colors["skin" if generator.random() < 0.5 else "shirt"]
    joint_of_vertex = body.vertices.weights.argmax(0).cpu().numpy()
    piece_of_joint = [
        next(piece for piece, words in PIECES.items() if any(word in name for word in words))
        for name in body.joint_names
    ]
    painted = np.array([colors[piece] for piece in piece_of_joint], np.uint8)[joint_of_vertex]
    height = body.vertices.template[1].cpu().numpy()
    painted[height > height.max() - HAIR_SHARE * np.ptp(height)] = generator.integers(10, 110, 3)
    return painted


@contextmanager
def studio(
    body: BodyModel, colors: np.ndarray, camera: Camera, generator: np.random.Generator
) -> Iterator[Callable[[np.ndarray], np.ndarray]]:
    """A function from vertices (V,3) in world mm, y up, to the picture (H,W,3) uint8 RGB of ``camera``."""
    import pyvista
    from vtkmodules.vtkCommonCore import vtkLogger

    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)  # it complains of every display that is not there
    plotter = pyvista.Plotter(off_screen=True, window_size=camera.size_px)
    surface = pyvista.PolyData(
        np.zeros((body.num_vertices, 3), np.float32), np.insert(body.faces, 0, 3, axis=1).ravel()
    )
    surface.point_data["colors"] = colors
    surface.point_data.active_normals = np.zeros((body.num_vertices, 3), np.float32)
    person = plotter.add_mesh(
        surface, scalars="colors", rgb=True, ambient=generator.uniform(0.25, 0.5), diffuse=0.8, specular=0.1
    )
    person.prop.interpolation = "Gouraud"
    floor = pyvista.Plane(
        direction=(0, 1, 0), i_size=FLOOR_MM, j_size=FLOOR_MM, i_resolution=1, j_resolution=1
    )
    ground = plotter.add_mesh(floor, color=generator.uniform(0.3, 0.8, 3), lighting=False)
    plotter.set_background(generator.uniform(0.3, 0.9, 3), top=generator.uniform(0.3, 0.9, 3))
    view = plotter.camera
    view.position = camera.position_mm
    view.focal_point = camera.position_mm + 1000 * camera.rotation[2]
    view.up = -camera.rotation[1]
    view.view_angle = np.degrees(2 * np.arctan(camera.size_px[1] / 2 / camera.focal_px))
    view.clipping_range = (50.0, 3 * FLOOR_MM)
    plotter.show(auto_close=False)

    def shoot(vertices_mm: np.ndarray) -> np.ndarray:
        surface.points = vertices_mm.astype(np.float32)
        surface.point_data.active_normals = vertex_normals(vertices_mm, body.faces)
        ground.position = (0.0, min(0.0, float(vertices_mm[:, 1].min())), 0.0)  # never over the feet
        plotter.render()
        return np.ascontiguousarray(plotter.image)

    try:
        yield shoot
    finally:
        plotter.close()
