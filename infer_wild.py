#!/usr/bin/env python
"""Any video in, 3D out: keypoints, joints in 3D, files for other programs, pictures and a page to look at.

python infer_wild.py --vid_path clip.mp4 --out_path out -e runs/quickstart/best_epoch.bin
python infer_wild.py --vid_path clip.mp4 --json_path alphapose-results.json --out_path out -e CHECKPOINT --config CONFIG
"""

from __future__ import annotations

import argparse
import errno
import inspect
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

# as in train.py: CPU threads that wait spin for a short time only; OpenMP reads this when torch is imported
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

import numpy as np

from lib import engine
from lib.body import load_body
from lib.body_regressor import keypoint_regressor
from lib.checkpoint import load_checkpoint
from lib.config import load_config, parse_overrides
from lib.data.motion import Motion
from lib.errors import UserError, error_line
from lib.skeleton import Skeleton, load_skeleton
from lib.wild.anonymize import HeadBlur, check_can_anonymize
from lib.wild.arrays import save_keypoints, save_poses
from lib.wild.detectors import DETECTORS, build_detector, closing_detector, detect
from lib.wild.exports import EXPORTS
from lib.wild.faces import refuse_own_results, remove_pictures_with_faces
from lib.wild.feeding import check_can_feed
from lib.wild.flags import LIFT_OPTIONS, parse_arguments, useless_flags
from lib.wild.footage import Footage, list_footage, open_footage
from lib.wild.keypoint_files import read_keypoints
from lib.wild.lift import lift, to_motionbert_units
from lib.wild.lifter import Lifter, load_lifter
from lib.wild.mesh import lift_mesh, motion_of_mesh, place_mesh
from lib.wild.mesh_gltf import write_gltf
from lib.wild.mesh_lifter import MeshLifter, load_mesh_lifter
from lib.wild.mesh_motion import MeshMotion
from lib.wild.mesh_render import render_mesh
from lib.wild.page import write_page
from lib.wild.progress import Progress, side_by_side
from lib.wild.records import Detections, Track, WorldMotion
from lib.wild.render import render_overlay, render_world
from lib.wild.skin import Skin, skin_of
from lib.wild.smooth import smooth, smoothing_note
from lib.wild.stages import Stages, file_identity
from lib.wild.summary import closing_lines, summarize, table_of_people
from lib.wild.track_motion import track_motion
from lib.wild.tracks import build_tracks, choose_tracks
from lib.wild.video import read_frames
from lib.wild.world import check_body_and_camera, make_world

logger = logging.getLogger("ergolift")


def main(argv: list[str] | None = None) -> int:
    arguments = parse_arguments(argv, __doc__ or "")
    check_body_and_camera(arguments.stature, arguments.pitch, arguments.focal)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    inputs = list_footage(arguments.vid_path, arguments.json_path)
    for note in useless_flags(arguments):
        logger.warning(note)
    models = load_models(arguments)
    failed = []
    for video, keypoint_file, name in inputs:
        try:
            infer(arguments, models, video, keypoint_file, Path(arguments.out_path, name))
        except (UserError, OSError) as error:
            if len(inputs) == 1 or getattr(error, "errno", None) == errno.ENOSPC:
                raise
            failed.append(name)
            logger.error(f"{name}: {error_line(error)}")
    if failed:
        raise UserError(f"{len(failed)} of {len(inputs)} failed ({', '.join(failed)}); the others are done")
    return 0


@dataclass(frozen=True)
class Models:
    """What lifts: a model of joints, one of bodies, or both; and the files that tell them from others."""

    joints: Lifter | None
    mesh: MeshLifter | None
    identity: list[object]

    @property
    def main(self) -> Lifter:
        """The model whose joint format the result has."""
        return self.joints or self.mesh


