"""Which detection of a frame is which person: assignment to predicted places, frame by frame.

Letters: F frames, M detections of all frames, P of one frame, K people being followed, J joints.
Distances are parts of a person's size, the diagonal of the box around the keypoints.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

# A detection belongs to a person if its joints lie nearer than this to the predicted ones; further with every
# second out of sight.
REACH, REACH_PER_S, LONGEST_REACH = 0.35, 1.0, 0.75
BOX_COST = 0.3  # of boxes that do not overlap, against 1 for joints a whole size away
LOST_COST_PER_S = 0.5  # people in sight come before those who were lost
VELOCITY_MEMORY_S, LONGEST_PREDICTION_S = 0.1, 0.5
# Hands: what one of the other side costs, against 1 for joints a whole size away, since detectors err in single frames;
# a hand that was out of sight for longer is not found again as one of the other side.
SIDE_COST, SIDE_MEMORY_S, LOST_SIDE_S = 0.3, 1.0, 0.2
# A new person needs some confident points, this far from everybody who is already there.
START_POINTS, START_CONFIDENCE, DUPLICATE = 5, 0.2, 0.1


@dataclass(frozen=True, eq=False)
class Sights:
    """Detections as arrays: xy (M,J,2) px and confidence (M,J), both 0 where not seen; box (M,4) px; size_px (M,).

    The box is left, top, right, bottom of the joints seen, widened a little so that it always has an area. side (M,):
    -1 for a left hand, 1 for a right one, between them where the votes differ, 0 without one.
    """

    xy: np.ndarray
    confidence: np.ndarray
    box: np.ndarray
    size_px: np.ndarray
    side: np.ndarray

    @classmethod
    def of(cls, keypoints: np.ndarray, seen: np.ndarray, side: np.ndarray) -> Sights:
        """Of keypoints (M,J,3), of which at least one of each detection is seen (M,J), and sides (M,)."""
        xy = np.where(seen[..., None], keypoints[..., :2], 0).astype(np.float64)
        low = np.where(seen[..., None], xy, np.inf).min(1)
        high = np.where(seen[..., None], xy, -np.inf).max(1)
        size = np.maximum(np.hypot(*(high - low).T), 1.0)
        border = 0.05 * size[:, None]
        confidence = np.where(seen, keypoints[..., 2], 0).astype(np.float64)
        return cls(xy, confidence, np.concatenate([low - border, high + border], 1), size, side.astype(float))

    def __getitem__(self, item: slice | np.ndarray) -> Sights:
        return Sights(*(getattr(self, field.name)[item] for field in fields(self)))

    def distance(self, other: Sights) -> np.ndarray:
        """(K,P) mean distance of the joints that both have, weighted by confidence, as part of the larger size.

        A joint counts at most a whole size, so that a few wrong ones do no harm. Without a joint in common: the
        distance of the boxes' centres.
        """
        size = np.maximum(self.size_px[:, None], other.size_px)
        steps = self.xy[:, None] - other.xy
        joints = np.sqrt(np.einsum("kpjc,kpjc->kpj", steps, steps))
        joints = np.minimum(joints / size[..., None], 1)
        weight = self.confidence[:, None] * other.confidence
        total = weight.sum(-1)
        mean = np.einsum("kpj,kpj->kp", weight, joints) / np.maximum(total, 1e-9)
        if (total > 0).all():
            return mean
        steps = self.center()[:, None] - other.center()
        return np.where(total > 0, mean, np.hypot(steps[..., 0], steps[..., 1]) / size)

    def overlap(self, other: Sights) -> np.ndarray:
        """(K,P) intersection over union of the boxes."""
        mine, theirs = self.box[:, None], other.box
        sides = np.minimum(mine[..., 2:], theirs[:, 2:]) - np.maximum(mine[..., :2], theirs[:, :2])
        shared = np.maximum(sides, 0).prod(-1)
        areas = (mine[..., 2:] - mine[..., :2]).prod(-1) + (theirs[:, 2:] - theirs[:, :2]).prod(-1)
        return shared / (areas - shared)

    def moved(self, step_px: np.ndarray) -> Sights:
        """All shifted by step_px (M,2)."""
        box = self.box + np.concatenate([step_px, step_px], 1)
        return replace(self, xy=self.xy + step_px[:, None], box=box)

    def center(self) -> np.ndarray:
        """(M,2) px: centres of the boxes."""
        return (self.box[:, :2] + self.box[:, 2:]) / 2


class Followed:
    """The people being followed: where they were last, how fast they move, and when they were last in sight."""

    def __init__(self, num_joints: int, fps: float) -> None:
        self.fps = fps
        self.place = Sights.of(np.zeros((0, num_joints, 3)), np.zeros((0, num_joints), bool), np.zeros(0))
        self.velocity = np.zeros((0, 2))
        self.last, self.hits, self.label = (np.zeros(0, np.int64) for _ in range(3))

    def keep(self, chosen: np.ndarray) -> None:
        """Forget all others."""
        self.place, self.velocity = self.place[chosen], self.velocity[chosen]
        self.last, self.hits, self.label = self.last[chosen], self.hits[chosen], self.label[chosen]

    def add(self, sights: Sights, frame: int, labels: np.ndarray) -> None:
        """Follow more people."""
        count = np.ones(len(labels), np.int64)
        pairs = ((getattr(self.place, field.name), getattr(sights, field.name)) for field in fields(Sights))
        self.place = Sights(*(np.concatenate(pair) for pair in pairs))
        self.velocity = np.concatenate([self.velocity, np.zeros((len(labels), 2))])
        self.last = np.concatenate([self.last, count * frame])
        self.hits = np.concatenate([self.hits, count])
        self.label = np.concatenate([self.label, labels])

    def assign(self, sights: Sights, frame: int) -> np.ndarray:
        """(P,) number of the person that each detection is, or -1."""
        owner = np.full(len(sights.size_px), -1)
        if not len(self.label):
            return owner
        frames = frame - self.last
        step = self.velocity * np.minimum(frames, max(LONGEST_PREDICTION_S * self.fps, 1))[:, None]
        predicted = self.place.moved(step)
        distance = predicted.distance(sights)
        reach = np.minimum(REACH + REACH_PER_S * frames / self.fps, LONGEST_REACH)
        other_side = np.maximum(-self.place.side[:, None] * sights.side, 0)
        gone = frames > LOST_SIDE_S * self.fps
        allowed = (distance <= reach[:, None]) & ~(gone[:, None] & (other_side > 0))
        lost = LOST_COST_PER_S * (frames - 1) / self.fps
        cost = distance + BOX_COST * (1 - predicted.overlap(sights)) + lost[:, None] + SIDE_COST * other_side
        people, found = linear_sum_assignment(np.where(allowed, cost, 1e3))
        good = allowed[people, found]
        owner[found[good]] = people[good]
        return owner

    def update(self, people: np.ndarray, sights: Sights, frame: int) -> None:
        """People (K,) were seen in a frame; joints that were not seen move along with the others."""
        before, frames = self.place[people], (frame - self.last[people])[:, None]
        weight = before.confidence * sights.confidence
        total = weight.sum(-1, keepdims=True)
        step = np.einsum("kj,kjc->kc", weight, sights.xy - before.xy) / np.maximum(total, 1e-9)
        step = np.where(total > 0, step, sights.center() - before.center())
        hits = self.hits[people][:, None]
        newest = np.maximum(1 / hits, min(1 / (VELOCITY_MEMORY_S * self.fps), 1))
        self.velocity[people] += newest * (step / frames - self.velocity[people])
        seen = sights.confidence > 0
        self.place.xy[people] = np.where(seen[..., None], sights.xy, before.xy + step[:, None])
        self.place.confidence[people] = np.where(seen, sights.confidence, 0.9 * before.confidence)
        self.place.box[people] = sights.box
        newest = np.maximum(1 / hits, min(1 / (SIDE_MEMORY_S * self.fps), 1))[:, 0]
        self.place.side[people] += newest * (sights.side - before.side)
        # somebody half hidden is no smaller person
        self.place.size_px[people] = np.maximum(sights.size_px, 0.98 * before.size_px)
        self.last[people] = frame
        self.hits[people] += 1


def associate(
    keypoints: np.ndarray,
    seen: np.ndarray,
    frames: np.ndarray,
    *,
    fps: float,
    max_absence_s: float,
    side: np.ndarray | None = None,
) -> np.ndarray:
    """(M,) number of the person that each detection shows, from 0 in order of appearance; -1 for nobody.

    keypoints (M,J,3) px; seen (M,J) bool; frames (M,) ascending; side (M,) of hands as in ``Sights``. People who were
    lost keep their number if they are seen again near where they were, or were going to, within max_absence_s. Of two
    nearly equal detections the less confident one is nobody, as are new ones with fewer than five confident points.
    """
    label = np.full(len(keypoints), -1)
    rows = np.flatnonzero(seen.any(1))
    if not len(rows):
        return label
    everything = Sights.of(keypoints[rows], seen[rows], np.zeros(len(rows)) if side is None else side[rows])
    quality = everything.confidence.sum(1)
    start_points = min(START_POINTS, keypoints.shape[1])
    may_start = (everything.confidence >= START_CONFIDENCE).sum(1) >= start_points
    followed = Followed(keypoints.shape[1], fps)
    num_people = 0
    bounds = np.r_[0, np.flatnonzero(np.diff(frames[rows])) + 1, len(rows)].tolist()
    for start, stop in pairwise(bounds):
        frame, sights = int(frames[rows[start]]), everything[start:stop]
        absent = frame - followed.last - 1
        if (lost := absent > max_absence_s * fps).any():
            followed.keep(~lost)
        owner = followed.assign(sights, frame)
        new: list[int] = []
        if (owner < 0).any():
            new = _newcomers(owner, sights, quality[start:stop], may_start[start:stop])
        known = np.flatnonzero(owner >= 0)
        if len(known):
            followed.update(owner[known], sights[known], frame)
            label[rows[start:stop][known]] = followed.label[owner[known]]
        if new:
            numbers = num_people + np.arange(len(new))
            followed.add(sights[np.array(new)], frame, numbers)
            label[rows[start:stop][new]] = numbers
            num_people += len(new)
    return label


def _newcomers(owner: np.ndarray, sights: Sights, quality: np.ndarray, may_start: np.ndarray) -> list[int]:
    """Detections that are new people; a better double of somebody's detection takes its place in ``owner`` (P,)."""
    distance = sights.distance(sights)
    taken: list[int] = np.flatnonzero(owner >= 0).tolist()
    new: list[int] = []
    for number in sorted(np.flatnonzero(owner < 0).tolist(), key=lambda number: -quality[number]):
        twin = min(taken, key=lambda other: distance[number, other], default=None)
        if twin is None or distance[number, twin] > DUPLICATE:
            if may_start[number]:
                taken.append(number)
                new.append(number)
        elif quality[number] > quality[twin]:  # then the twin has an owner: new ones come best first
            owner[number], owner[twin] = owner[twin], -1
            taken[taken.index(twin)] = number
    return new
