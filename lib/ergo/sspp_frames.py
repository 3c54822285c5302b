"""Motion in the axes of 3DSSPP: z up, x right, y forward, feet on the floor, and which foot bears.

F frames, J joints, P points of a foot. Metres and seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.ergo.sspp_points import LocPoints, point_names, point_rules
from lib.errors import UserError, did_you_mean
from lib.skeleton import Skeleton

FACINGS = {
    "person": "y is where the person's hips face at the start, the origin is under them there",
    "frame": "y is where the person's hips face, in every frame anew; the origin is under them at the start",
    "room": "axes of the room as given: x is the camera's right, y leads away from the camera",
}
FLOORS = {
    "start": "z = 0 is the lowest foot at the start",
    "frame": "z = 0 is the lowest foot, in every frame anew: a jump or a step up is lost",
    "data": "z = 0 is that of the motion given",
}
START_S = 0.5
SPEED_S = 0.2
BOTH, LEFT, RIGHT, NONE = 0, 1, 2, 3
SUPPORT_WORDS = {BOTH: "both", LEFT: "left", RIGHT: "right", NONE: "none"}
# Trunk and leg of an upright person: shoulder height less ankle height, Drillis & Contini (1966)
TRUNK_AND_LEG = 0.818 - 0.039
LEAST_SHARE, LARGEST_SHARE = 0.6, 1.6


@dataclass(frozen=True, eq=False, kw_only=True)
class Clip:
    """Motion of one person in one task: positions_m (F,J,3) metres in right-handed axes, NaN where absent.

    up (3,) or (F,3): which way is up in them. frames (F,): numbers of the frames in their source, for the comments.
    in_room: whether the person's way through the room is in the positions; if not, the speed of feet says nothing.
    """

    task: str
    positions_m: np.ndarray
    fps: float
    up: np.ndarray | tuple[float, float, float]
    frames: np.ndarray | None = None
    in_room: bool = True
    notes: tuple[str, ...] = ()
    """What was assumed when it was made; goes into the file."""

    @property
    def seconds(self) -> np.ndarray:
        """(F,) from the first frame on."""
        number = np.arange(len(self.positions_m)) if self.frames is None else np.asarray(self.frames)
        return (number - number[:1]) / self.fps


@dataclass(frozen=True, eq=False, kw_only=True)
class Placed:
    """The known frames of a clip for 3DSSPP: G of F."""

    points: np.ndarray
    """(G,39,3) metres."""
    support: np.ndarray
    """(G,) 0 both feet, 1 left, 2 right, 3 none."""
    tilt_deg: np.ndarray
    """(G,) line from the hip centre to L5/S1 against the vertical, positive forwards; NaN where not measured."""
    rows: np.ndarray
    """(G,) rows of the clip."""


def place_clip(
    clip: Clip,
    skeleton: Skeleton,
    rules: LocPoints,
    *,
    stature_m: float,
    facing: str,
    floor: str,
    foot_height_m: float,
    foot_speed_m_s: float,
    every: int,
) -> Placed:
    """Every ``every``-th frame of a clip as 3DSSPP wants it; frames in which a point is not known are left out.

    A foot bears while a point of it is lower than ``foot_height_m`` over the floor and slower than
    ``foot_speed_m_s``. Unknown words, no known frame, positions that are no metres: ``UserError``.
    """
    for kind, word, known in (("facing", facing, FACINGS), ("floor", floor, FLOORS)):
        if word not in known:
            raise UserError(f"{kind} '{word}'{did_you_mean(word, known)}; allowed: {', '.join(known)}")
    if floor != "frame" and not clip.in_room:
        raise UserError(
            f"task '{clip.task}': poses without their place in the room have no floor to start from: use floor 'frame'"
        )
    room = _z_up(np.asarray(clip.positions_m, np.float64), clip.up)
    points = rules.make(room, stature_m)
    rows = np.flatnonzero(np.isfinite(points).all((1, 2)))
    if not len(rows):
        raise UserError(f"task '{clip.task}': no frame in which all joints are known; nothing to write")
    _refuse_other_units(points[rows], stature_m, clip.task)
    start = rows[rows < rows[0] + max(1, round(START_S * clip.fps))]
    heights = _foot_heights(room, rules, stature_m)  # (F,2,P)
    lowest = np.where(np.isfinite(heights), heights, np.inf).min((1, 2))
    ground = {"start": np.median(lowest[start]), "frame": lowest, "data": 0.0}[floor]
    low = heights - np.reshape(ground, (-1, 1, 1)) < foot_height_m
    if clip.in_room:
        low &= ~(_foot_speeds(room, rules, clip.fps) > foot_speed_m_s)  # an unknown speed stops nobody
    points[..., 2] -= np.reshape(ground, (-1, 1))
    bears = low.any(-1)
    support = np.select([bears.all(1), bears[:, 0], bears[:, 1]], [BOTH, LEFT, RIGHT], default=NONE)
    rows = rows[rows % every == 0]
    if not len(rows):
        raise UserError(f"task '{clip.task}': none of every {every} frames is known; write more of them")
    return Placed(
        points=_faced(points, start, facing)[rows],
        support=support[rows],
        tilt_deg=_pelvic_tilt_deg(points[rows], "pelvis" in skeleton.canonical),
        rows=rows,
    )


def _z_up(positions: np.ndarray, up: np.ndarray | tuple[float, float, float]) -> np.ndarray:
    """Positions (F,J,3) with z up and x as it was, made level."""
    z = np.broadcast_to(np.asarray(up, np.float64), (len(positions), 3))
    length = np.linalg.norm(z, axis=-1, keepdims=True)
    if not (length > 0).all():
        raise UserError("up must be a vector of some length")
    z = z / length
    x = np.array([1.0, 0.0, 0.0]) - z[:, :1] * z
    size = np.linalg.norm(x, axis=-1, keepdims=True)
    if (size < 0.1).any():
        raise UserError("up lies along the x axis: axes are wanted whose x points to the right")
    x = x / size
    return np.einsum("fij,fkj->fki", np.stack([x, np.cross(z, x), z], axis=1), positions)


def _at(points: np.ndarray, name: str) -> np.ndarray:
    return points[:, point_names().index(name)]


def _refuse_other_units(points: np.ndarray, stature_m: float, task: str) -> None:
    chain = ("shoulder_joint", "hip_joint", "knee_joint", "ankle_joint")
    joints = np.stack([_at(points, f"left_{name}") for name in chain], axis=1)
    length = float(np.median(np.linalg.norm(np.diff(joints, axis=1), axis=-1).sum(-1)))
    expected = TRUNK_AND_LEG * stature_m
    if not LEAST_SHARE * expected < length < LARGEST_SHARE * expected:
        raise UserError(
            f"task '{task}': trunk and leg measure {length:.3g}, where {expected:.2g} m are usual at a stature of "
            f"{stature_m:g} m: give positions in metres and the person's stature"
        )


def _foot_points(room: np.ndarray, rules: LocPoints) -> tuple[np.ndarray, np.ndarray]:
    """Points of both feet (F,2,P,3) that the format has, and their heights over the sole (2,P) in statures."""
    feet, heights = [], []
    for side in ("left", "right"):
        own = {name: share for name, share in point_rules()["foot_heights"].items() if name.startswith(side)}
        made = {name: rules.joint(name, room) for name in own}
        have = [name for name, place in made.items() if place is not None]
        feet.append(np.stack([made[name] for name in have], axis=1))
        heights.append([own[name] for name in have])
    return np.stack(feet, axis=1), np.array(heights)


def _foot_heights(room: np.ndarray, rules: LocPoints, stature_m: float) -> np.ndarray:
    """Heights (F,2,P) of the sole under each point of the left and the right foot."""
    feet, over_sole = _foot_points(room, rules)
    return feet[..., 2] - over_sole * stature_m


def _foot_speeds(room: np.ndarray, rules: LocPoints, fps: float) -> np.ndarray:
    """Speeds (F,2,P) over ``SPEED_S`` around each frame; NaN where a neighbour is not known."""
    feet, _ = _foot_points(room, rules)
    frame, reach = np.arange(len(feet)), max(1, round(0.5 * SPEED_S * fps))
    before, after = np.maximum(frame - reach, 0), np.minimum(frame + reach, len(feet) - 1)
    seconds = np.maximum(after - before, 1) / fps
    return np.linalg.norm(feet[after] - feet[before], axis=-1) / seconds[:, None, None]


def _faced(points: np.ndarray, start: np.ndarray, facing: str) -> np.ndarray:
    """Points (F,39,3) turned about the vertical, and moved, as ``facing`` says."""
    if facing == "room":
        return points
    hips = np.stack([_at(points, f"{side}_hip_joint")[:, :2] for side in ("left", "right")], axis=1)
    right = hips[:, 1] - hips[:, 0]
    if facing == "person":
        right = np.broadcast_to(right[start].mean(0), right.shape)
    length = np.linalg.norm(right, axis=-1, keepdims=True)
    # lying on the side the hips have no level direction: the axes stay those of the room
    x = np.where(length > 1e-6, right, [1.0, 0.0]) / np.where(length > 1e-6, length, 1.0)
    moved = points - np.append(hips[start].mean((0, 1)), 0.0)
    turn = np.stack([x, np.stack([-x[:, 1], x[:, 0]], -1)], axis=1)
    return np.concatenate([np.einsum("fij,fkj->fki", turn, moved[..., :2]), moved[..., 2:]], axis=-1)


def _pelvic_tilt_deg(points: np.ndarray, measured: bool) -> np.ndarray:
    """Lean (G,) of the line from the hip centre to L5/S1 in the person's sagittal plane."""
    if not measured:
        return np.full(len(points), np.nan)
    left, right = (_at(points, f"{side}_hip_joint") for side in ("left", "right"))
    line = _at(points, "l5_s1") - (left + right) / 2.0
    across = (right - left)[:, :2]
    across = across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-9)
    forward = line[:, 1] * across[:, 0] - line[:, 0] * across[:, 1]
    return np.degrees(np.arctan2(forward, line[:, 2]))