def load_models(arguments: argparse.Namespace) -> Models:
    """The lifter of ``-e`` and the mesh model of ``--mesh``, each with the config beside it or the one named."""
    if not arguments.evaluate and not arguments.mesh:
        raise UserError(
            "no model is shipped yet: name a checkpoint with -e. `make quickstart` trains one in a few minutes: "
            "-e runs/quickstart/best_epoch.bin"
        )
    options = {
        "clip_len": arguments.clip_len,
        "flip": not arguments.no_flip,
        "pixel": arguments.pixel,
        "model_fps": arguments.fps,
    }
    joints = mesh = None
    identity = []
    if arguments.evaluate:
        checkpoint, config, files = open_model(arguments.evaluate, arguments.config, "pose3d")
        skeleton = load_skeleton(config.joint_format).with_root(*config.root)
        runtime = engine.start_runtime(arguments.precision, arguments.device, config.threads)
        joints = load_lifter(checkpoint, config=config, skeleton=skeleton, runtime=runtime, **options)
        identity.append(files)
    if arguments.mesh:
        checkpoint, config, files = open_model(arguments.mesh, arguments.mesh_config, "mesh")
        skeleton = load_skeleton(config.joint_format).with_root(*config.root)
        runtime = engine.start_runtime(arguments.precision, arguments.device, config.threads)
        body = load_body(config.body, gender=config.gender).to(runtime.device)
        regressor = keypoint_regressor(body, skeleton, config.regressor)
        mesh = load_mesh_lifter(
            checkpoint, config=config, body=body, regressor=regressor, runtime=runtime, **options
        )
        identity.append(files)
    return Models(joints, mesh, identity)


def open_model(checkpoint: str, config_file: str | None, task: str) -> tuple[Path, Any, list[object]]:
    """A checkpoint's path, its config, and what tells both files from others."""
    path, config_path = Path(checkpoint), Path(config_file or Path(checkpoint).with_name("config.yaml"))
    if not path.is_file():
        raise UserError(f"the checkpoint {path} does not exist; `make quickstart` trains one")
    load_checkpoint(path)  # what is no checkpoint at all needs no config
    if not config_path.is_file():
        raise UserError(
            f"{config_path} does not exist: name the YAML of the checkpoint's model with --config"
        )
    config = load_config(config_path, task=task)
    files = [path, config_path, *(config[key] for key in ("body", "regressor") if config.get(key))]
    return path, config, [file_identity(file) for file in files if Path(file).exists()]


@dataclass(frozen=True)
class Person:
    """One person's result on its way: the track, the folder's stages, the joints in 3D, the files so far."""

    track: Track
    stages: Stages
    world: WorldMotion
    mesh: tuple[MeshMotion, Skin] | None
    files: list[Path]


def infer(
    arguments: argparse.Namespace, models: Models, video: Path | None, keypoint_file: Path | None, out: Path
) -> None:
    """Everything for one video, into the folder ``out``."""
    progress = Progress()
    footage = open_footage(video, keypoint_file, arguments.size, arguments.rate)
    refuse_own_results(video, out)
    if arguments.anonymize:
        remove_pictures_with_faces(out)
    stages = Stages(out, arguments.force)
    detections = find_people(arguments, stages, progress, footage, models)
    tracks = build_tracks(detections, fps=footage.fps)
    people = []
    for track in choose_tracks(tracks, arguments.focus):
        folder = out / f"person_{track.id}" if arguments.focus == "all" else out
        of_track = stages if folder == out else Stages(folder, arguments.force, after=stages.key)
        world, files = lift_track(
            arguments, of_track, progress, footage, models, track, detections.num_frames
        )
        mesh, mesh_files = lift_body(arguments, of_track, progress, footage, models.mesh, track, world)
        files += mesh_files + export(of_track, progress, world)
        people.append(Person(track, of_track, world, mesh, files))
    videos = render(arguments, stages, progress, footage, models, detections, tracks, people)
    for person in people:
        facts = summarize(footage, detections, tracks, person.track, person.world)
        files = [path for path in videos if path.parent in (out, person.stages.folder)] + person.files
        page = make_page(person, progress, footage, facts, files)
        print(closing_lines(person.stages, progress, facts, person.world, [page, *files]))
    print(table_of_people(tracks, detections.num_frames))


