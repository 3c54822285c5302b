r"""Drawn people at work before a real detector: data pickles of what it finds, with the exact 3D truth beside it.

    python tools/film_people.py --out data/motion3d/filmed --joint_format H36M-17 RTM-24 --train 60 --test 12

The free body does the tasks of the built-in worker motion in drawn clothes before drawn cameras; a detector looks
at every picture. What it finds, brought into the joint format, becomes ``joint_2d`` and ``confidence``; a frame in
which it finds nobody has confidence 0. Of a detector that tells 3D by itself (mediapipe) that is kept beside, in its
own joints: ``detector_3d``. One pickle for each joint format: FOLDER/<joint format>.pkl.
"""

from __future__ import annotations

import argparse
import pickle
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.body import BodyModel, load_body
from lib.body_regressor import KeypointRegressor, keypoint_regressor
from lib.config import parse_overrides
from lib.data.subject_splits import SPLITS
from lib.data.worker.camera import RANGES, Camera, draw_camera, image_labels
from lib.data.worker.generate import draw_sessions
from lib.data.worker.request import Request
from lib.data.worker.smpl_motion import body_mm, draw_shape, world_pose
from lib.errors import UserError, error_line
from lib.files import atomic_path
from lib.skeleton import Skeleton, conversion, load_skeleton
from lib.wild.detectors import DETECTORS, Detector, build_detector, closing_detector
from lib.wild.picture import draw_colors, studio

SIZES_PX = ((640, 480), (480, 640), (640, 360))  # detectors shrink a person to some 256 px anyway
AIMED_BY = 10  # every so many frames and vertices a camera is aimed by
SHEET = (6, 4)  # columns and rows of the picture to look at

Video = dict[str, Any]


def film_session(
    body: BodyModel,
    regressors: Sequence[KeypointRegressor],
    session: Any,
    seeds: Any,
    split: str,
    options: Any,
) -> Iterator[tuple[list[Video], np.ndarray]]:
    """Videos of one person: for each, one dict in the pickle's layout a joint format, and a picture of it."""
    generator = np.random.default_rng(seeds.spawn(1)[0])
    shape = draw_shape(generator, body)
    pose, offset_mm = world_pose(body, session, shape)
    colors = draw_colors(generator, body)
    for number, task in enumerate(session.tasks):
        part = slice(number * session.frames, (number + 1) * session.frames)
        vertices = body_mm(body, pose[part], shape, body) + offset_mm[part]
        camera = draw_camera(
            generator,
            f"{split}_cam{number:02d}",
            replace(RANGES[split], sizes_px=SIZES_PX),
            vertices[::AIMED_BY, ::AIMED_BY].reshape(-1, 3),
        )
        found = []
        with (
            closing_detector(build_detector(options.detector, **options.detector_options)) as detector,
            studio(body, colors, camera, generator) as shoot,
        ):
            for frame, points in enumerate(vertices):
                image = shoot(points)
                found.append(tallest(detector, image))
                if frame == session.frames // 2:
                    picture = drawn(image, found[-1][0])
        people, worlds_mm = map(np.stack, zip(*found, strict=True))
        source = f"{session.subject.name}_{number:02d}_{task}"
        yield (
            [
                video(
                    people,
                    worlds_mm if hasattr(detector, "worlds_m") else None,
                    detector.skeleton,
                    regressor.skeleton,
                    body_mm(body, pose[part], shape, partial(regressor.of, body)) + offset_mm[part],
                    camera,
                    texts={"source": source, "action": task},
                )
                for regressor in regressors
            ],
            picture,
        )


