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
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NoReturn

# as in train.py: CPU threads that wait spin for a short time only; OpenMP reads this when torch is imported
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

from lib import engine
from lib.checkpoint import load_checkpoint
from lib.config import load_config, parse_overrides
from lib.errors import UserError
from lib.skeleton import Skeleton, conversion, load_skeleton
from lib.wild.anonymize import HeadBlur, check_can_anonymize
from lib.wild.arrays import save_keypoints, save_poses
from lib.wild.detectors import DETECTORS, build_detector, detect
from lib.wild.exports import EXPORTS
from lib.wild.footage import Footage, list_footage, open_footage
from lib.wild.keypoint_files import read_keypoints
from lib.wild.lift import lift, to_motionbert_units
from lib.wild.lifter import Lifter, load_lifter
from lib.wild.page import write_page
from lib.wild.progress import Progress, side_by_side
from lib.wild.records import Detections, Track, WorldMotion
from lib.wild.render import render_overlay, render_world
from lib.wild.smooth import SMOOTHERS, smooth, smoothing_note
from lib.wild.stages import STAGES_FILE, Stages, file_identity, stored_inputs
from lib.wild.summary import closing_lines, summarize, table_of_people
from lib.wild.track_motion import track_motion
from lib.wild.tracks import build_tracks, choose_tracks
from lib.wild.video import read_frames
from lib.wild.world import check_body_and_camera, make_world

logger = logging.getLogger("ergolift")

# flags that change what comes out of stage 2
LIFT_OPTIONS = ("clip_len", "fps", "pixel", "no_flip", "smooth", "precision", "stature", "pitch", "focal")