def find_people(
    arguments: argparse.Namespace, stages: Stages, progress: Progress, footage: Footage, models: Models
) -> Detections:
    """Stage 1: keypoints of everybody, from a file, or from the detector and then kept in detections.npz."""

    def check(skeleton: Skeleton) -> None:
        """What can be refused is refused before the video is gone through."""
        for model in filter(None, (models.joints, models.mesh)):
            check_can_feed(skeleton, model.skeleton)
        if arguments.anonymize:
            check_can_anonymize(skeleton)

    video = footage.video and file_identity(footage.video.path)
    if footage.keypoint_file is not None:
        detections = read_keypoints(
            footage.keypoint_file,
            joint_format=arguments.keypoints,
            size_px=footage.size_px,
            num_frames=footage.num_stored_frames,
            fps=footage.fps,
        )
        check(detections.skeleton)
        stages.depends_on(
            file=file_identity(footage.keypoint_file),
            video=video,
            joint_format=detections.skeleton.name,
            size_px=footage.size_px,
            fps=footage.fps,
        )
        return footage.at_constant_rate(detections)
    path = stages.folder / "detections.npz"
    options = parse_overrides(arguments.detector_option, "--detector_option")
    load = partial(Detections.load, path)
    with stages.stage(
        "detect", [path], load, video=video, detector=arguments.detector, options=options
    ) as stored:
        if stored is not None:
            check(stored.skeleton)
            return stored
        if arguments.device and "device" in inspect.signature(DETECTORS.get(arguments.detector)).parameters:
            options.setdefault("device", arguments.device)
        detector = build_detector(arguments.detector, **options)
        check(detector.skeleton)
        with (
            closing_detector(detector),
            progress.bar("detect", footage.num_frames) as advance,
        ):
            detections = detect(
                detector,
                read_frames(footage.video),
                source=footage.name,
                fps=footage.fps,
                size_px=footage.size_px,
                progress=advance,
            )
        detections.save(path)
    return detections


def lift_track(
    arguments: argparse.Namespace,
    stages: Stages,
    progress: Progress,
    footage: Footage,
    models: Models,
    track: Track,
    num_frames: int,
) -> tuple[WorldMotion, list[Path]]:
    """Stage 2: one person in 3D, and the files that hold it."""
    model = models.main
    names = ("X3D.npy", "X3D_world.npz", "keypoints_2d.npz")
    files = x3d, x3d_world, keypoints = [stages.folder / name for name in names]
    inputs = {name: getattr(arguments, name) for name in LIFT_OPTIONS}
    load = partial(WorldMotion.load, x3d_world, model.skeleton)
    with stages.stage("lift", files, load, track=track.id, models=models.identity, **inputs) as stored:
        if stored is not None:
            return stored, files
        motion, frames, flag = motion_of(track, model, footage)
        with progress.bar("lift", motion.num_frames) as advance:
            if models.joints:
                lifted = lift(model, motion, progress=advance)
            else:
                network = models.mesh.network
                mesh = lift_mesh(models.mesh, motion, progress=advance)
                lifted = motion_of_mesh(mesh, network.body, network.regressor, motion)
        if arguments.smooth:
            lifted = smooth(lifted, arguments.smooth)
        world = make_world(
            lifted,
            frames,
            flag,
            num_frames=num_frames,
            stature_m=arguments.stature,
            pitch_deg=arguments.pitch,
            focal_px=arguments.focal,
        )
        if arguments.smooth:
            world = replace(world, notes=(*world.notes, f"Joints are {smoothing_note(arguments.smooth)}."))
        save_keypoints(keypoints, track, motion, frames, flag, num_frames)
        save_poses(x3d, to_motionbert_units(lifted, model, pixel=arguments.pixel), frames, num_frames)
        world.save(x3d_world)
    return world, files


def motion_of(track: Track, model: Lifter, footage: Footage) -> tuple[Motion, np.ndarray, np.ndarray]:
    """A track in a model's joint format: motion, its frames of the video, flags."""
    return track_motion(track, model.skeleton, fps=footage.fps, size_px=footage.size_px, source=footage.name)


