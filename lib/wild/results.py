"""Stages 3 to 5 of a video: files for other programs, videos, and the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lib.wild.anonymize import HeadBlur
from lib.wild.ergo import ERGO_FILES, WorldErgo, ergo_report
from lib.wild.exports import EXPORTS
from lib.wild.footage import Footage
from lib.wild.mesh_motion import MeshMotion
from lib.wild.mesh_render import render_mesh
from lib.wild.page import write_page
from lib.wild.progress import Progress, side_by_side
from lib.wild.records import Detections, Track, WorldMotion
from lib.wild.render import render_overlay, render_world
from lib.wild.skin import Skin
from lib.wild.stages import Stages, file_identity

if TYPE_CHECKING:
    from lib.body import BodyModel


@dataclass(frozen=True)
class Person:
    """One person's result: the track, the folder's stages, the joints in 3D, the body, the scores, the files."""

    track: Track
    stages: Stages
    world: WorldMotion
    mesh: tuple[MeshMotion, Skin] | None
    scores: WorldErgo | None
    files: Sequence[Path]


def remove_results_of(folder: Path) -> None:
    """What flags that may be left out next time made of joints that are about to be made anew."""
    for name in (*ERGO_FILES, "mesh.npz", "mesh.glb", "mesh.mp4"):
        (folder / name).unlink(missing_ok=True)


def write_exports(stages: Stages, progress: Progress, world: WorldMotion) -> list[Path]:
    """Stage 3: files for other programs, made from the 3D result alone."""
    exports = {stages.folder / export.file_name: export for export in map(EXPORTS.get, EXPORTS.names())}
    with stages.stage("export", list(exports)) as stored:
        if stored is None:
            with progress.bar("export", world.num_frames) as advance:
                for path, (_, write) in exports.items():
                    write(path, world)
                    advance(world.num_frames / len(exports))
    return list(exports)


def write_videos(
    stages: Stages,
    progress: Progress,
    footage: Footage,
    detections: Detections,
    tracks: Sequence[Track],
    people: Sequence[Person],
    *,
    body: BodyModel | None,
    anonymize: bool,
) -> list[Path]:
    """Stage 4: the skeletons of all ``tracks`` on the video, and each person in 3D."""
    tasks = {person.stages.folder / "X3D.mp4": partial(render_world, world=person.world) for person in people}
    for person in people:
        if person.mesh:
            draw = partial(render_mesh, mesh=person.mesh[0], body=body)
            tasks[person.stages.folder / "mesh.mp4"] = draw
    if footage.video:
        blur = HeadBlur(detections) if anonymize else None
        draw = partial(render_overlay, video=footage.video, tracks=tracks, anonymize=blur)
        tasks[stages.folder / "overlay.mp4"] = draw
    stages.depends_on(people=[person.stages.key for person in people])
    with stages.stage("render", list(tasks), anonymize=anonymize) as stored:
        if stored is None:
            with progress.bar("render", detections.num_frames) as advance:
                # side by side, because each spends half of its time waiting for its encoder
                side_by_side([partial(_draw_to, draw, path) for path, draw in tasks.items()], advance)
    return list(tasks)


def _draw_to(draw: Callable[..., None], path: Path, progress: Callable[[int], object]) -> None:
    draw(path, progress=progress)


def write_report(
    progress: Progress, person: Person, facts: Mapping[str, str], files: Sequence[Path], footage: Footage
) -> list[Path]:
    """Stage 5: report.html, which shows it all in a browser, and the files of the scores; all files, the page first."""
    stages, world, scores = person.stages, person.world, person.scores
    path = stages.folder / "report.html"
    scored = [stages.folder / name for name in ERGO_FILES] if scores else []
    files = [*files, *scored]
    overlay = next((file for file in files if file.name == "overlay.mp4"), None)
    stages.depends_on(pictures=overlay and file_identity(overlay), scores=scores and scores.key)
    with stages.stage("page", [path, *scored], shown=[file.name for file in files], facts=facts) as stored:
        if stored is None:
            with progress.bar("page", world.num_frames) as advance:
                sections = []
                if scores:
                    track, size_px = person.track, footage.size_px
                    sections.append(
                        ergo_report(
                            scores, world, stages.folder, overlay=overlay, track=track, size_px=size_px
                        )
                    )
                write_page(
                    path,
                    world=world,
                    mesh=person.mesh,
                    overlay=overlay,
                    summary=facts,
                    downloads=files,
                    title=footage.name,
                    sections=sections,
                )
                advance(world.num_frames)
    return [path, *files]
