"""MediaPipe's own 3D, its "world landmarks", of one person or hand of a video: a baseline for results in 3D.

Letters: F frames, P people of a frame, J points of MediaPipe, K joints of another format.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lib.errors import UserError
from lib.skeleton import Conversion, Skeleton, conversion
from lib.wild.detectors import build_detector, closing_detector
from lib.wild.measure import box_sides

SAME = 0.2  # of the longer side of the box: points that lie nearer on average are those of the same person


@dataclass(frozen=True, eq=False)
class WorldLandmarks:
    """Everybody whom MediaPipe found: of each of F frames people (P,J,3) x px, y px, confidence, and in metres.

    Metres are camera axes (x right, y down, z forward) from the middle of the hips, or of the hand.
    """

    skeleton: Skeleton
    people: list[np.ndarray]
    worlds_m: list[np.ndarray]

    def of_person(self, keypoints: np.ndarray, skeleton: Skeleton) -> np.ndarray:
        """(F,J,3) metres of the one whose keypoints (F,K,2) px of another format these are, NaN where nobody is.

        Keypoints are NaN where they are not known. Whoever is farther from them than a fifth of their box is
        somebody else.
        """
        made = conversion(self.skeleton, skeleton, allow_missing=True, log=False)
        sides = box_sides(keypoints)
        found = np.full((len(keypoints), self.skeleton.num_joints, 3), np.nan, np.float32)
        for frame, (people, worlds_m) in enumerate(zip(self.people, self.worlds_m, strict=True)):
            if not len(people) or not np.isfinite(keypoints[frame]).any():
                continue
            points, _ = made.apply(people[..., :2])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # people of whom no common point is known
                distance = np.nanmean(np.linalg.norm(points - keypoints[frame], axis=-1), axis=-1)
            distance = np.where(np.isfinite(distance), distance, np.inf)
            nearest = int(distance.argmin())
            if distance[nearest] < SAME * sides[frame]:
                found[frame] = worlds_m[nearest]
        return found


def find_world_landmarks(frames: Iterable[np.ndarray], *, hands: bool = False) -> WorldLandmarks:
    """Run MediaPipe over frames (H,W,3) uint8 RGB as ``infer_wild.py`` does: bodies, or hands.

    Raises ``UserError`` where MediaPipe is not installed.
    """
    people, worlds_m = [], []
    with closing_detector(build_detector("mediapipe_hands" if hands else "mediapipe")) as detector:
        shape = (0, detector.skeleton.num_joints, 3)
        for frame in frames:
            found = detector(frame)
            people.append(np.stack(found) if found else np.zeros(shape, np.float32))
            worlds_m.append(np.stack(detector.worlds_m) if found else np.zeros(shape, np.float32))
    return WorldLandmarks(detector.skeleton, people, worlds_m)


def on_common_ground(
    positions: np.ndarray, others: np.ndarray, made: Conversion, skeleton: Skeleton
) -> tuple[np.ndarray, np.ndarray, Skeleton]:
    """Two results of one person on the same joints in the same frames, both in the first one's format.

    positions (F,J,3), others (F,K,3) of the format that ``made`` converts from; what one of them lacks becomes NaN in
    both, so do joints that the other format has by an approximate rule only. The root of the skeleton returned is the
    format's own if both have it, else the middle of the hips, else that of all common joints. Raises ``UserError`` if
    there are fewer than two common joints, or no common frame.
    """
    names = [joint for joint, exact in zip(skeleton.joints, made.exact, strict=True) if exact]
    if len(names) < 2:
        raise UserError(f"{skeleton.name} has fewer than two joints in common with what it is compared with")
    converted = made.apply(others.astype(np.float64))[0]
    both = np.isfinite(positions).all(-1) & np.isfinite(converted).all(-1) & made.exact
    if not both.any():
        raise UserError("there is no frame in which both found the person")
    hips = [skeleton.index_canonical(f"{side}_hip") for side in ("left", "right")]
    if not made.exact[skeleton.root_weights > 0].all():
        has_hips = None not in hips and made.exact[hips].all()
        skeleton = skeleton.with_root(*([skeleton.joints[hip] for hip in hips] if has_hips else names))
    ours, theirs = (np.where(both[..., None], each, np.nan) for each in (positions, converted))
    return ours, theirs, skeleton
