#!/usr/bin/env python
"""Any video in, 3D out: keypoints, joints in 3D, files for other programs, pictures and a page to look at.

python infer_wild.py --vid_path clip.mp4 --out_path out
python infer_wild.py --vid_path clip.mp4 --out_path out -e runs/quickstart/best_epoch.bin
python infer_wild.py --vid_path clip.mp4 --json_path alphapose-results.json --out_path out -e CHECKPOINT --config CONFIG
python infer_wild.py --vid_path hand.mp4 --out_path out -e HAND_CHECKPOINT
python infer_wild.py --vid_path clip.mp4 --out_path out -e CHECKPOINT --hands HAND_CHECKPOINT

Without -e a shipped model lifts, which is chosen by the keypoints' joint format (python train.py --list_models).
"""

from __future__ import annotations

import argparse
import errno
import inspect
import logging
import os
import signal
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

# as in train.py: CPU threads that wait spin for a short time only; OpenMP reads this when torch is imported
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

import numpy as np

from lib import engine
from lib.body import load_body
from lib.body_regressor import keypoint_regressor
from lib.checkpoint import load_checkpoint
from lib.config import load_config, parse_overrides
from lib.data.motion import Motion
from lib.ergo.from_joints import check_can_score
from lib.errors import UserError, error_line
from lib.shipped import weights_file
from lib.skeleton import Skeleton, load_skeleton
from lib.wild.anonymize import check_can_anonymize
from lib.wild.arrays import save_keypoints, save_poses
from lib.wild.detectors import DETECTORS, build_detector, closing_detector, detect
from lib.wild.ergo import WorldErgo, assess_world, score_facts
from lib.wild.ergo_flags import check_lift_time, ergo_options
from lib.wild.faces import refuse_own_results, remove_pictures_with_faces
from lib.wild.feeding import check_can_feed
from lib.wild.flags import LIFT_OPTIONS, SHIPPED, parse_arguments, useless_flags
from lib.wild.footage import Footage, list_footage, open_footage
from lib.wild.hand_formats import bare_hand, hand_union, is_one_hand, side_lifted, sided_hand
from lib.wild.hand_stage import Hands, find_their_hands, only_hands_lack
from lib.wild.hands import GAP_S, LiftedHand, hands_note, join_hands, lift_hand
from lib.wild.keypoint_files import read_keypoints
from lib.wild.lift import lift, to_motionbert_units
from lib.wild.lifter import Lifter, load_lifter
from lib.wild.mesh import lift_mesh, motion_of_mesh, place_mesh
from lib.wild.mesh_gltf import write_gltf
from lib.wild.mesh_lifter import MeshLifter, check_is_mesh, load_mesh_lifter
from lib.wild.mesh_motion import MeshMotion
from lib.wild.progress import Progress
from lib.wild.records import Detections, Track, WorldMotion
from lib.wild.results import Person, remove_results_of, write_exports, write_report, write_videos
from lib.wild.rigid import RIGID_NOTE, rigid_limbs
from lib.wild.shipped_choice import shipped_hands, shipped_lifter
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
    check_body_and_camera(arguments.stature, arguments.pitch, arguments.focal, arguments.hand_length)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    inputs = list_footage(arguments.vid_path, arguments.json_path)
    models = load_models(arguments)
    if ergo_options(arguments):  # wrong flags are told before any video is read
        check_can_score(models.main.skeleton)
    for note in useless_flags(arguments, models.of_hands):
        logger.warning(note)
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
    """What lifts: a model of joints, one of bodies, or both, and one of hands beside them."""

    joints: Lifter | None
    mesh: MeshLifter | None
    hands: Lifter | None
    identity: list[object]
    """What tells the files of all models from others."""

    @property
    def main(self) -> Lifter:
        """The model whose joint format the result has."""
        return self.joints or self.mesh

    @property
    def of_hands(self) -> bool:
        """Whether they lift hands alone."""
        return is_one_hand(self.main.skeleton)

    def skeleton_of(self, track: Track) -> Skeleton:
        """Joint format of somebody's result."""
        if self.of_hands and track.side:
            return sided_hand(self.main.skeleton, track.side)
        if self.hands:
            return hand_union(self.main.skeleton, bare_hand(self.hands.skeleton))
        return self.main.skeleton


