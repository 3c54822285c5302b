"""What became of a video in a few lines: for the terminal, and for the top of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lib.evaluate import table
from lib.wild.footage import Footage
from lib.wild.progress import Progress
from lib.wild.records import Detections, Flag, Track, WorldMotion
from lib.wild.stages import Stages
from lib.wild.tracks import track_summary

TRACK_COLUMNS = {
    "first_frame": "first frame",
    "last_frame": "last frame",
    "frames_seen": "frames seen",
    "mean_height_px": "height px",
}
ARBITRARY = "arbitrary (1 = the person's height); --stature gives metres"


def summarize(
    footage: Footage, detections: Detections, tracks: Sequence[Track], track: Track, world: WorldMotion
) -> dict[str, str]:
    """What was found, as name -> text."""
    frames = detections.num_frames
    empty = sum(len(people) == 0 for people in detections.people)
    absent = int((~world.present).sum())
    seen = np.zeros(frames, bool)
    seen[track.start : track.stop] = (track.flag == Flag.SEEN).any(-1)
    between = int((world.present & ~seen).sum())
    return {
        "video": f"{footage.name}, {frames} frames at {footage.fps:g} a second ({frames / footage.fps:.1f} s)",
        "people found": f"{len(tracks)}; this is person {track.id}",
        "frames without any detection": f"{empty} ({empty / frames:.0%})",
        "frames without this person": f"{absent} ({absent / frames:.0%}), {between} more are interpolated",
        "joints": f"{world.skeleton.name}, {world.skeleton.num_joints} joints",
        "units": "metres" if world.units == "m" else ARBITRARY,
    }


def closing_lines(
    stages: Stages, progress: Progress, facts: Mapping[str, str], world: WorldMotion, files: Sequence[Path]
) -> str:
    """Text for the terminal: the facts, what was assumed, how fast each stage was, the files."""
    lines = [*facts.items(), *(("note", note) for note in world.notes)]
    if progress.seconds:
        seconds = {**progress.seconds, "all together": progress.total_seconds}
        rates = [f"{name} {world.num_frames / max(spent, 1e-3):.0f}" for name, spent in seconds.items()]
        lines.append(("frames a second", ", ".join(rates)))
    if stages.skipped:
        lines.append(("not run again (--force does)", ", ".join(stages.skipped)))
    lines.append((f"written to {stages.folder}", ", ".join(path.name for path in files)))
    width = max(len(name) for name, _ in lines) + 2
    return "\n".join(["", *(f"{name + ':':<{width}}{value}" for name, value in lines)])


def table_of_people(tracks: Sequence[Track], num_frames: int) -> str:
    """Everybody who was found, and the flag that chooses them; nothing if there is no choice."""
    if len(tracks) < 2:
        return ""
    rows = {
        f"--focus {row['id']}": {**row, "frames_seen": row["seen_share"] * num_frames}
        for row in track_summary(tracks, num_frames)
    }
    return "\n" + table(rows, TRACK_COLUMNS, first="person", digits=0)
