"""What became of a video in a few lines: for the terminal, and for the top of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lib.evaluate import table
from lib.wild.footage import Footage
from lib.wild.hand_formats import is_one_hand
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
    is_hand = is_one_hand(world.skeleton)
    found, who = ("hands", "hand") if is_hand else ("people", "person")
    flag = "--hand_length" if is_hand else "--stature"
    return {
        "video": f"{footage.name}, {frames} frames at {footage.fps:g} a second ({frames / footage.fps:.1f} s)",
        f"{found} found": f"{len(tracks)}; this is {track.name}",
        "frames without any detection": f"{empty} ({empty / frames:.0%})",
        f"frames without this {who}": f"{absent} ({absent / frames:.0%}), {between} more are interpolated",
        "joints": f"{world.skeleton.name}, {world.skeleton.num_joints} joints",
        "units": "metres"
        if world.units == "m"
        else f"arbitrary (1 = the {world.unit_length}); {flag} gives metres",
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
        f"--focus {row['id']}{f' ({track.side})' if track.side else ''}": {
            **row,
            "frames_seen": row["seen_share"] * num_frames,
        }
        for track, row in zip(tracks, track_summary(tracks, num_frames), strict=True)
    }
    first = "hand" if tracks[0].side else "person"
    return "\n" + table(rows, TRACK_COLUMNS, first=first, digits=0)
