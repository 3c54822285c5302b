"""Poses whose limbs have given lengths, near what was seen and what a model believes: damped Gauss-Newton.

Letters: F frames, J joints, L limbs. Everything is in units of the frame's scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

# One standard deviation, in shares of the person's size (``LimbProblem.size``), of a limb's length, or of the scale.
IMAGE_SD = 0.015  # a keypoint that was seen for sure
DEPTH_SD = 0.12  # the model's depth
DRIFT_SD_PER_S = 0.5  # change of the depth's correction
LENGTH_SD, LENGTH_FLOOR = 0.02, 0.006  # of a limb: of its own length, and of the person's size
SCALE_SD, SCALE_DRIFT_SD_PER_S = 0.02, 0.5
FAR = 2.0  # standard deviations of depth beyond which the model counts less (Huber)
ROUNDS = 6  # of Gauss-Newton
STEPS = 20  # of conjugate gradients in each
LEAST_NEARNESS = 0.1  # the least distance from the camera, in shares of the root's


def to_camera(pose: np.ndarray, focal: np.ndarray) -> np.ndarray:
    """Joints (F,J,3) of x, y from the image's centre and depth from the root, in camera axes and the same unit.

    focal (F,) in that unit. A joint nearer than the root looks larger than it is, as ``make_world`` takes it.
    """
    nearness = np.maximum(1.0 + pose[..., 2:] / focal[:, None, None], LEAST_NEARNESS)
    return np.concatenate([pose[..., :2] * nearness, pose[..., 2:]], -1)


@dataclass(frozen=True, eq=False, kw_only=True)
class LimbProblem:
    """Neighbouring frames of one person; ``solve`` gives the poses.

    pose (F,J,3): x, y from the image's centre where the joint was seen, and the model's depth from the root;
    trust (F,J) 0..1 in x and y; focal (F,); lengths (L,) of the limbs (L,2), bound where ``bound`` (F,L); size: of
    the person. Minimized is the sum of squares, each over its standard deviation, of: limb length less its own
    times exp(s), s a small correction of the frame's scale; x and y less what was seen; depth less the model's; the
    change of that difference from frame to frame; s, and its change.
    """

    pose: np.ndarray
    trust: np.ndarray
    focal: np.ndarray
    limbs: np.ndarray
    lengths: np.ndarray
    bound: np.ndarray
    size: float
    fps: float

    def rows(self, rows: slice) -> LimbProblem:
        """The same for some of the frames."""
        per_frame = {name: getattr(self, name)[rows] for name in ("pose", "trust", "focal", "bound")}
        return replace(self, **per_frame)

    def solve(self) -> np.ndarray:
        """Poses (F,J,3); the same every time."""
        state = np.concatenate([self.start.ravel(), np.zeros(len(self.pose))])
        for _ in range(ROUNDS):
            around = _Linear(self, state)
            change = _conjugate_gradients(around.apply, -around.gradient, around.diagonal)
            share, cost = 1.0, self.cost(state)
            while share > 0.02 and self.cost(state + share * change) > cost:
                share *= 0.5
            if share <= 0.02:
                break
            state = state + share * change
        return self.split(state)[0].transpose(2, 0, 1)

    def cost(self, state: np.ndarray) -> float:
        """What is minimized, with Huber's function of the depth's difference."""
        x, scale = self.split(state)
        off = x - self.start
        total = (self.limb_weight * (self.length_of(self.between(x)) - self.wanted(scale)) ** 2).sum()
        total += (self.image_weight[:, None] * off[:, :2] ** 2).sum()
        depth = np.abs(off[:, 2]) / (DEPTH_SD * self.size)
        total += np.where(depth < FAR, depth**2, FAR * (2 * depth - FAR)).sum()
        total += self.drift_weight * (np.diff(off[:, 2]) ** 2).sum() + (scale**2).sum() / SCALE_SD**2
        return float(total + self.scale_drift_weight * (np.diff(scale) ** 2).sum())

    def split(self, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Poses (J,3,F), frames last so that sums run over neighbours in memory, and s (F,)."""
        shape = self.start.shape
        return state[: -shape[-1]].reshape(shape), state[-shape[-1] :]

    def nearness(self, x: np.ndarray) -> np.ndarray:
        """Distance (J,F) from the camera in shares of the root's."""
        return np.maximum(1.0 + x[:, 2] / self.focal, LEAST_NEARNESS)

    def between(self, x: np.ndarray) -> np.ndarray:
        """Vectors (L,3,F) along the limbs in camera axes."""
        near = self.nearness(x)
        return self.difference(np.stack([x[:, 0] * near, x[:, 1] * near, x[:, 2]], 1))

    def difference(self, points: np.ndarray) -> np.ndarray:
        """First less second end (L,3,F) of each limb."""
        return (self._ends @ points.reshape(len(points), -1)).reshape(-1, *points.shape[1:])

    def gather(self, pulls: np.ndarray, *, absolute: bool = False) -> np.ndarray:
        """Sum (J,3,F) of pulls (L,3,F) on the first ends less those on the second, or of both."""
        matrix = abs(self._ends.T) if absolute else self._ends.T
        return (matrix @ pulls.reshape(len(pulls), -1)).reshape(-1, *pulls.shape[1:])

    @staticmethod
    def length_of(between: np.ndarray) -> np.ndarray:
        """Lengths (L,F)."""
        return np.maximum(np.sqrt((between**2).sum(1)), 1e-9)

    def wanted(self, scale: np.ndarray) -> np.ndarray:
        """Lengths (L,F) that the limbs are to have."""
        return self.lengths[:, None] * np.exp(scale)

    @cached_property
    def start(self) -> np.ndarray:
        """Where the joints are believed to be (J,3,F)."""
        return np.ascontiguousarray(self.pose.transpose(1, 2, 0), dtype=np.float64)

    @cached_property
    def _ends(self) -> csr_array:
        signs, limb = np.repeat([1.0, -1.0], len(self.limbs)), np.tile(np.arange(len(self.limbs)), 2)
        return csr_array((signs, (limb, self.limbs.T.ravel())), (len(self.limbs), self.pose.shape[1]))

    @cached_property
    def limb_weight(self) -> np.ndarray:
        """(L,F)"""
        spread = (LENGTH_SD * self.lengths) ** 2 + (LENGTH_FLOOR * self.size) ** 2
        return self.bound.T / spread[:, None]

    @cached_property
    def image_weight(self) -> np.ndarray:
        """(J,F)"""
        return (self.trust.T / (IMAGE_SD * self.size)) ** 2

    @cached_property
    def drift_weight(self) -> float:
        return (self.fps / (DRIFT_SD_PER_S * self.size)) ** 2

    @cached_property
    def scale_drift_weight(self) -> float:
        return (self.fps / SCALE_DRIFT_SD_PER_S) ** 2


