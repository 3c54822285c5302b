r"""Motion capture in BVH files -> a data pickle in MotionBERT's layout: drawn bodies before drawn cameras.

    python tools/bvh_to_pickle.py --bvh FOLDER --out data/motion3d/cmu.pkl --split configs/splits/cmu.yaml \
        --mapping configs/bvh/cmu_h36m17.yaml --joint_format H36M-17 --fps 60 --bodies 4 --cameras 4 --seed 0

What the file holds, and how the joints are made, is told in docs/real_motion.md.
"""

from __future__ import annotations

import argparse
import pickle
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.data.bvh import BvhMapping, load_bvh_mapping, read_bvh
from lib.data.film import Film, film
from lib.data.subject_splits import SPLITS, Clip, find_clips
from lib.errors import UserError
from lib.files import atomic_path
from lib.skeleton import Skeleton, conversion, load_skeleton


def views(clip: Clip, mapping: BvhMapping, skeleton: Skeleton, options: argparse.Namespace) -> Iterator[dict]:
    """Videos of one clip in the pickle's layout, one for each drawn body, shot and camera.

    Every draw has a seed of its own, so that a new file, or noise, changes no other body or camera.
    """
    bodies, cameras = options.copies[clip.split]
    for body in range(max(bodies, 1)):
        seed = [options.seed, SPLITS.index(clip.split), body]
        file_seed = [*seed, _number(clip.path.stem)]
        fps = float(np.random.default_rng(file_seed).uniform(*options.fps))
        motion = read_bvh(clip.path, mapping.skip_frames, fps)
        mapping.check(motion, clip.path.name)
        person = mapping.draw_body(np.random.default_rng([*seed, _number(clip.subject)])) if bodies else None
        joints_mm = mapping.joints_mm(motion, person)
        if skeleton is not mapping.skeleton:
            joints_mm, _ = conversion(mapping.skeleton, skeleton, log=False).apply(joints_mm)
        if mirrored := options.mirror and body % 2 == 1:
            joints_mm = joints_mm[:, skeleton.flip_idx] * [-1, 1, 1]
        for number, shot in enumerate(_shots(joints_mm, fps, options.shot_seconds[clip.split]) * cameras):
            seen = film(
                skeleton,
                shot,
                split=clip.split,
                name=f"{clip.split}_cam{number}",
                fps=fps,
                detector=options.noise == "detector",
                generator=np.random.default_rng([*file_seed, number]),
            )
            source = f"{clip.path.stem}_body{body}{'_mirrored' * mirrored}"
            yield pickle_video(seen, source, clip.action, fps)


def pickle_video(seen: Film, source: str, action: str, fps: float) -> dict[str, Any]:
    """One video in the pickle's layout: float32 arrays and lists of texts, an entry a frame."""
    frames = len(seen.joints_2d)
    arrays = {
        "joint_2d": seen.joints_2d,
        "confidence": seen.confidence,
        "joint3d_image": seen.joints_image,
        "2.5d_factor": seen.factor_mm_per_px,
        "joints_2.5d_image": seen.joints_image * seen.factor_mm_per_px[:, None, None],
        "size_px": np.broadcast_to(seen.camera.size_px, (frames, 2)),
        "fps": np.full(frames, fps),
    }
    texts = {"camera_name": seen.camera.name, "source": source, "action": action}
    return {key: array.astype(np.float32) for key, array in arrays.items()} | {
        key: [text] * frames for key, text in texts.items()
    }


def _shots(joints_mm: np.ndarray, fps: float, seconds: float) -> list[np.ndarray]:
    """A long walk cut into shots of equal length, for cameras that stand nearer; 0 seconds: one shot."""
    return (
        np.array_split(joints_mm, int(np.ceil(len(joints_mm) / (seconds * fps)))) if seconds else [joints_mm]
    )


