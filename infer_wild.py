#!/usr/bin/env python
"""Any video in, 3D out: keypoints, joints in 3D, files for other programs, pictures and a page to look at.

python infer_wild.py --vid_path clip.mp4 --out_path out -e runs/quickstart/best_epoch.bin
python infer_wild.py --vid_path clip.mp4 --json_path alphapose-results.json --out_path out -e CHECKPOINT --config CONFIG
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

# as in train.py: CPU threads that wait spin for a short time only; OpenMP reads this when torch is imported
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

from lib import engine
from lib.config import load_config, parse_overrides
from lib.errors import UserError
from lib.skeleton import conversion, load_skeleton
from lib.wild.anonymize import HeadBlur
from lib.wild.arrays import save_keypoints, save_poses
from lib.wild.detectors import DETECTORS, build_detector, detect
from lib.wild.exports import EXPORTS
from lib.wild.footage import Footage, list_footage, open_footage
from lib.wild.keypoint_files import read_keypoints
from lib.wild.lift import lift, to_motionbert_units
from lib.wild.lifter import Lifter, load_lifter
from lib.wild.page import write_page
from lib.wild.records import Detections, Track, WorldMotion
from lib.wild.render import render_overlay, render_world
from lib.wild.smooth import SMOOTHERS, smooth, smoothing_note
from lib.wild.stages import Stages, file_identity
from lib.wild.summary import closing_lines, summarize
from lib.wild.track_motion import track_motion
from lib.wild.tracks import build_tracks, choose_tracks
from lib.wild.video import read_frames
from lib.wild.world import check_body_and_camera, make_world

logger = logging.getLogger("ergolift")

# flags that change what comes out of stage 2
LIFT_OPTIONS = ("clip_len", "fps", "pixel", "no_flip", "smooth", "precision", "stature", "pitch", "focal")


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
        help="such as people=1; see docs/detectors.md",
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
    pairs = list_footage(arguments.vid_path, arguments.json_path)
    model = load_model(arguments)
    failed = []
    for video, keypoint_file in pairs:
        name = (video or keypoint_file).stem
        out = Path(arguments.out_path)
        try:
            infer(arguments, model, video, keypoint_file, out / name if len(pairs) > 1 else out)
        except UserError as error:
            if len(pairs) == 1:
                raise
            failed.append(name)
            logger.error(f"error: {name}: {error}")
    if failed:
        raise UserError(f"{len(failed)} of {len(pairs)} failed ({', '.join(failed)}); the others are done")
    return 0


def load_model(arguments: argparse.Namespace) -> Lifter:
    """The lifter of ``-e`` with the config beside it, or the one that ``--config`` names."""
    if not arguments.evaluate:
        raise UserError(
            "no model is shipped yet: name a checkpoint with -e. `make quickstart` trains one in a few minutes: "
            "-e runs/quickstart/best_epoch.bin"
        )
    checkpoint = Path(arguments.evaluate)
    if not checkpoint.is_file():
        raise UserError(f"the checkpoint {checkpoint} (-e) does not exist; `make quickstart` trains one")
    config_path = Path(arguments.config or checkpoint.with_name("config.yaml"))
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


def infer(
    arguments: argparse.Namespace, model: Lifter, video: Path | None, keypoint_file: Path | None, out: Path
) -> None:
    """Everything for one video, into the folder ``out``."""
    footage = open_footage(video, keypoint_file, arguments.size, arguments.rate)
    stages = Stages(out, arguments.force)
    detections = find_people(arguments, stages, footage, model)
    tracks = build_tracks(detections, fps=footage.fps)
    for track in choose_tracks(tracks, arguments.focus):
        folder = out / f"person_{track.id}" if arguments.focus == "all" else out
        of_track = stages if folder == out else Stages(folder, arguments.force, after=stages)
        world, arrays = lift_track(arguments, of_track, footage, model, track, detections.num_frames)
        exports = export(of_track, world)
        videos = render(arguments, of_track, footage, detections, track, world)
        files = [*videos, *arrays, *exports]
        facts = summarize(footage, detections, tracks, track, world)
        page = make_page(of_track, footage, world, facts, files)
        print(closing_lines(of_track, facts, tracks, detections.num_frames, [page, *files]))


def find_people(arguments: argparse.Namespace, stages: Stages, footage: Footage, model: Lifter) -> Detections:
    """Stage 1: keypoints of everybody, from the detector or from a file; kept in detections.npz."""
    path = stages.folder / "detections.npz"
    if footage.keypoint_file is not None:
        # files are read every time: it takes a moment
        detections = read_keypoints(
            footage.keypoint_file,
            joint_format=arguments.keypoints,
            size_px=footage.size_px,
            num_frames=footage.num_stored_frames,
            fps=footage.fps,
        )
        conversion(detections.skeleton, model.skeleton, log=False)
        stages.due(
            "keypoints", [], file=file_identity(footage.keypoint_file), size=footage.size_px, fps=footage.fps
        )
        return footage.at_constant_rate(detections)
    options = parse_overrides(arguments.detector_option, "--detector_option")
    identity = {
        "video": file_identity(footage.video.path),
        "detector": arguments.detector,
        "options": options,
    }
    if not stages.due("detect", [path], **identity):
        return Detections.load(path)
    detector = build_detector(arguments.detector, **options)
    conversion(detector.skeleton, model.skeleton, log=False)  # refused before the video is gone through
    with stages.bar("detect", footage.num_frames) as bar:
        detections = detect(
            detector,
            read_frames(footage.video),
            source=footage.name,
            fps=footage.fps,
            size_px=footage.size_px,
            progress=bar.update,
        )
    detections.save(path)
    stages.finish("detect")
    return detections


def lift_track(
    arguments: argparse.Namespace,
    stages: Stages,
    footage: Footage,
    model: Lifter,
    track: Track,
    num_frames: int,
) -> tuple[WorldMotion, list[Path]]:
    """Stage 2: one person in 3D, and the files that hold it."""
    names = ("X3D.npy", "X3D_world.npz", "keypoints_2d.npz")
    files = x3d, x3d_world, keypoints = [stages.folder / name for name in names]
    options = {name: getattr(arguments, name) for name in LIFT_OPTIONS}
    if not stages.due("lift", files, track=track.id, model=file_identity(arguments.evaluate), **options):
        return WorldMotion.load(x3d_world, model.skeleton), files
    motion, frames, flag = track_motion(
        track, model.skeleton, fps=footage.fps, size_px=footage.size_px, source=footage.name
    )
    with stages.bar("lift", motion.num_frames) as bar:
        lifted = lift(model, motion, progress=bar.update)
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
    stages.finish("lift")
    return world, files


def export(stages: Stages, world: WorldMotion) -> list[Path]:
    """Stage 3: files for other programs, made from the 3D result alone."""
    exports = {stages.folder / export.file_name: export for export in map(EXPORTS.get, EXPORTS.names())}
    if stages.due("export", list(exports)):
        with stages.bar("export", world.num_frames * len(exports)) as bar:
            for path, (_, write) in exports.items():
                write(path, world)
                bar.update(world.num_frames)
        stages.finish("export")
    return list(exports)


def render(
    arguments: argparse.Namespace,
    stages: Stages,
    footage: Footage,
    detections: Detections,
    track: Track,
    world: WorldMotion,
) -> list[Path]:
    """Stage 4: the skeleton on the video, and the person in 3D; no files where nothing may be rendered."""
    overlay, video_3d = stages.folder / "overlay.mp4", stages.folder / "X3D.mp4"
    files = [overlay, video_3d] if footage.video else [video_3d]
    if not stages.due("render", files, anonymize=arguments.anonymize):
        return files
    if arguments.no_render:
        return []  # a video that lies there from other options, perhaps with faces, is none of this result
    with stages.bar("render", detections.num_frames * len(files)) as bar, ThreadPoolExecutor() as threads:
        # side by side, because each spends half of its time waiting for its encoder
        tasks = [threads.submit(render_world, video_3d, world, progress=bar.update)]
        if footage.video:
            blur = HeadBlur(detections) if arguments.anonymize else None
            draw = partial(render_overlay, overlay, footage.video, [track], anonymize=blur)
            tasks.append(threads.submit(draw, progress=bar.update))
        for task in tasks:
            task.result()
    stages.finish("render")
    return files


def make_page(
    stages: Stages, footage: Footage, world: WorldMotion, facts: dict[str, str], files: list[Path]
) -> Path:
    """Stage 5: report.html, which shows it all in a browser."""
    path, overlay = stages.folder / "report.html", stages.folder / "overlay.mp4"
    if stages.due("page", [path], files=[file.name for file in files]):
        with stages.bar("page", world.num_frames) as bar:
            write_page(
                path,
                world=world,
                overlay=overlay if overlay in files else None,
                summary=facts,
                downloads=files,
                title=footage.name,
            )
            bar.update(world.num_frames)
        stages.finish("page")
    return path


def run() -> int:
    """``main`` with a user's mistakes, and a disk that cannot be written to, told in one line; the exit code."""
    try:
        return main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        what = f"cannot write {error.filename}" if error.filename else "cannot write the results"
        print(
            f"error: {what}: {error.strerror or error}; free some space or name another --out_path",
            file=sys.stderr,
        )
    except KeyboardInterrupt:
        print("stopped; the same command goes on with the stage that was running", file=sys.stderr)
        return 130
    return 2


if __name__ == "__main__":
    sys.exit(run())