class OneLineParser(argparse.ArgumentParser):
    """Tells a wrong flag as every other mistake."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; --help lists the flags")


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument_group("what goes in and where it goes").add_argument
    add("-v", "--vid_path", nargs="+", default=[], metavar="VIDEO", help="videos, or folders of them")
    add(
        "-j", "--json_path", nargs="+", default=[], metavar="FILE", help="keypoint file of each (no detector)"
    )
    add("-o", "--out_path", required=True, metavar="FOLDER", help="where the results are written")
    add("--keypoints", metavar="FORMAT", help="joint format of the keypoint file, where it does not tell")
    add("--size", metavar="WxH", help="size of the image in px, for a keypoint file without its video")
    add("--rate", type=float, metavar="FPS", help="frames per second of a keypoint file without its video")
    add = parser.add_argument_group("the people").add_argument
    add("--detector", choices=DETECTORS.names(), default="mediapipe", help="[%(default)s]")
    add(
        "--detector_option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="such as people=1; see docs/add_detector.md",
    )
    add("--focus", default="longest", metavar="WHO", help="an id, largest, longest or all [%(default)s]")
    add("--stature", type=float, metavar="M", help="the person's height, for results in metres")
    add("--pitch", type=float, metavar="DEG", help="how far the camera looks down [estimated]")
    add("--focal", type=float, metavar="PX", help="focal length of the camera in px [1.2 x the longer side]")
    add = parser.add_argument_group("the model").add_argument
    add("-e", "--evaluate", metavar="CHECKPOINT", help="weights of the lifter")
    add("--config", metavar="FILE", help="its YAML [config.yaml beside the checkpoint]")
    add("--clip_len", type=int, metavar="FRAMES", help="frames the model sees at once [the config's]")
    add(
        "--fps",
        type=float,
        help="frame rate that the model runs at, such as that of its training [the video's]",
    )
    add("--pixel", action="store_true", help="input and X3D.npy in MotionBERT's --pixel scale")
    add("--no_flip", action="store_true", help="no average with the mirrored input: twice as fast")
    add("--smooth", choices=SMOOTHERS.names(), help="smooth the joints in 3D [off]")
    add("--device", help="cpu, cuda or cuda:1 [a CUDA GPU if there is one]")
    add("--precision", choices=["fp32", "bf16"], default="fp32", help="number format [%(default)s]")
    add = parser.add_argument_group("the results").add_argument
    add("--anonymize", action="store_true", help="blur the heads of everybody found, in every picture")
    add("--no_render", action="store_true", help="make no videos")
    add("--force", action="store_true", help="run every stage again, also those whose results are there")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    arguments = parse_arguments(argv)
    check_body_and_camera(arguments.stature, arguments.pitch, arguments.focal)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    inputs = list_footage(arguments.vid_path, arguments.json_path)
    for note in useless_flags(arguments):
        logger.warning(note)
    model = load_model(arguments)
    failed = []
    for video, keypoint_file, name in inputs:
        try:
            infer(arguments, model, video, keypoint_file, Path(arguments.out_path, name))
        except (UserError, OSError) as error:
            if len(inputs) == 1 or getattr(error, "errno", None) == errno.ENOSPC:
                raise
            failed.append(name)
            logger.error(f"{name}: {error_line(error)}")
    if failed:
        raise UserError(f"{len(failed)} of {len(inputs)} failed ({', '.join(failed)}); the others are done")
    return 0


def load_model(arguments: argparse.Namespace) -> Lifter:
    """The lifter of ``-e``, with the config beside it or the one that ``--config`` names."""
    if not arguments.evaluate:
        raise UserError(
            "no model is shipped yet: name a checkpoint with -e. `make quickstart` trains one in a few minutes: "
            "-e runs/quickstart/best_epoch.bin"
        )
    checkpoint, config_path = Path(arguments.evaluate), config_file(arguments)
    if not checkpoint.is_file():
        raise UserError(f"the checkpoint {checkpoint} (-e) does not exist; `make quickstart` trains one")
    load_checkpoint(checkpoint)  # what is no checkpoint at all needs no config
    if not config_path.is_file():
        raise UserError(
            f"{config_path} does not exist: name the YAML of the checkpoint's model with --config"
        )
    config = load_config(config_path, task="pose3d")
    return load_lifter(
        checkpoint,
        config=config,
        skeleton=load_skeleton(config.joint_format).with_root(*config.root),
        runtime=engine.start_runtime(arguments.precision, arguments.device, config.threads),
        clip_len=arguments.clip_len,
        flip=not arguments.no_flip,
        pixel=arguments.pixel,
        model_fps=arguments.fps,
    )


def config_file(arguments: argparse.Namespace) -> Path:
    return Path(arguments.config or Path(arguments.evaluate).with_name("config.yaml"))


def useless_flags(arguments: argparse.Namespace) -> list[str]:
    """One line for each given flag that does nothing beside the others."""
    notes = []
    if arguments.vid_path:
        notes += [
            f"--{flag} has no effect: the video tells"
            for flag in ("size", "rate")
            if getattr(arguments, flag)
        ]
    if arguments.keypoints and not arguments.json_path:
        notes.append("--keypoints has no effect without --json_path")
    if arguments.detector_option and arguments.json_path:
        notes.append("--detector_option has no effect: the keypoints come from --json_path")
    return notes


@dataclass(frozen=True)
class Person:
    """One person's result on its way: the track, the folder's stages, the joints in 3D, the files so far."""

    track: Track
    stages: Stages
    world: WorldMotion
    files: list[Path]


def infer(
    arguments: argparse.Namespace, model: Lifter, video: Path | None, keypoint_file: Path | None, out: Path
) -> None:
    """Everything for one video, into the folder ``out``."""
    progress = Progress()
    footage = open_footage(video, keypoint_file, arguments.size, arguments.rate)
    refuse_own_results(video, out)
    if arguments.anonymize:
        remove_pictures_with_faces(out)
    stages = Stages(out, arguments.force)
    detections = find_people(arguments, stages, progress, footage, model)
    tracks = build_tracks(detections, fps=footage.fps)
    people = []
    for track in choose_tracks(tracks, arguments.focus):
        folder = out / f"person_{track.id}" if arguments.focus == "all" else out
        of_track = stages if folder == out else Stages(folder, arguments.force, after=stages.key)
        world, files = lift_track(arguments, of_track, progress, footage, model, track, detections.num_frames)
        files += export(of_track, progress, world)
        people.append(Person(track, of_track, world, files))
    videos = render(arguments, stages, progress, footage, detections, tracks, people)
    for person in people:
        facts = summarize(footage, detections, tracks, person.track, person.world)
        files = [path for path in videos if path.parent in (out, person.stages.folder)] + person.files
        page = make_page(person.stages, progress, footage, person.world, facts, files)
        print(closing_lines(person.stages, progress, facts, person.world, [page, *files]))
    print(table_of_people(tracks, detections.num_frames))


def find_people(
    arguments: argparse.Namespace, stages: Stages, progress: Progress, footage: Footage, model: Lifter
) -> Detections:
    """Stage 1: keypoints of everybody, from a file, or from the detector and then kept in detections.npz."""

    def check(skeleton: Skeleton) -> None:
        """What can be refused is refused before the video is gone through."""
        conversion(skeleton, model.skeleton, log=False)
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
            closing(detector) if hasattr(detector, "close") else nullcontext(),
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
    model: Lifter,
    track: Track,
    num_frames: int,
) -> tuple[WorldMotion, list[Path]]:
    """Stage 2: one person in 3D, and the files that hold it."""
    names = ("X3D.npy", "X3D_world.npz", "keypoints_2d.npz")
    files = x3d, x3d_world, keypoints = [stages.folder / name for name in names]
    inputs = {name: getattr(arguments, name) for name in LIFT_OPTIONS}
    model_files = [file_identity(arguments.evaluate), file_identity(config_file(arguments))]
    load = partial(WorldMotion.load, x3d_world, model.skeleton)
    with stages.stage("lift", files, load, track=track.id, model=model_files, **inputs) as stored:
        if stored is not None:
            return stored, files
        motion, frames, flag = track_motion(
            track, model.skeleton, fps=footage.fps, size_px=footage.size_px, source=footage.name
        )
        with progress.bar("lift", motion.num_frames) as advance:
            lifted = lift(model, motion, progress=advance)
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
    detections: Detections,
    tracks: list[Track],
    people: list[Person],
) -> list[Path]:
    """Stage 4: everybody's skeleton on the video, and each person in 3D; no files if nothing may be rendered."""
    if arguments.no_render:
        return []  # videos that lie there from other options, perhaps with faces, are none of this result
    overlay = stages.folder / "overlay.mp4"
    tasks = {person.stages.folder / "X3D.mp4": partial(render_world, world=person.world) for person in people}
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
    stages: Stages,
    progress: Progress,
    footage: Footage,
    world: WorldMotion,
    facts: dict[str, str],
    files: list[Path],
) -> Path:
    """Stage 5: report.html, which shows it all in a browser."""
    path = stages.folder / "report.html"
    overlays = [file for file in files if file.name == "overlay.mp4"]
    stages.depends_on(pictures=[file_identity(file) for file in overlays])
    with stages.stage("page", [path], shown=[file.name for file in files], facts=facts) as stored:
        if stored is None:
            with progress.bar("page", world.num_frames) as advance:
                write_page(
                    path,
                    world=world,
                    overlay=overlays[0] if overlays else None,
                    summary=facts,
                    downloads=files,
                    title=footage.name,
                )
                advance(world.num_frames)
    return path


