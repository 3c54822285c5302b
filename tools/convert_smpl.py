#!/usr/bin/env python
r"""Motion of one body model as motion of another: SMPL-X -> SMPL, or male and female -> neutral.

    python tools/convert_smpl.py --input walk.npz --out walk_smpl.npz \
        --source_body data/mesh/SMPLX_FEMALE.npz --target_body data/mesh/SMPL_NEUTRAL.npz --transfer smplx_to_smpl.pkl

The input is an npz or pickle with pose (frames, joints x 3), shape and perhaps transl and gender (AMASS's names
will do), or a data pickle whose splits hold smpl_pose and smpl_shape. What corresponds to what, and what of it
is approximate, is told in docs/bodies.md.
"""

from __future__ import annotations

import argparse
import pickle
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.body import load_body
from lib.body_convert import Converted, convert_motion
from lib.body_match import (
    Body,
    Match,
    match_by_matrix,
    match_closest_points,
    match_keypoints,
    match_same_mesh,
)
from lib.body_motion import BodyMotion, body_motion, mesh_splits, read_content
from lib.body_transfer import read_transfer
from lib.engine import start_runtime
from lib.errors import UserError
from lib.files import atomic_path
from lib.skeleton import load_skeleton
from lib.smpl_files import GENDERS

KEPT = ("fps", "mocap_framerate", "mocap_frame_rate", "source", "action")  # of a motion file
LISTED = 20  # lines and runs of frames over the limit that are printed


class Converter:
    """Conversion to one target body, with what was used for it."""

    def __init__(self, options: argparse.Namespace, device: torch.device) -> None:
        self.options, self.device = options, device
        self.target = Body.of(load_body(options.target_body).to(device))
        self.used: list[str] = []

    def convert(self, motion: BodyMotion, where: str) -> Converted:
        """Motion of the target body, on the CPU, one gender of the source after the other."""
        parts = []
        for gender in np.unique(motion.gender):
            frames = np.flatnonzero(motion.gender == gender)
            source, match = self.source(str(gender), motion)
            pose, shape = (
                torch.from_numpy(part[frames]).to(self.device) for part in (motion.pose, motion.shape)
            )
            with tqdm(total=len(frames), desc=where or "converting", unit="frame") as bar:
                part = convert_motion(source, self.target, match, pose, shape, bar.update)
            parts.append((torch.from_numpy(frames), part))
        order = torch.cat([frames for frames, _ in parts]).argsort()
        return Converted(
            *(torch.cat(arrays).cpu()[order] for arrays in zip(*(part for _, part in parts), strict=True))
        )

    def source(self, gender: str, motion: BodyMotion) -> tuple[Body, Match]:
        """Source body of a gender that fits the motion, and its match with the target."""
        model = load_body(self.options.source_body, gender=gender, num_betas=motion.shape.shape[1])
        for name, count, wanted in (
            ("numbers of pose", motion.pose.shape[1], 3 * model.num_joints),
            ("shape components", motion.shape.shape[1], model.num_betas),
        ):
            if count != wanted:
                raise UserError(
                    f"{self.options.input} has {count} {name} a frame, body {model.name} has {wanted}: "
                    "--source_body must be the model that the motion was made with"
                )
        source = Body.of(model.to(self.device))
        match = self.match(source)
        self.used.append(f"{model.name} -> {self.target.model.name}: fitted by {match.kind}")
        return source, match

    def match(self, source: Body) -> Match:
        """By what the options name, or else by what the two meshes allow."""
        if self.options.transfer:
            matrix = read_transfer(self.options.transfer, source.num_vertices)
            return match_by_matrix(source, self.target, matrix)
        if self.options.keypoints:
            return match_keypoints(source, self.target, load_skeleton(self.options.keypoints))
        if np.array_equal(source.model.faces, self.target.model.faces):
            return match_same_mesh(source, self.target)
        return match_closest_points(source, self.target)


def errors_of(made: Converted) -> dict[str, np.ndarray]:
    """Errors of each frame under the names that files have."""
    names = {"error_mm": "error_mm", "followed_error_mm": "followed_mm", "largest_error_mm": "largest_mm"}
    return {name: getattr(made, field).numpy() for name, field in names.items()}