def convert(
    clips: Sequence[Clip], mapping: BvhMapping, skeleton: Skeleton, options: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    """The whole pickle: a dict of splits."""
    parts: dict[str, list[dict[str, Any]]] = {}
    for clip in tqdm(clips, desc="converting", unit="clip"):
        parts.setdefault(clip.split, []).extend(views(clip, mapping, skeleton, options))
    splits = {}
    for split, videos in parts.items():
        splits[split] = {
            key: np.concatenate([video[key] for video in videos])
            if isinstance(value, np.ndarray)
            else [text for video in videos for text in video[key]]
            for key, value in videos[0].items()
        }
        splits[split]["derived_joints"] = derived_joints(mapping, skeleton)
        if options.fps[0] == options.fps[1]:
            splits[split]["fps"] = options.fps[0]
    return splits


def derived_joints(mapping: BvhMapping, skeleton: Skeleton) -> list[str]:
    """Joints that the files do not hold: made by a rule of the mapping, or approximate in the conversion."""
    if skeleton is mapping.skeleton:
        return list(mapping.derived_joints)
    change = conversion(mapping.skeleton, skeleton, log=False)
    made_up = np.isin(mapping.skeleton.joints, mapping.derived_joints)
    derived = ~change.exact | (change.matrix[:, made_up] != 0).any(axis=1)
    return [joint for joint, flag in zip(skeleton.joints, derived, strict=True) if flag]


def summary(splits: dict[str, dict[str, Any]], clips: Sequence[Clip]) -> str:
    """What was made, a line a split."""
    lines = []
    for split, data in splits.items():
        subjects = sorted({clip.subject for clip in clips if clip.split == split})
        videos = len(dict.fromkeys(zip(data["source"], data["camera_name"], strict=True)))
        off = np.linalg.norm(data["joint_2d"] - data["joint3d_image"][..., :2], axis=-1)
        height = np.median(np.ptp(data["joint3d_image"][..., 1], axis=1))
        lines.append(
            f"{split}: {sum(clip.split == split for clip in clips)} clips of {len(subjects)} subjects "
            f"({' '.join(subjects)}), {videos} videos, {len(off)} frames at {np.mean(data['fps']):.4g} fps; "
            f"median height of the person {height:.0f} px, median error of 2D joints {np.median(off):.2f} px"
        )
    return "\n".join(lines)


def _number(text: str) -> int:
    return zlib.crc32(text.encode())


def _rates(text: str) -> tuple[float, float]:
    low, _, high = text.partition("-")
    try:
        rates = (float(low), float(high or low))
    except ValueError:
        rates = (0.0, 0.0)
    if not 0 < rates[0] <= rates[1] < 1000:
        raise argparse.ArgumentTypeError(f"'{text}' is no frame rate, and no range such as 25-60")
    return rates


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line; ``copies`` holds bodies and cameras of each split."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0], allow_abbrev=False)
    add = parser.add_argument
    add(
        "--bvh", type=Path, required=True, metavar="FOLDER", help=".bvh files, with INDEX.tsv if there is one"
    )
    add("--out", type=Path, required=True, metavar="FILE", help="the pickle to write")
    add("--split", type=Path, required=True, metavar="FILE", help="which subject is in which split")
    add("--mapping", type=Path, required=True, metavar="FILE", help="how the files' nodes become joints")
    add("--joint_format", required=True, metavar="NAME", help="the mapping's format, or one it converts to")
    add(
        "--fps",
        type=_rates,
        default="60",
        metavar="RATE|LOW-HIGH",
        help="frame rate, or a range to draw from (60)",
    )
    add("--bodies", type=int, default=4, help="drawn bodies for a training clip; 0: the files' own (4)")
    add("--cameras", type=int, default=4, help="drawn cameras for a training clip and body (4)")
    add("--test_bodies", type=int, default=2, help="the same for the other splits (2)")
    add("--test_cameras", type=int, default=2, help="the same for the other splits (2)")
    add(
        "--noise",
        choices=("none", "detector"),
        default="none",
        help="exact 2D, or a detector's errors (none)",
    )
    add("--shot_seconds", type=float, default=2.5, help="longest training video; 0: whole clips (2.5)")
    add("--mirror", action="store_true", help="every second body as its mirror image")
    add("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if min(options.bodies, options.test_bodies, options.seed, options.shot_seconds) < 0:
        parser.error("--bodies, --test_bodies, --shot_seconds and --seed must not be negative")
    if min(options.cameras, options.test_cameras) < 1:
        parser.error("--cameras and --test_cameras must be at least 1")
    others = (options.test_bodies, options.test_cameras)
    options.copies = {"train": (options.bodies, options.cameras), "validate": others, "test": others}
    options.shot_seconds = {"train": options.shot_seconds, "validate": 0.0, "test": 0.0}
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert a folder; a user's mistake is one line and exit code 2."""
    options = parse(arguments)
    try:
        mapping, skeleton = load_bvh_mapping(options.mapping), load_skeleton(options.joint_format)
        splits = convert(clips := find_clips(options.bvh, options.split, ".bvh"), mapping, skeleton, options)
        with atomic_path(options.out) as path, path.open("wb") as file:
            pickle.dump(splits, file, protocol=4)
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(summary(splits, clips))
    print(f"joints that the files do not hold: {', '.join(derived_joints(mapping, skeleton)) or 'none'}")
    print(f"wrote {options.out} ({options.out.stat().st_size / 1e6:.0f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
