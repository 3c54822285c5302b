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
from dataclasses import replace
from pathlib import Path

# as in train.py: CPU threads that wait spin for a short time only; OpenMP reads this when torch is imported
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

import numpy as np
from lib.wild.anonymize import HeadBlur
from lib.wild.render import render_overlay, render_world

from lib import engine
from lib.config import load_config
from lib.errors import UserError
from lib.evaluate import table
from lib.files import atomic_path
from lib.skeleton import conversion, load_skeleton
from lib.wild.detectors import DETECTORS, build_detector, detect
from lib.wild.exports import EXPORTS
from lib.wild.footage import Footage, list_footage, open_footage
from lib.wild.keypoint_files import read_keypoints
from lib.wild.lift import lift, to_motionbert_units
from lib.wild.lifter import Lifter, load_lifter
from lib.wild.page import write_page
from lib.wild.records import Detections, Flag, Track, WorldMotion, save_npz
from lib.wild.smooth import SMOOTHERS, smooth, smoothing_note
from lib.wild.stages import Stages, file_identity
from lib.wild.track_motion import track_motion
from lib.wild.tracks import build_tracks, choose_tracks, track_summary
from lib.wild.video import read_frames
from lib.wild.world import make_world

logger = logging.getLogger("ergolift")

PAGE = "report.html"
TRACK_COLUMNS = {
    "first_frame": "first frame",
    "last_frame": "last frame",
    "frames_seen": "frames seen",
    "mean_height_px": "height px",
}


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
    check_numbers(arguments)
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
        world = lift_track(arguments, of_track, footage, model, detections, track)
        export(of_track, world)
        if not arguments.no_render:
            render(arguments, of_track, footage, detections, track, world)
        facts = summarize(footage, detections, tracks, track, world)
        make_page(of_track, footage, world, facts)
        print(closing_lines(of_track, facts, tracks, detections.num_frames))


def find_people(arguments: argparse.Namespace, stages: Stages, footage: Footage, model: Lifter) -> Detections:
    """Stage 1: keypoints of everybody, from the detector or from a file; kept in detections.npz."""
    path = stages.folder / "detections.npz"
    if footage.keypoint_file is not None:
        # files are read every time: it takes a moment
        detections = read_keypoints(
            footage.keypoint_file,
            joint_format=arguments.keypoints,
            size_px=footage.size_px,
            num_frames=footage.num_frames,
            fps=footage.fps,
        )
        conversion(detections.skeleton, model.skeleton, log=False)
        stages.due(
            "keypoints", [], file=file_identity(footage.keypoint_file), size=footage.size_px, fps=footage.fps
        )
        return detections
    if not stages.due("detect", [path], video=file_identity(footage.video.path), detector=arguments.detector):
        return Detections.load(path)
    detector = build_detector(arguments.detector)
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
    detections: Detections,
    track: Track,
) -> WorldMotion:
    """Stage 2: one person in 3D: keypoints_2d.npz, X3D.npy and X3D_world.npz."""
    keypoints, x3d, x3d_world = (
        stages.folder / name for name in ("keypoints_2d.npz", "X3D.npy", "X3D_world.npz")
    )
    options = {
        name: getattr(arguments, name)
        for name in (
            "clip_len",
            "fps",
            "pixel",
            "no_flip",
            "smooth",
            "precision",
            "stature",
            "pitch",
            "focal",
        )
    }
    model_identity = file_identity(arguments.evaluate)
    if not stages.due("lift", [keypoints, x3d, x3d_world], track=track.id, model=model_identity, **options):
        return WorldMotion.load(x3d_world, model.skeleton)
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
        num_frames=detections.num_frames,
        stature_m=arguments.stature,
        pitch_deg=arguments.pitch,
        focal_px=arguments.focal,
    )
    if arguments.smooth:
        world = replace(world, notes=(*world.notes, f"Joints are {smoothing_note(arguments.smooth)}."))

    def over_all_frames(values: np.ndarray) -> np.ndarray:
        """Rows of the frames in which the person is present among NaN for the others."""
        filled = np.full((detections.num_frames, *values.shape[1:]), np.nan, np.float32)
        filled[frames] = values
        return filled

    raw = np.full((detections.num_frames, *track.keypoints.shape[1:]), np.nan, np.float32)
    raw[track.start : track.stop] = np.where(track.flag[..., None] == Flag.SEEN, track.keypoints, np.nan)
    save_npz(
        keypoints,
        {
            "keypoints": over_all_frames(motion.keypoints),
            "flag": world.flag,
            "joints": np.array(model.skeleton.joints),
            "raw": raw,
            "raw_joints": np.array(track.skeleton.joints),
            "fps": footage.fps,
            "size_px": np.array(footage.size_px),
            "track_id": track.id,
        },
    )
    with atomic_path(x3d) as temporary:
        np.save(temporary, over_all_frames(to_motionbert_units(lifted, model, pixel=arguments.pixel)))
    world.save(x3d_world)
    stages.finish("lift")
    return world


