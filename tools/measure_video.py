#!/usr/bin/env python
"""How good is a result of infer_wild.py where no truth is known? Limbs, sides, steadiness, and the way back to 2D.

python tools/measure_video.py out
python tools/measure_video.py out other_out --json measures.json
python tools/measure_video.py out --mediapipe video.mp4

The file out/X3D_world.npz may be named in place of its folder; several results stand side by side in one table. The
numbers and their traps: lib/wild/measure.py.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lib.errors import UserError, run_script
from lib.files import atomic_path
from lib.skeleton import Skeleton, conversion, load_skeleton
from lib.wild.camera_pitch import level_camera
from lib.wild.hand_formats import bare_hand, is_one_hand
from lib.wild.measure import Camera, Measures, measure_motion
from lib.wild.records import Flag, WorldMotion, load_npz
from lib.wild.video import probe_video, read_frames
from lib.wild.world import FOCAL_OF_IMAGE
from lib.wild.world_landmarks import WorldLandmarks, find_world_landmarks, on_common_ground

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
    "acceleration_share_placed": ("  relative to the root, any place", "{:.1%}"),
}
PER_LIMB = {"limbs": "limb lengths vary over time", "sides": "left longer than right by"}
NOTE = """\
Variation: standard deviation over mean, mean of the limbs. Box: longer side of the keypoints of a frame.
The camera has the pitch of the result and the focal length {focal}.
Its place is fitted to the keypoints: for each frame, as the floor may shift under a person, or one for the whole
video, which the 2D accelerations are taken from, but for those with any place, which are taken from a place for each
frame. Weak perspective: no camera but a scale and a shift for each frame."""
NOTE_MEDIAPIPE = """\
To compare: '{common}', the result, with
'{mediapipe}', MediaPipe's world landmarks of the same person,
both on the {joints} joints that MediaPipe has exactly, in the same {frames} of {present} frames with the person.
Not comparable: MediaPipe gives metres of a body of its own guess (compare sizes/s^2, not units/s^2); it tells no path
of the person, so there is no still camera; it smooths both its 2D, which the result starts from, and its 3D, looking
back only, so that it is steadier and later than without."""


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "folders",
        nargs="+",
        metavar="FOLDER",
        help="result of infer_wild.py, or its X3D_world.npz; keypoints_2d.npz lies beside it",
    )
    add("--mediapipe", metavar="VIDEO", help="measure MediaPipe's own 3D of the folders' video beside them")
    add("--focal", type=float, metavar="PX", help="focal length that infer_wild.py was given")
    add("--joint_format", metavar="FILE", help="YAML of a joint format of your own, if the result has one")
    add("--json", metavar="FILE", help="write the numbers there as well")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    arguments = parse_arguments(argv)
    if arguments.focal is not None and not 0 < arguments.focal < math.inf:
        raise UserError(f"the focal length is {arguments.focal:g} px: it must be positive")
    skeleton = load_skeleton(arguments.joint_format) if arguments.joint_format else None
    results = {folder: read_result(Path(folder), skeleton, arguments.focal) for folder in arguments.folders}
    measured = {folder: measure_motion(*result.measured) for folder, result in results.items()}
    notes = []
    for folder, result in results.items() if arguments.mediapipe else ():
        found = landmarks_of(arguments.mediapipe, is_one_hand(result.world.skeleton))
        columns, note = beside_mediapipe(folder, result, found)
        measured |= columns
        notes.append(note)
    print(table(measured))
    focal = (
        f"{arguments.focal:g} px" if arguments.focal else f"{FOCAL_OF_IMAGE:g} times the longer image side"
    )
    print("\n".join([NOTE.format(focal=focal), *notes]))
    if arguments.json:
        with atomic_path(Path(arguments.json)) as temporary:
            temporary.write_text(
                json.dumps(_without_nan(measured), indent=2, allow_nan=False) + "\n", encoding="utf-8"
            )
    return 0


@dataclass(frozen=True, eq=False)
class Result:
    """One person's result in 3D, the detector's keypoints (F,J,2) px, NaN where it saw none, and the camera."""

    world: WorldMotion
    keypoints: np.ndarray
    camera: Camera

    @property
    def measured(self) -> tuple[np.ndarray, np.ndarray, Camera, Skeleton, float]:
        """What ``measure_motion`` takes."""
        return self.world.positions, self.keypoints, self.camera, self.world.skeleton, self.world.fps


def read_result(path: Path, skeleton: Skeleton | None, focal_px: float | None) -> Result:
    """The result in a folder, or of its X3D_world.npz with keypoints_2d.npz beside it.

    Raises ``UserError`` for one without the person, or with files of different runs.
    """
    is_file = path.suffix == ".npz"
    folder = path.parent if is_file else path
    world = WorldMotion.load(path if is_file else folder / "X3D_world.npz", skeleton)
    stored = load_npz(folder / "keypoints_2d.npz", ("keypoints", "flag", "joints", "size_px"))
    if tuple(stored["joints"]) != world.skeleton.joints or len(stored["keypoints"]) != world.num_frames:
        raise UserError(
            f"{folder}: X3D_world.npz ({world.skeleton.name}, {world.num_frames} frames) and keypoints_2d.npz "
            f"({len(stored['joints'])} joints, {len(stored['keypoints'])} frames) are of different runs"
        )
    if not world.present.any():
        raise UserError(f"{folder}: the person is in no frame, so there is nothing to measure")
    seen = (stored["flag"] == Flag.SEEN) & (stored["keypoints"][..., 2] > 0)
    keypoints = np.where(seen[..., None], stored["keypoints"][..., :2], np.nan).astype(np.float64)
    width, height = map(float, stored["size_px"])
    camera = Camera(focal_px or FOCAL_OF_IMAGE * max(width, height), world.pitch_deg, (width, height))
    return Result(world, keypoints, camera)


@lru_cache
def landmarks_of(path: str, hands: bool) -> WorldLandmarks:
    """MediaPipe's landmarks of everybody, or of all hands, in a video."""
    return find_world_landmarks(read_frames(probe_video(path)), hands=hands)


def beside_mediapipe(folder: str, result: Result, found: WorldLandmarks) -> tuple[dict[str, Measures], str]:
    """Columns of the result and of MediaPipe's 3D on the same joints and frames, and what they are."""
    world, camera = result.world, result.camera
    if len(found.people) != world.num_frames:
        raise UserError(
            f"--mediapipe: the video has {len(found.people)} frames and {folder} {world.num_frames}: "
            "give the video that the result was made from"
        )
    bare = bare_hand(world.skeleton)
    made = conversion(found.skeleton, bare, allow_missing=True, log=False)
    theirs_m = level_camera(found.of_person(result.keypoints, bare), camera.pitch_deg)
    ours, theirs, skeleton = on_common_ground(world.positions, theirs_m, made, world.skeleton)
    names = (f"{folder}, common", f"{folder}, MediaPipe")
    columns = {
        name: measure_motion(positions, result.keypoints, camera, skeleton, world.fps, has_path=has_path)
        for name, positions, has_path in zip(names, (ours, theirs), (True, False), strict=True)
    }
    note = NOTE_MEDIAPIPE.format(
        common=names[0],
        mediapipe=names[1],
        joints=int(made.exact.sum()),
        frames=f"{columns[names[0]]['frames']:.0f}",
        present=int(world.present.sum()),
    )
    return columns, note


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
    run_script(main)