def lift_body(
    arguments: argparse.Namespace,
    stages: Stages,
    progress: Progress,
    footage: Footage,
    model: MeshLifter | None,
    track: Track,
    world: WorldMotion,
) -> tuple[tuple[MeshMotion, Skin] | None, list[Path]]:
    """Stage 2b, with --mesh: the person's body, placed where the joints are, and the files that hold it."""
    if model is None:
        return None, []
    body, regressor = model.network.body, model.network.regressor
    files = mesh_npz, mesh_glb = [stages.folder / name for name in ("mesh.npz", "mesh.glb")]
    with stages.stage("mesh", files, partial(MeshMotion.load, mesh_npz)) as mesh:
        if mesh is None:
            motion, frames, _ = motion_of(track, model, footage)
            with progress.bar("mesh", motion.num_frames) as advance:
                mesh = lift_mesh(model, motion, progress=advance)
            # a body of the given height, or of height 1 where units are arbitrary
            mesh = place_mesh(mesh, body, regressor, world, frames, stature=arguments.stature or 1.0)
            mesh.save(mesh_npz)
            write_gltf(mesh_glb, mesh, skin_of(body, mesh))
    return (mesh, skin_of(body, mesh)), files


def export(stages: Stages, progress: Progress, world: WorldMotion) -> list[Path]:
    """Stage 3: files for other programs, made from the 3D result alone."""
    exports = {stages.folder / export.file_name: export for export in map(EXPORTS.get, EXPORTS.names())}
    with stages.stage("export", list(exports)) as stored:
        if stored is None:
            with progress.bar("export", world.num_frames) as advance:
                for path, (_, write) in exports.items():
                    write(path, world)
                    advance(world.num_frames / len(exports))
    return list(exports)


def render(
    arguments: argparse.Namespace,
    stages: Stages,
    progress: Progress,
    footage: Footage,
    models: Models,
    detections: Detections,
    tracks: list[Track],
    people: list[Person],
) -> list[Path]:
    """Stage 4: everybody's skeleton on the video, and each person in 3D; no files if nothing may be rendered."""
    if arguments.no_render:
        return []  # videos that lie there from other options, perhaps with faces, are none of this result
    overlay = stages.folder / "overlay.mp4"
    tasks = {person.stages.folder / "X3D.mp4": partial(render_world, world=person.world) for person in people}
    for person in people:
        if person.mesh:
            draw = partial(render_mesh, mesh=person.mesh[0], body=models.mesh.network.body)
            tasks[person.stages.folder / "mesh.mp4"] = draw
    if footage.video:
        tasks[overlay] = partial(
            render_overlay,
            video=footage.video,
            tracks=tracks,
            anonymize=HeadBlur(detections) if arguments.anonymize else None,
        )
    stages.depends_on(people=[person.stages.key for person in people])
    with stages.stage("render", list(tasks), anonymize=arguments.anonymize) as stored:
        if stored is None:
            with progress.bar("render", detections.num_frames) as advance:
                # side by side, because each spends half of its time waiting for its encoder
                side_by_side([partial(draw_to, draw, path) for path, draw in tasks.items()], advance)
    return list(tasks)


def draw_to(draw: Callable[..., None], path: Path, progress: Callable[[int], object]) -> None:
    draw(path, progress=progress)


def make_page(
    person: Person, progress: Progress, footage: Footage, facts: dict[str, str], files: list[Path]
) -> Path:
    """Stage 5: report.html, which shows it all in a browser."""
    stages, world = person.stages, person.world
    path = stages.folder / "report.html"
    overlays = [file for file in files if file.name == "overlay.mp4"]
    stages.depends_on(pictures=[file_identity(file) for file in overlays])
    with stages.stage("page", [path], shown=[file.name for file in files], facts=facts) as stored:
        if stored is None:
            with progress.bar("page", world.num_frames) as advance:
                write_page(
                    path,
                    world=world,
                    mesh=person.mesh,
                    overlay=overlays[0] if overlays else None,
                    summary=facts,
                    downloads=files,
                    title=footage.name,
                )
                advance(world.num_frames)
    return path


def run() -> int:
    """``main`` with mistakes of the user told in one line; the exit code."""
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(143)
    )  # as an exception, so that nothing half-written stays
    try:
        return main()
    except (UserError, OSError) as error:
        print(error_line(error), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on with the stage that was running", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(run())