def load_models(arguments: argparse.Namespace) -> Models:
    """The models of ``-e``, ``--mesh`` and ``--hands``, each with the config beside it or the one named.

    Shipped ones stand in for ``-e`` and for ``--hands`` without a checkpoint.
    """
    evaluate, hands = arguments.evaluate, arguments.hands
    if not evaluate and not arguments.mesh:
        if arguments.config:
            raise UserError(
                f"--config {arguments.config} is that of a checkpoint: name the checkpoint with -e"
            )
        options = parse_overrides(arguments.detector_option, "--detector_option")
        detector = arguments.detector or "mediapipe"
        evaluate = shipped_lifter(arguments.json_path, arguments.keypoints, detector, options)
    if hands == SHIPPED:
        hands = shipped_hands()
    named = {
        "joints": (evaluate, arguments.config),
        "mesh": (arguments.mesh, arguments.mesh_config),
        "hands": (hands, arguments.hands_config),
    }
    loaded = {kind: load_model(arguments, kind, *files) for kind, files in named.items() if files[0]}
    identity = [files for _, files in loaded.values()]
    models = Models(*(loaded[kind][0] if kind in loaded else None for kind in named), identity)
    if models.hands and not is_one_hand(models.hands.skeleton):
        raise UserError(
            f"--hands {hands}: this checkpoint lifts {models.hands.skeleton.name}, where one of a single "
            "hand is needed, such as Hand-21: train_hand.py trains one"
        )
    if models.of_hands and (models.mesh or models.hands):
        raise UserError(
            f"-e {evaluate}: this checkpoint lifts hands alone ({models.main.skeleton.name}), and --mesh and "
            "--hands go with one of bodies: leave them out, or give it as --hands beside a body's checkpoint as -e"
        )
    return models


def load_model(
    arguments: argparse.Namespace, kind: str, checkpoint: str, config_file: str | None
) -> tuple[Lifter, list[object]]:
    """One model, and what tells its files from others."""
    path = weights_file(checkpoint)
    config_path = Path(config_file or path.with_name("config.yaml"))
    if not path.is_file():
        raise UserError(f"the checkpoint {path} does not exist; `make quickstart` trains one")
    stored = load_checkpoint(path)  # what is no checkpoint at all needs no config
    if kind == "mesh":
        check_is_mesh(path, stored)
    if not config_path.is_file():
        flag = {"joints": "--config"}.get(kind, f"--{kind}_config")
        raise UserError(f"{config_path} does not exist: name the YAML of the checkpoint's model with {flag}")
    config = load_config(config_path, task="mesh" if kind == "mesh" else None)
    if kind != "mesh" and config.task == "mesh":
        raise UserError(f"{config_path}: this is a config of task mesh: give its checkpoint as --mesh")
    skeleton = load_skeleton(config.joint_format).with_root(*config.root)
    runtime = engine.start_runtime(arguments.precision, arguments.device, config.threads)
    options = {"config": config, "runtime": runtime}
    if kind == "hands":
        options["flip"] = False
    else:
        options |= {"clip_len": arguments.clip_len, "pixel": arguments.pixel, "model_fps": arguments.fps}
        # a mirrored right hand is a left one, which the model does not know
        options["flip"] = not (arguments.no_flip or is_one_hand(skeleton))
    if kind == "mesh":
        body = load_body(config.body, gender=config.gender).to(runtime.device)
        regressor = keypoint_regressor(body, skeleton, config.regressor)
        model = load_mesh_lifter(path, body=body, regressor=regressor, **options)
    else:
        model = load_lifter(path, skeleton=skeleton, **options)
    files = [path, config_path, *(config[key] for key in ("body", "regressor") if config.get(key))]
    return model, [file_identity(file) for file in files if Path(file).exists()]


@dataclass(frozen=True)
class Job:
    """One video on its way: what is asked for, the models, the pictures, and the stages of its folder."""

    arguments: argparse.Namespace
    models: Models
    footage: Footage
    stages: Stages
    progress: Progress


