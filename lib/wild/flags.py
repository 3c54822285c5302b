"""The flags of infer_wild.py; MotionBERT's keep their names and meaning."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from lib.errors import UserError
from lib.wild.detectors import DETECTORS
from lib.wild.ergo_flags import add_ergo_flags, useless_ergo_flags
from lib.wild.smooth import SMOOTHERS

# flags that change what comes out of stage 2
LIFT_OPTIONS = (
    *("clip_len", "fps", "pixel", "no_flip", "smooth", "precision", "stature", "hand_length"),
    *("pitch", "focal", "no_rigid", "allow_missing"),
)
SHIPPED = "(the shipped model)"  # value of a flag of a checkpoint that is given without one


class OneLineParser(argparse.ArgumentParser):
    """Tells a wrong flag as every other mistake."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; --help lists the flags")


def parse_arguments(argv: Sequence[str] | None, description: str) -> argparse.Namespace:
    """Flags as attributes; raises ``UserError`` for wrong ones."""
    parser = OneLineParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
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
    add(
        "--detector",
        choices=DETECTORS.names(),
        help="[mediapipe, for a model of hands alone mediapipe_hands]",
    )
    add(
        "--detector_option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="such as people=1; see docs/add_detector.md",
    )
    add(
        "--focus",
        default="longest",
        metavar="WHO",
        help="an id, largest, longest or all; of hands left or right too [%(default)s]",
    )
    add("--stature", type=float, metavar="M", help="the person's height, for results in metres")
    add("--hand_length", type=float, metavar="M", help="wrist to fingertip, for hands alone in metres")
    add("--pitch", type=float, metavar="DEG", help="how far the camera looks down [estimated]")
    add("--focal", type=float, metavar="PX", help="focal length of the camera in px [1.2 x the longer side]")
    add = parser.add_argument_group("the model").add_argument
    add(
        "-e",
        "--evaluate",
        metavar="CHECKPOINT",
        help="weights of the lifter, or a shipped model [which fits]",
    )
    add("--config", metavar="FILE", help="its YAML [config.yaml beside the checkpoint]")
    add("--clip_len", type=int, metavar="FRAMES", help="frames the model sees at once [the config's]")
    add(
        "--fps",
        type=float,
        help="frame rate that the model runs at, such as that of its training [the video's]",
    )
    add("--pixel", action="store_true", help="input and X3D.npy in MotionBERT's --pixel scale")
    add("--no_flip", action="store_true", help="no average with the mirrored input: twice as fast")
    add("--allow_missing", action="store_true", help="joints that the keypoints cannot make stay empty")
    add("--no_rigid", action="store_true", help="leave limb lengths as the model has them, frame by frame")
    add("--smooth", choices=SMOOTHERS.names(), help="smooth the joints in 3D [off]")
    add("--device", help="cpu, cuda or cuda:1 [a CUDA GPU if there is one]")
    add("--precision", choices=["fp32", "bf16"], default="fp32", help="number format [%(default)s]")
    add(
        "--mesh",
        metavar="CHECKPOINT",
        help="a mesh model too (of train_mesh.py): bodies; without -e joints from it",
    )
    add(
        "--hands",
        nargs="?",
        const=SHIPPED,
        metavar="CHECKPOINT",
        help="a hand model too (of train_hand.py) [the shipped one]: hands at the wrists of the body",
    )
    add("--hands_config", metavar="FILE", help="its YAML [config.yaml beside the checkpoint]")
    add("--mesh_config", metavar="FILE", help="its YAML [config.yaml beside the checkpoint]")
    add = parser.add_argument_group("the results").add_argument
    add("--anonymize", action="store_true", help="blur the heads of everybody found, in every picture")
    add("--no_render", action="store_true", help="make no videos")
    add("--force", action="store_true", help="run every stage again, also those whose results are there")
    add_ergo_flags(parser)
    return parser.parse_args(argv)


def useless_flags(arguments: argparse.Namespace, of_hands: bool = False) -> list[str]:
    """One line for each given flag that does nothing beside the others; of_hands: the model lifts hands alone."""
    notes = useless_ergo_flags(arguments)
    if arguments.hand_length and not of_hands:
        notes.append("--hand_length has no effect: hands have the scale of the body; --stature gives metres")
    if arguments.hand_length and arguments.stature and of_hands:
        notes.append("--stature has no effect beside --hand_length")
    if arguments.no_flip and of_hands:
        notes.append("--no_flip has no effect: hands alone are never lifted with their mirror image")
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
    for flag in ("hands", "mesh"):
        if getattr(arguments, f"{flag}_config") and not getattr(arguments, flag):
            notes.append(f"--{flag}_config has no effect without --{flag}")
    return notes
