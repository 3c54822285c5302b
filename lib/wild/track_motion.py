"""One person's track as the motion that a model takes: its joint format, and a place for every joint.

Letters: F frames, J joints.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from lib.data.missing import fill_missing
from lib.data.motion import Labels, Motion
from lib.errors import UserError
from lib.skeleton import Skeleton, conversion
from lib.wild.hand_formats import bare_hand
from lib.wild.records import Flag, Track

logger = logging.getLogger(__name__)

NAMED = 12  # joints in a line of the log


def track_motion(
    track: Track,
    target: Skeleton,
    *,
    fps: float,
    size_px: tuple[int, int],
    source: str,
    allow_missing: bool = False,
) -> tuple[Motion, np.ndarray, np.ndarray]:
    """The frames in which a model can see the person: motion in ``target``, frame numbers (F,), flags (F,J) uint8.

    Frames without the target's root or with less than half of the joints that can be made are left out; every stretch
    between them is a ``camera`` of its own ("segment 1", ...). In it, joints that are not known have ``Flag.ABSENT``;
    the model is given them where they were last seen, as in training (``fill_missing``), with confidence 0, and the
    log names them. Raises ``UserError`` if no frame is left, and for a joint without a conversion rule, unless
    ``allow_missing`` lets it be absent in every frame.
    """
    # a hand may be mirrored to the other side
    made = conversion(bare_hand(track.skeleton), bare_hand(target), allow_missing=allow_missing)
    xy, confidence = made.apply(track.keypoints[..., :2], track.keypoints[..., 2])
    flag = np.full(confidence.shape, Flag.ABSENT, track.flag.dtype)
    for joint in np.flatnonzero(~made.missing):
        flag[:, joint] = track.flag[:, np.flatnonzero(made.matrix[joint])].max(-1)
    known = flag != Flag.ABSENT
    present = known[:, target.root_weights > 0].all(-1) & (2 * known.sum(-1) >= (~made.missing).sum())
    if not present.any():
        raise UserError(
            f"{track.name}: no frame shows {' and '.join(target.root)} and half of the {(~made.missing).sum()} "
            f"joints of {target.name} that {track.skeleton.name} has; choose another person with --focus, or another "
            "detector"
        )
    rows = np.flatnonzero(present)
    segment = np.cumsum(np.diff(rows, prepend=rows[0]) > 1)
    _report(track, target, segment[-1] + 1, known[rows])
    motion = Motion(
        joints_2d=xy[rows],
        confidence=known[rows],  # so that what is interpolated counts as known
        source=source,
        camera=Labels(segment, [f"segment {number + 1}" for number in range(segment[-1] + 1)]),
        action="",
        fps=fps,
        size_px=np.array(size_px),
        skeleton=target,
    )
    motion = replace(fill_missing(motion, "hold"), confidence=np.where(known, confidence, 0)[rows])
    return motion, rows + track.start, flag[rows].astype(np.uint8)


def _report(track: Track, target: Skeleton, num_segments: int, known: np.ndarray) -> None:
    """Say what is not as it was seen: frames left out, and joints (F,J) that are not known."""
    if num_segments > 1 or len(known) < track.num_frames:
        logger.info(
            "%s: %d of %d frames in %d segments; absent in between",
            track.name,
            len(known),
            track.num_frames,
            num_segments,
        )
    shares = 1 - known.mean(0)
    held = [joint for joint in np.argsort(-shares, kind="stable") if shares[joint] > 0]
    if held:
        names = ", ".join(f"{target.joints[joint]} {shares[joint]:.1%}" for joint in held[:NAMED])
        more = f" and {len(held) - NAMED} more joints" if len(held) > NAMED else ""
        logger.info("%s: joints absent, share of frames: %s%s", track.name, names, more)