def infer(
    arguments: argparse.Namespace, models: Models, video: Path | None, keypoint_file: Path | None, out: Path
) -> None:
    """Everything for one video, into the folder ``out``."""
    footage = open_footage(video, keypoint_file, arguments.size, arguments.rate)
    lift_s = arguments.lift if arguments.ergo else None
    check_lift_time(lift_s, footage.num_frames, footage.fps)
    refuse_own_results(video, out)
    if arguments.anonymize:
        remove_pictures_with_faces(out)
    job = Job(arguments, models, footage, Stages(out, arguments.force), Progress())
    detections = find_people(job)
    check_lift_time(lift_s, detections.num_frames, footage.fps)  # of a keypoint file without its video
    tracks = build_tracks(detections, fps=footage.fps, max_gap_s=GAP_S if models.of_hands else 0.5)
    chosen = choose_tracks(tracks, arguments.focus, models.of_hands)
    hands = find_their_hands(
        job.stages,
        job.progress,
        footage,
        chosen,
        models.main.skeleton,
        models.hands and models.hands.skeleton,
        arguments.allow_missing,
    )
    people = []
    for track in chosen:
        folder = out / track.name.replace(" ", "_") if arguments.focus == "all" else out
        of_track = job.stages if folder == out else Stages(folder, arguments.force, after=job.stages.key)
        world, files = lift_track(job, of_track, track, hands, detections.num_frames)
        mesh, mesh_files = lift_body(job, of_track, track, world)
        files += mesh_files + write_exports(of_track, job.progress, world)
        scores = score(job, track, world)
        people.append(Person(track, of_track, world, mesh, scores, files))
    # videos that lie there from other options, perhaps with faces, are none of this result
    videos: list[Path] = []
    if not arguments.no_render:
        videos = write_videos(
            job.stages,
            job.progress,
            footage,
            detections,
            [hands.joined(track) for track in tracks],
            people,
            body=models.mesh and models.mesh.network.body,
            anonymize=arguments.anonymize,
        )
    for person in people:
        facts = summarize(footage, detections, tracks, person.track, person.world)
        files = [path for path in videos if path.parent in (out, person.stages.folder)] + person.files
        facts |= score_facts(person.scores) if person.scores else {}
        written = write_report(job.progress, person, facts, files, footage)
        print(closing_lines(person.stages, job.progress, facts, person.world, written))
    print(table_of_people(tracks, detections.num_frames))


def find_people(job: Job) -> Detections:
    """Stage 1: keypoints of everybody, from a file, or from the detector and then kept in detections.npz."""
    arguments, models, footage = job.arguments, job.models, job.footage

    def check(skeleton: Skeleton) -> None:
        """What can be refused is refused before the video is gone through."""
        for model in filter(None, (models.joints, models.mesh)):
            if not only_hands_lack(skeleton, model.skeleton):
                check_can_feed(bare_hand(skeleton), bare_hand(model.skeleton), arguments.allow_missing)
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
        job.stages.depends_on(
            file=file_identity(footage.keypoint_file),
            video=video,
            joint_format=detections.skeleton.name,
            size_px=footage.size_px,
            fps=footage.fps,
        )
        return footage.at_constant_rate(detections)
    path = job.stages.folder / "detections.npz"
    name = arguments.detector or ("mediapipe_hands" if models.of_hands else "mediapipe")
    if models.of_hands and not arguments.detector:
        logger.info(f"the model lifts one hand ({models.main.skeleton.name}): --detector {name}")
    options = parse_overrides(arguments.detector_option, "--detector_option")
    load = partial(Detections.load, path)
    with job.stages.stage("detect", [path], load, video=video, detector=name, options=options) as stored:
        if stored is not None:
            check(stored.skeleton)
            return stored
        if arguments.device and "device" in inspect.signature(DETECTORS.get(name)).parameters:
            options.setdefault("device", arguments.device)
        detector = build_detector(name, **options)
        check(detector.skeleton)
        with closing_detector(detector), job.progress.bar("detect", footage.num_frames) as advance:
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
    job: Job, stages: Stages, track: Track, hands: Hands, num_frames: int
) -> tuple[WorldMotion, list[Path]]:
    """Stage 2: one person in 3D, and the files that hold it."""
    arguments, models = job.arguments, job.models
    names = ("X3D.npy", "X3D_world.npz", "keypoints_2d.npz")
    files = x3d, x3d_world, keypoints = [stages.folder / name for name in names]
    inputs = {name: getattr(arguments, name) for name in LIFT_OPTIONS}
    load = partial(WorldMotion.load, x3d_world, models.skeleton_of(track))
    with stages.stage("lift", files, load, track=track.id, models=models.identity, **inputs) as stored:
        if stored is not None:
            return stored, files
        remove_results_of(stages.folder)
        of_network, lifted, frames, flag = lift_joints(job, models.main, track, hands)
        of_network = to_motionbert_units(of_network, models.main, pixel=arguments.pixel)
        save_poses(x3d, of_network, frames, num_frames)
        notes = [] if arguments.no_rigid else [RIGID_NOTE]
        notes += [f"Joints are {smoothing_note(arguments.smooth)}."] if arguments.smooth else []
        if models.of_hands and not track.side:
            notes.append(
                f"Nothing tells which hand it is: taken for a {side_lifted(models.main.skeleton)} one."
            )
        if models.hands:
            theirs = hands.tracks[track.id]
            of_side = {hand.side: LiftedHand(*lift_joints(job, models.hands, hand)[1:]) for hand in theirs}
            lifted, flag = join_hands(lifted, frames, flag, of_side, models.hands.skeleton)
            notes.append(hands_note(of_side, num_frames))
        world = make_world(
            lifted,
            frames,
            flag,
            num_frames=num_frames,
            stature_m=arguments.stature,
            pitch_deg=arguments.pitch,
            focal_px=arguments.focal,
            hand_length_m=arguments.hand_length,
        )
        world = replace(world, notes=(*world.notes, *notes))
        save_keypoints(keypoints, hands.joined(track), lifted, frames, flag, num_frames)
        world.save(x3d_world)
    return world, files


