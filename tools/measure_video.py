#!/usr/bin/env python
"""How good is a result of infer_wild.py where no truth is known? Limbs, sides, steadiness, and the way back to 2D.

python tools/measure_video.py out
python tools/measure_video.py out other_out --json measures.json

Several folders stand side by side in one table. The numbers and their traps: lib/wild/measure.py.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.errors import UserError, error_line
from lib.files import atomic_path
from lib.skeleton import Skeleton, load_skeleton
from lib.wild.measure import Camera, Measures, measure_motion
from lib.wild.records import Flag, WorldMotion, load_npz
from lib.wild.world import FOCAL_OF_IMAGE

# key: text in the table, and how a number is written
ROWS = {
    "frames": ("frames with the person", "{:.0f}"),
    "limb_length_variation": ("limb lengths vary over time", "{:.2%}"),
    "side_difference": ("left and right limbs differ by", "{:.2%}"),
    "jitter_per_s2": ("acceleration, units/s^2", "{:.3g}"),
    "jitter_sizes_per_s2": ("acceleration, sizes/s^2", "{:.3g}"),
    "reprojection_median": ("reprojection, camera of each frame", "{:.2%} of the box"),
    "reprojection_95": ("  95 % under", "{:.2%} of the box"),
    "reprojection_still_median": ("reprojection, one still camera", "{:.2%} of the box"),
    "reprojection_still_95": ("  95 % under", "{:.2%} of the box"),
    "reprojection_weak_median": ("reprojection, weak perspective", "{:.2%} of the box"),
    "reprojection_weak_95": ("  95 % under", "{:.2%} of the box"),
    "acceleration_share": ("2D acceleration variance kept", "{:.1%}"),
    "acceleration_share_in_root": ("  relative to the root", "{:.1%}"),
    "acceleration_share_in_root_calm": ("  the same, wildest 5 % left out", "{:.1%}"),
}
PER_LIMB = {"limbs": "limb lengths vary over time", "sides": "left longer than right by"}
NOTE = """\
Variation: standard deviation over mean, mean of the limbs. Box: longer side of the keypoints of a frame.
The camera has the pitch of the result and the focal length {focal}.
Its place is fitted to the keypoints: for each frame, as the floor may shift under a person, or one for the whole
video, which the 2D accelerations are taken from. Weak perspective: no camera but a scale and a shift for each frame."""


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "folders",
        nargs="+",
        metavar="FOLDER",
        help="result of infer_wild.py: X3D_world.npz, keypoints_2d.npz",
    )
    add("--focal", type=float, metavar="PX", help="focal length that infer_wild.py was given")
    add("--joint_format", metavar="FILE", help="YAML of a joint format of your own, if the result has one")
    add("--json", metavar="FILE", help="write the numbers there as well")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    arguments = parse_arguments(argv)
    if arguments.focal is not None and not 0 < arguments.focal < math.inf:
        raise UserError(f"the focal length is {arguments.focal:g} px: it must be positive")
    skeleton = load_skeleton(arguments.joint_format) if arguments.joint_format else None
    measured = {
        folder: measure_folder(Path(folder), skeleton, arguments.focal) for folder in arguments.folders
    }
    print(table(measured))
    focal = (
        f"{arguments.focal:g} px" if arguments.focal else f"{FOCAL_OF_IMAGE:g} times the longer image side"
    )
    print(NOTE.format(focal=focal))
    if arguments.json:
        with atomic_path(Path(arguments.json)) as temporary:
            temporary.write_text(
                json.dumps(_without_nan(measured), indent=2, allow_nan=False) + "\n", encoding="utf-8"
            )
    return 0


def measure_folder(folder: Path, skeleton: Skeleton | None, focal_px: float | None) -> Measures:
    """All measures of the person whose result lies in a folder."""
    world = WorldMotion.load(folder / "X3D_world.npz", skeleton)
    stored = load_npz(folder / "keypoints_2d.npz", ("keypoints", "flag", "joints", "size_px"))
    skeleton = world.skeleton
    if tuple(stored["joints"]) != skeleton.joints or len(stored["keypoints"]) != world.num_frames:
        raise UserError(
            f"{folder}: X3D_world.npz ({skeleton.name}, {world.num_frames} frames) and keypoints_2d.npz "
            f"({len(stored['joints'])} joints, {len(stored['keypoints'])} frames) are of different runs"
        )
    if not world.present.any():
        raise UserError(f"{folder}: the person is in no frame, so there is nothing to measure")
    seen = (stored["flag"] == Flag.SEEN) & (stored["keypoints"][..., 2] > 0)
    keypoints = np.where(seen[..., None], stored["keypoints"][..., :2], np.nan).astype(np.float64)
    width, height = map(float, stored["size_px"])
    camera = Camera(focal_px or FOCAL_OF_IMAGE * max(width, height), world.pitch_deg, (width, height))
    return measure_motion(world.positions, keypoints, camera, skeleton, world.fps)


def table(measured: dict[str, Measures]) -> str:
    """One column a folder: the measures, then what is told of each limb."""
    width = max(18, *(len(name) + 2 for name in measured))
    lines = [" " * 36 + "".join(name.rjust(width) for name in measured)]
    for key, (text, form) in ROWS.items():
        cells = [_cell(form, each[key]) for each in measured.values()]
        lines.append(text.ljust(36) + "".join(cell.rjust(width) for cell in cells))
    for key, text in PER_LIMB.items():
        names = dict.fromkeys(name for each in measured.values() for name in each[key])
        if names:
            lines += ["", text]
        for name in names:
            cells = [_cell("{:.2%}", each[key].get(name, math.nan)) for each in measured.values()]
            lines.append(f"  {name}".ljust(36) + "".join(cell.rjust(width) for cell in cells))
    return "\n".join(lines)


def _without_nan(value: Any) -> Any:
    """The same with None where a number is not known, for JSON."""
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    return value if math.isfinite(value) else None


def _cell(form: str, value: float) -> str:
    return form.format(value) if math.isfinite(value) else "-"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (UserError, OSError) as error:
        print(error_line(error), file=sys.stderr)
        sys.exit(2)