def tallest(detector: Detector, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The tallest person of a picture: (J,3) x px, y px, confidence; and in 3D, (J,3) mm as the detector tells it.

    Nobody is zeros and NaN; so is the 3D, x right, y down, z away from the camera, where the detector tells none.
    """
    people = detector(image)
    world_mm = np.full((detector.skeleton.num_joints, 3), np.nan, np.float32)
    if not people:
        return np.zeros_like(world_mm), world_mm
    number = int(np.argmax([extent_px(person) for person in people]))
    if hasattr(detector, "worlds_m"):
        world_mm = 1000 * detector.worlds_m[number]
    return people[number], world_mm


def video(
    found: np.ndarray,
    worlds_mm: np.ndarray | None,
    source_format: Skeleton,
    skeleton: Skeleton,
    joints_mm: np.ndarray,
    camera: Camera,
    texts: dict[str, str],
) -> Video:
    """One video in the pickle's layout; a joint that was not found, or cannot be made, has confidence 0.

    found (F,K,3) px and confidence, worlds_mm (F,K,3) or None, of the source format; joints_mm (F,J,3) in the world.
    """
    xy, confidence = conversion(source_format, skeleton, allow_missing=True, log=False).apply(
        found[..., :2], found[..., 2]
    )
    camera_mm = camera.to_camera(joints_mm)
    image, factor = image_labels(skeleton, camera_mm, camera.project(camera_mm), camera.focal_px)
    arrays = {
        "joint_2d": np.nan_to_num(xy),
        "confidence": confidence,
        "joint3d_image": image,
        "2.5d_factor": factor,
        "joints_2.5d_image": image * factor[:, None, None],
        "size_px": np.broadcast_to(camera.size_px, (len(image), 2)),
    }
    own_3d: Video = {}
    if worlds_mm is not None:
        arrays["detector_3d"], own_3d["detector_3d_format"] = worlds_mm, source_format.name
    lists = {key: [text] * len(image) for key, text in {**texts, "camera_name": camera.name}.items()}
    return {key: array.astype(np.float32) for key, array in arrays.items()} | lists | own_3d


def extent_px(person: np.ndarray) -> float:
    """Height of a person (J,3) in the picture."""
    return float(np.ptp(person[:, 1]))


def drawn(image: np.ndarray, person: np.ndarray) -> np.ndarray:
    """A copy of a picture with the points found, in a size that fits a sheet."""
    picture = image.copy()
    for x, y, confidence in person:
        if confidence > 0:
            cv2.circle(picture, (int(x), int(y)), 3, (255, 0, 0) if confidence > 0.5 else (255, 200, 0), -1)
    side = max(picture.shape[:2])
    square = np.zeros((side, side, 3), np.uint8)
    square[: picture.shape[0], : picture.shape[1]] = picture
    return cv2.resize(square, (320, 320), interpolation=cv2.INTER_AREA)


def joined(videos: Sequence[Video]) -> Video:
    """One split of the pickle from its videos: arrays and lists one after the other, a text as it is."""
    split: Video = {}
    for key, value in videos[0].items():
        values = [video[key] for video in videos]
        if isinstance(value, np.ndarray):
            split[key] = np.concatenate(values)
        else:
            split[key] = [*chain(*values)] if isinstance(value, list) else value
    return split


def summary(name: str, split: str, data: Video) -> str:
    """How well the detector did, in one line."""
    seen = data["confidence"] > 0
    off = np.linalg.norm(data["joint_2d"] - data["joint3d_image"][..., :2], axis=-1)
    box = np.ptp(data["joint3d_image"][..., :2], axis=1).max(-1, keepdims=True)
    return (
        f"{name}, {split}: {len(seen)} frames, somebody found in {seen.any(1).mean():.1%}; joints are off by "
        f"{np.median((off / box)[seen]):.1%} of the person's box (median)"
    )


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0], allow_abbrev=False)
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="FOLDER", help="where the pickles and sheet.png go")
    add("--joint_format", nargs="+", required=True, metavar="NAME", help="formats of the pickles")
    add("--detector", choices=DETECTORS.names(), default="mediapipe", help="[%(default)s]")
    add("--detector_option", action="append", default=[], metavar="KEY=VALUE")
    for split in SPLITS:
        add(f"--{split}", type=int, default=0, metavar="PEOPLE", help="people of this split [none]")
    add("--clips", type=int, default=4, help="videos of each person [%(default)s]")
    add("--seconds", type=float, default=4.0, help="length of a video [%(default)s]")
    add("--fps", type=float, default=15.0, help="frames per second [%(default)s]")
    add("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    options.detector_options = parse_overrides(options.detector_option, "--detector_option")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Film all splits; a user's mistake is one line and exit code 2."""
    options = parse(arguments)
    try:
        body = load_body()
        regressors = [keypoint_regressor(body, load_skeleton(name)) for name in options.joint_format]
        parts: dict[str, list[list[Video]]] = {}
        pictures: list[np.ndarray] = []
        people = {split: getattr(options, split) for split in SPLITS}
        with tqdm(total=sum(people.values()) * options.clips, unit="video") as bar:
            for split in filter(people.get, SPLITS):
                request = Request(
                    seed=options.seed,
                    subjects=people[split],
                    clips=options.clips,
                    seconds=options.seconds,
                    fps=options.fps,
                    split=split,
                )
                for session, seeds in draw_sessions(request):
                    for videos, picture in film_session(body, regressors, session, seeds, split, options):
                        parts.setdefault(split, []).append(videos)
                        pictures.append(picture)
                        bar.update()
        if not parts:
            raise UserError("nobody to film: give --train, --validate or --test a number of people")
        for number, regressor in enumerate(regressors):
            name = regressor.skeleton.name
            splits = {
                split: joined([videos[number] for videos in filmed])
                | {"fps": options.fps, "detector": options.detector}
                for split, filmed in parts.items()
            }
            with atomic_path(options.out / f"{name}.pkl") as path, path.open("wb") as file:
                pickle.dump(splits, file, protocol=4)
            print(*(summary(name, split, data) for split, data in splits.items()), sep="\n")
        columns, rows = SHEET
        chosen = pictures[:: max(1, len(pictures) // (columns * rows))][: columns * rows]
        chosen += [np.zeros_like(chosen[0])] * (-len(chosen) % columns)
        sheet = np.vstack([np.hstack(chosen[row : row + columns]) for row in range(0, len(chosen), columns)])
        cv2.imwrite(str(options.out / "sheet.png"), sheet[..., ::-1])
    except (UserError, OSError) as error:
        print(error_line(error), file=sys.stderr)
        return 2
    print(f"wrote {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