def lift_joints(
    job: Job, model: Lifter, track: Track, hands: Hands | None = None
) -> tuple[Motion, Motion, np.ndarray, np.ndarray]:
    """A person or a hand in 3D: as the network has it, as it is used, its frames of the video, and flags."""
    motion, frames, flag = motion_of(job, model, track, hands)
    with job.progress.bar("lift", motion.num_frames) as advance:
        if isinstance(model, MeshLifter):
            body, regressor = model.network.body, model.network.regressor
            lifted = motion_of_mesh(lift_mesh(model, motion, progress=advance), body, regressor, motion)
        elif is_one_hand(model.skeleton):
            lifted = lift_hand(model, motion, track.side, progress=advance)
        else:
            lifted = lift(model, motion, progress=advance)
    of_network = lifted
    if not job.arguments.no_rigid and not isinstance(model, MeshLifter):  # a body's limbs are rigid already
        lifted, change = rigid_limbs(lifted, flag, focal_px=job.arguments.focal)
        logger.info(f"{track.name}: {change or 'no limb was seen'}")
    if job.arguments.smooth:
        of_network, lifted = (smooth(motion, job.arguments.smooth) for motion in (of_network, lifted))
    return of_network, lifted, frames, flag


def motion_of(
    job: Job, model: Lifter, track: Track, hands: Hands | None = None
) -> tuple[Motion, np.ndarray, np.ndarray]:
    """A track in a model's joint format, fingers included if it has some: motion, its frames of the video, flags."""
    if hands and only_hands_lack(track.skeleton, model.skeleton):
        track = hands.joined(track)
    footage = job.footage
    return track_motion(
        track,
        model.skeleton,
        fps=footage.fps,
        size_px=footage.size_px,
        source=footage.name,
        allow_missing=job.arguments.allow_missing,
    )


def lift_body(
    job: Job, stages: Stages, track: Track, world: WorldMotion
) -> tuple[tuple[MeshMotion, Skin] | None, list[Path]]:
    """Stage 2b, with --mesh: the person's body, placed where the joints are, and the files that hold it."""
    model = job.models.mesh
    if model is None:
        return None, []
    body, regressor = model.network.body, model.network.regressor
    files = mesh_npz, mesh_glb = [stages.folder / name for name in ("mesh.npz", "mesh.glb")]
    with stages.stage("mesh", files, partial(MeshMotion.load, mesh_npz)) as mesh:
        if mesh is None:
            motion, frames, _ = motion_of(job, model, track)
            with job.progress.bar("mesh", motion.num_frames) as advance:
                mesh = lift_mesh(model, motion, progress=advance)
            # a body of the given height, or of height 1 where units are arbitrary
            mesh = place_mesh(mesh, body, regressor, world, frames, stature=job.arguments.stature or 1.0)
            mesh.save(mesh_npz)
            write_gltf(mesh_glb, mesh, skin_of(body, mesh))
    return (mesh, skin_of(body, mesh)), files


def score(job: Job, track: Track, world: WorldMotion) -> WorldErgo | None:
    """Joint angles and posture scores, with --ergo; None for one of several people who cannot be scored."""
    options = ergo_options(job.arguments)
    try:
        return assess_world(world, **options) if options else None
    except UserError as error:
        if job.arguments.focus != "all":
            raise
        logger.warning(f"{track.name} has no posture scores: {error}")
        return None


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