class _Linear:
    """The normal equations around one state: gradient, product with the matrix, its diagonal."""

    def __init__(self, problem: LimbProblem, state: np.ndarray) -> None:
        self.problem = problem
        self.x, scale = problem.split(state)
        off = self.x - problem.start
        between = problem.between(self.x)
        length = problem.length_of(between)
        self.near = problem.nearness(self.x)
        self.slope = self.x[:, :2] / problem.focal  # of x and y in camera axes by depth
        self.along = between / length[:, None]
        self.wanted = problem.wanted(scale)
        self.weight = np.empty_like(off)
        self.weight[:, :2] = problem.image_weight[:, None]
        depth_sd = DEPTH_SD * problem.size
        self.weight[:, 2] = (
            np.minimum(1.0, FAR * depth_sd / np.maximum(np.abs(off[:, 2]), 1e-9)) / depth_sd**2
        )
        pull = problem.limb_weight * (length - self.wanted)
        self.gradient = self._join(pull, off, scale)

        stiff = problem.gather(problem.limb_weight[:, None] * self.along**2, absolute=True)
        ends = np.full(len(problem.pose), 2.0)
        ends[0] -= 1.0
        ends[-1] -= 1.0
        diagonal = stiff + self.weight
        diagonal[:, :2] += stiff[:, :2] * (self.near[:, None] ** 2 - 1.0)
        diagonal[:, 2] += problem.drift_weight * ends
        of_scale = (problem.limb_weight * self.wanted**2).sum(0) + 1.0 / SCALE_SD**2
        of_scale += problem.scale_drift_weight * ends
        self.diagonal = np.concatenate([diagonal.ravel(), of_scale])

    def apply(self, state: np.ndarray) -> np.ndarray:
        """The matrix times a change of state."""
        x, scale = self.problem.split(state)
        moved = np.empty_like(x)
        moved[:, :2] = x[:, :2] * self.near[:, None] + self.slope * x[:, 2:]
        moved[:, 2] = x[:, 2]
        stretch = (self.along * self.problem.difference(moved)).sum(1) - self.wanted * scale
        return self._join(self.problem.limb_weight * stretch, x, scale)

    def _join(self, pull: np.ndarray, x: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Pulls (L,F) of the limbs, and of all other terms at x (J,3,F) and scale (F,), on the state."""
        problem = self.problem
        on_joint = problem.gather(self.along * pull[:, None])
        total = on_joint + self.weight * x
        total[:, :2] += on_joint[:, :2] * (self.near[:, None] - 1.0)
        total[:, 2] += (self.slope * on_joint[:, :2]).sum(1) + problem.drift_weight * _roughness(x[:, 2])
        on_scale = scale / SCALE_SD**2 + problem.scale_drift_weight * _roughness(scale)
        return np.concatenate([total.ravel(), on_scale - (self.wanted * pull).sum(0)])


def _roughness(values: np.ndarray) -> np.ndarray:
    """Half the gradient of the sum of squared differences of neighbours in the last axis."""
    step = np.diff(values)
    rough = np.zeros_like(values)
    rough[..., 1:] += step
    rough[..., :-1] -= step
    return rough


def _conjugate_gradients(
    apply: Callable[[np.ndarray], np.ndarray], target: np.ndarray, diagonal: np.ndarray
) -> np.ndarray:
    """Approximate solution of apply(x) = target after a few steps, which is enough far from the minimum."""
    x, rest = np.zeros_like(target), target.copy()
    scaled = rest / diagonal
    direction, size = scaled, float(rest @ scaled)
    for _ in range(STEPS):
        if size <= 0.0:
            break
        image = apply(direction)
        step = size / float(direction @ image)
        x += step * direction
        rest -= step * image
        scaled = rest / diagonal
        before, size = size, float(rest @ scaled)
        direction = scaled + size / before * direction
    return x
