"""Posture scores of somebody in a video: tables, a figure, and a section of the report page.

Letters: F frames, J joints.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib.ergo.from_joints import approximations, posture_angles
from lib.ergo.inputs import TaskInputs
from lib.ergo.limits import Thresholds
from lib.ergo.niosh import OUTSIDE, LiftGeometry, Niosh, lift_geometry, niosh
from lib.ergo.scores import Assessment, assess
from lib.ergo.series_csv import write_angles_csv, write_scores_csv
from lib.errors import UserError
from lib.skeleton import Skeleton
from lib.wild.ergo_figure import draw_ergo
from lib.wild.ergo_flags import LIFT_NEEDS_METRES, SMOOTH_S, check_lift_time, check_smoothing
from lib.wild.ergo_moments import moment_pictures, worst_moments
from lib.wild.ergo_section import ergo_section
from lib.wild.page import PageSection
from lib.wild.records import Flag, Track, WorldMotion

logger = logging.getLogger("ergolift")

UP = (0.0, 1.0, 0.0)
ERGO_FILES = ("angles.csv", "scores.csv", "ergo.png")
LEAST_SHARE = 0.005  # of the time, to be told in a line
BELOW_FLOOR_CM = 1.0  # hands so far below the floor are told
LIFT_WINDOW_S = 0.1  # around begin and end of a lift: the median of the joints


@dataclass(frozen=True, eq=False)
class WorldErgo:
    """Angles and scores of one person in a video; lift: geometry and result of the NIOSH equation at begin and end."""

    angles_deg: Mapping[str, np.ndarray]
    assessment: Assessment
    notes: tuple[str, ...]
    lift: tuple[LiftGeometry, Niosh, Niosh] | None = None

    @property
    def key(self) -> str:
        """Tells these scores of a motion from those by other flags."""
        found = self.assessment
        limits = dict(found.thresholds.values)
        return repr((list(found.methods), found.assumptions, self.notes, limits, self.lift))


def assess_world(
    world: WorldMotion,
    inputs: TaskInputs | None = None,
    thresholds: Thresholds | None = None,
    *,
    methods: Sequence[str] | None = None,
    smooth_s: float = SMOOTH_S,
) -> WorldErgo:
    """Score a person's motion in the room; ``smooth_s`` is the window over which angles, not joints, are averaged.

    Raises ``UserError`` for a joint format or a motion without trunk or arms, and for a lift in arbitrary units or
    beyond the motion's end. A lift that the joints at its begin and end do not give leaves a note instead.
    """
    check_smoothing(smooth_s)
    inputs = inputs or TaskInputs()
    angles = posture_angles(world.positions, world.skeleton, UP, fps=world.fps, smooth_s=smooth_s)
    assessment = assess(angles, world.fps, inputs, thresholds, methods)
    notes = approximations(world.skeleton)
    notes.append(
        f"angles are averaged over {smooth_s:g} s around each frame; the joints are not smoothed for it"
        if smooth_s
        else "angles are not smoothed"
    )
    notes.append(f"up is up in the room, for a camera that looks down by {world.pitch_deg:.1f} degrees")
    filled = (world.flag == Flag.INTERPOLATED).mean(1)[assessment.known]
    if len(filled) and filled.mean() > 0:
        notes.append(
            f"{100 * filled.mean():.1f} % of the joints in scored frames were filled in and count as seen"
        )
    lift = None
    if inputs.lift:
        moments = _moments(world, inputs.lift)
        try:
            lift, more = _lift(moments, world.skeleton, inputs)
            notes += more
        except UserError as error:  # only the result tells; the other scores stand without it
            notes.append(f"lift: {error}")
            logger.warning(notes[-1])
    return WorldErgo(angles, assessment, tuple(notes), lift)


def score_facts(found: WorldErgo) -> dict[str, str]:
    """Method -> its levels over time, in a few words."""
    facts = {"posture scores": "a screening aid from an estimated pose, not a certified assessment"}
    for result in found.assessment.methods.values():
        shares = [f"{name} {share:.0%}" for name, share in result.shares.items() if share >= LEAST_SHARE]
        highest = result.summary.get("highest score")
        score = "" if highest is None else f"highest score {highest:g}; "
        facts[result.title] = f"{score}share of time: {', '.join(shares) or 'nothing was scored'}"
    if found.lift:
        _, *ends = found.lift
        facts["NIOSH lifting equation"] = "; ".join(
            f"{moment}: {lift_words(one)}" for moment, one in zip(("begin", "end"), ends, strict=True)
        )
    return facts


def lift_words(one: Niosh) -> str:
    """Weight limit and lifting index of one end of a lift, or why the equation does not hold there."""
    if one.outside:
        return f"{OUTSIDE} ({', '.join(one.outside)}): weight limit 0"
    index = "" if np.isnan(one.lifting_index) else f", lifting index {one.lifting_index:.2f}"
    return f"weight limit {one.weight_limit:.1f} kg{index}"


def ergo_report(
    found: WorldErgo,
    world: WorldMotion,
    folder: str | Path,
    *,
    overlay: Path | None = None,
    track: Track | None = None,
    size_px: tuple[int, int] | None = None,
) -> PageSection:
    """Write ``ERGO_FILES`` into ``folder``; gives the page's section.

    overlay: the video with skeletons, whose frames become the pictures of the worst moments (so heads hidden in it are
    hidden here); without it skeletons are drawn. track and size_px (of the video) crop the pictures to the person.
    Raises ``UserError`` where the overlay cannot be read.
    """
    angles_csv, scores_csv, figure = (Path(folder) / name for name in ERGO_FILES)
    write_angles_csv(angles_csv, found.angles_deg, world.time_s)
    write_scores_csv(scores_csv, found.assessment, world.time_s)
    draw_ergo(figure, found.angles_deg, found.assessment, world.time_s)
    pictures = moment_pictures(worst_moments(found.assessment), world, overlay, track, size_px)
    return ergo_section(found.assessment, world, found.notes, pictures, found.lift)


def _moments(world: WorldMotion, lift_s: tuple[float, float]) -> list[np.ndarray]:
    """Joints (J,3) in metres at begin and end of a lift, NaN where unknown."""
    if world.units != "m":
        raise UserError(LIFT_NEEDS_METRES)
    check_lift_time(lift_s, world.num_frames, world.fps)
    moments = []
    for second in lift_s:
        # a video of few frames a second has one at either side of the moment
        near = np.abs(world.time_s - second) <= max(LIFT_WINDOW_S, 1 / world.fps)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a joint that is unknown at all of these frames
            moments.append(np.nanmedian(world.positions[near].astype(np.float64), axis=0))
    return moments


def _lift(
    moments: Sequence[np.ndarray], skeleton: Skeleton, inputs: TaskInputs
) -> tuple[tuple[LiftGeometry, Niosh, Niosh], list[str]]:
    """The NIOSH equation between two moments, for the begin and for the end of the lift, and what to know of it."""
    lift = lift_geometry(moments[0], moments[1], skeleton)
    how = {
        "lifts_per_min": inputs.lifts_per_min,
        "hours": inputs.duration_h,
        "coupling": inputs.coupling,
        "load": inputs.load_kg,
    }
    heights = {"begin": lift.v_cm, "end": lift.end_v_cm}
    notes = [
        f"lift: at its {moment} the hands came out {-v_cm:.0f} cm below the floor, taken as on it"
        for moment, v_cm in heights.items()
        if v_cm < -BELOW_FLOOR_CM
    ]
    begin, end = (
        niosh(h_cm, max(v_cm, 0.0), lift.d_cm, a_deg, **how)
        for h_cm, v_cm, a_deg in (
            (lift.h_cm, lift.v_cm, lift.a_deg),
            (lift.end_h_cm, lift.end_v_cm, lift.end_a_deg),
        )
    )
    return (lift, begin, end), notes