def refuse_own_results(video: Path | None, out: Path) -> None:
    """A video that this run would write over is no input."""
    if video is not None and video.resolve() in [
        (out / name).resolve() for name in ("overlay.mp4", "X3D.mp4")
    ]:
        raise UserError(f"{video} would be written over by the result: name another --out_path")


def remove_pictures_with_faces(out: Path) -> None:
    """Videos and pages that an earlier run has left in a folder of results without blurring the heads."""
    drawn = stored_inputs(out, "render")
    if (out / STAGES_FILE).exists() and not (drawn and drawn["anonymize"]):
        for folder in (out, *out.glob("person_*")):
            for name in ("overlay.mp4", "report.html"):
                (folder / name).unlink(missing_ok=True)


def error_line(error: UserError | OSError) -> str:
    """What went wrong and what to do, on one line."""
    if isinstance(error, UserError):
        return f"error: {error}"
    cures = {
        errno.ENOSPC: "free some space or name another --out_path",
        errno.EFBIG: "files may not be so large here: name another --out_path",
        errno.EACCES: "you may not write or read there: name another --out_path",
        errno.EROFS: "nothing can be written there: name another --out_path",
        errno.EEXIST: "there is a file of that name: name another --out_path",
        errno.ENOTDIR: "a part of the path is a file: name another --out_path",
    }
    where = f" {error.filename}" if error.filename else ""
    cure = f"; {cures[error.errno]}" if error.errno in cures else ""
    return f"error: cannot read or write{where}: {error.strerror or error}{cure}"


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