def export(stages: Stages, world: WorldMotion) -> None:
    """Stage 3: files for other programs, made from the 3D result alone."""
    exports = {stages.folder / export.file_name: export for export in map(EXPORTS.get, EXPORTS.names())}
    if stages.due("export", list(exports)):
        with stages.bar("export", world.num_frames * len(exports)) as bar:
            for path, (_, write) in exports.items():
                write(path, world)
                bar.update(world.num_frames)
        stages.finish("export")


def render(
    arguments: argparse.Namespace,
    stages: Stages,
    footage: Footage,
    detections: Detections,
    track: Track,
    world: WorldMotion,
) -> None:
    """Stage 4: the skeleton on the video, and the person in 3D."""
    overlay, video_3d = stages.folder / "overlay.mp4", stages.folder / "X3D.mp4"
    made = [overlay, video_3d] if footage.video else [video_3d]
    if not stages.due("render", made, anonymize=arguments.anonymize):
        return
    with stages.bar("render", detections.num_frames * len(made)) as bar:
        if footage.video:
            blur = HeadBlur(detections) if arguments.anonymize else None
            render_overlay(overlay, footage.video, [track], anonymize=blur, progress=bar.update)
        render_world(video_3d, world, progress=bar.update)
    stages.finish("render")


def make_page(stages: Stages, footage: Footage, world: WorldMotion, facts: dict[str, str]) -> None:
    """Stage 5: report.html, which shows it all in a browser."""
    path, overlay = stages.folder / PAGE, stages.folder / "overlay.mp4"
    downloads = result_files(stages.folder)
    if stages.due("page", [path], downloads=[file.name for file in downloads]):
        with stages.bar("page", world.num_frames) as bar:
            write_page(
                path,
                world=world,
                overlay=overlay if overlay.exists() else None,
                summary=facts,
                downloads=downloads,
                title=footage.name,
            )
            bar.update(world.num_frames)
        stages.finish("page")


def summarize(
    footage: Footage, detections: Detections, tracks: list[Track], track: Track, world: WorldMotion
) -> dict[str, str]:
    """What was found, in the words of the page and of the last lines in the terminal."""
    frames = detections.num_frames
    empty = sum(len(people) == 0 for people in detections.people)
    absent = int((~world.present).sum())
    in_between = int((world.present & ~seen_frames(track, frames)).sum())
    return {
        "video": f"{footage.name}, {frames} frames at {footage.fps:g} a second ({frames / footage.fps:.1f} s)",
        "people found": f"{len(tracks)}; this is person {track.id}",
        "frames without any detection": f"{empty} ({empty / frames:.0%})",
        "frames without this person": f"{absent} ({absent / frames:.0%}), {in_between} more are interpolated",
        "joints": f"{world.skeleton.name}, {world.skeleton.num_joints} joints",
        "units": "metres"
        if world.units == "m"
        else "arbitrary (1 = the person's height); --stature gives metres",
    }


def seen_frames(track: Track, num_frames: int) -> np.ndarray:
    """(F,) bool: frames in which some joint of the person was detected."""
    seen = np.zeros(num_frames, bool)
    seen[track.start : track.stop] = (track.flag == Flag.SEEN).any(-1)
    return seen


def result_files(folder: Path) -> list[Path]:
    """Files of a result that a person may want to open."""
    known = [
        "overlay.mp4", "X3D.mp4", "X3D.npy", "X3D_world.npz", "keypoints_2d.npz",
        *(EXPORTS.get(name).file_name for name in EXPORTS.names()),
    ]  # fmt: skip
    return [folder / name for name in known if (folder / name).exists()]


def closing_lines(stages: Stages, facts: dict[str, str], tracks: list[Track], num_frames: int) -> str:
    """What was found, how fast each stage was, and what lies in the folder."""
    lines = [f"{name + ':':<30} {value}" for name, value in facts.items()]
    if len(tracks) > 1:
        rows = {
            f"person {row['id']}": {**row, "frames_seen": row["seen_share"] * num_frames}
            for row in track_summary(tracks, num_frames)
        }
        lines += ["", table(rows, TRACK_COLUMNS, first="", digits=0), ""]
    if stages.seconds:
        rates = [f"{name} {num_frames / max(seconds, 1e-3):.0f}" for name, seconds in stages.seconds.items()]
        lines.append(f"{'frames a second:':<30} {', '.join(rates)}")
    if stages.skipped:
        lines.append(f"{'not run again (--force does):':<30} {', '.join(stages.skipped)}")
    files = ", ".join(path.name for path in [stages.folder / PAGE, *result_files(stages.folder)])
    return "\n".join([*lines, f"{'written to ' + str(stages.folder) + ':':<30} {files}"])


def check_numbers(arguments: argparse.Namespace) -> None:
    """Refuse numbers in the wrong unit before anything is read."""
    if arguments.stature is not None and not 0.3 <= arguments.stature <= 2.6:
        hint = f"; did you mean {arguments.stature / 100:g}?" if 30 <= arguments.stature <= 260 else ""
        raise UserError(f"--stature {arguments.stature:g} is no person's height in metres{hint}")
    if arguments.pitch is not None and not -90 < arguments.pitch < 90:
        raise UserError(
            f"--pitch {arguments.pitch:g}: degrees between -90 and 90, positive if the camera looks down"
        )


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