def summary(made: Converted, where: str, sources: Any, limit_mm: float) -> list[str]:
    """Report of one split: errors, and the frames over the limit by number and source."""
    error_mm = made.error_mm.numpy()
    middle, high = np.percentile(error_mm, (50, 95))
    lines = [
        f"{where}{': ' * bool(where)}{len(error_mm)} frames, error of a frame: mean {error_mm.mean():.2f} mm, median "
        f"{middle:.2f}, 95th percentile {high:.2f}, maximum {error_mm.max():.2f}; largest of one point "
        f"{made.largest_mm.max():.1f}; mean of what the target can follow {made.followed_mm.mean():.2f}"
    ]
    over = np.flatnonzero(error_mm > limit_mm)
    if not len(over):
        return [*lines, f"no frame over {limit_mm:g} mm"]
    lines.append(f"{len(over)} frames over {limit_mm:g} mm (number from 0):")
    names = (
        np.asarray(sources).astype(str) if np.ndim(sources) == 1 and len(sources) == len(error_mm) else None
    )
    groups = {"frames": over}
    if names is not None:
        groups = {f"source {name}, frames": over[names[over] == name] for name in dict.fromkeys(names[over])}
    lines += [f"  {name} {runs(frames)}" for name, frames in list(groups.items())[:LISTED]]
    if len(groups) > LISTED:
        lines.append(f"  and {len(groups) - LISTED} more sources: see error_mm in the file")
    return lines


def runs(frames: Iterable[int]) -> str:
    """Frame numbers in rising order, as in 3, 7-12."""
    frames = np.asarray(frames)
    parts = np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)
    shown = [f"{part[0]}" if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts[:LISTED]]
    return ", ".join(shown + [f"and {len(parts) - LISTED} more runs"] * (len(parts) > LISTED))


def convert_file(options: argparse.Namespace) -> list[str]:
    """Convert and write; gives the report."""
    if options.out.suffix not in (".npz", ".pkl", ".pickle"):
        raise UserError(f"--out {options.out}: give a name that ends in .npz or .pkl")
    content = read_content(options.input)
    splits = mesh_splits(content)
    if splits and options.out.suffix == ".npz":
        raise UserError(f"{options.input} is a data pickle with splits: --out must end in .pkl")
    motions = {
        name: body_motion(part, f"{options.input} {name}".rstrip(), options.gender)
        for name, part in (splits or {"": content}).items()
    }
    converter = Converter(options, start_runtime(device=options.device).device)
    report, new = [], dict(content)
    for name, motion in motions.items():
        made = converter.convert(motion, name)
        report += summary(made, name, (splits.get(name) or content).get("source"), options.limit_mm)
        pose, shape = made.pose.numpy(), made.shape.numpy()
        gender = converter.target.model.gender
        if splits:
            labels = {"smpl_pose": pose, "smpl_shape": shape, "smpl_error_mm": made.error_mm.numpy()}
            new[name] = splits[name] | labels | {"gender": gender}
        else:
            transl = motion.transl + made.shift.numpy()
            new = {key: content[key] for key in KEPT if key in content}
            new |= {"pose": pose, "shape": shape, "transl": transl, "gender": gender, **errors_of(made)}
    with atomic_path(options.out) as path:
        if options.out.suffix == ".npz":
            np.savez(path, **new)
        else:
            path.write_bytes(pickle.dumps(new, protocol=4))
    return [*dict.fromkeys(converter.used), *report, f"wrote {options.out}"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert as the command line says; a user's mistake is one line and exit code 2."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--input", type=Path, required=True, metavar="FILE", help="motion (.npz, .pkl) or data pickle")
    add("--out", type=Path, required=True, metavar="FILE", help=".npz, or .pkl; a data pickle stays one")
    add(
        "--source_body",
        type=Path,
        required=True,
        metavar="PATH",
        help="its body model, or a folder of genders",
    )
    add(
        "--target_body",
        type=Path,
        required=True,
        metavar="PATH",
        help="body model to convert to (in a folder: neutral)",
    )
    add(
        "--transfer",
        type=Path,
        metavar="FILE",
        help="matrix from the source's vertices to the target's (.pkl, .npz)",
    )
    add(
        "--keypoints",
        metavar="FORMAT",
        help="fit body joints and the keypoints of this joint format, not the surface",
    )
    add(
        "--gender",
        choices=tuple(GENDERS),
        default="neutral",
        help="of the source, where the file does not tell",
    )
    add("--limit_mm", type=float, default=10.0, help="frames of a larger mean error are listed (10)")
    add("--device", help="cpu or cuda; a GPU if there is one")
    options = parser.parse_args(arguments)
    try:
        print(*convert_file(options), sep="\n")
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
