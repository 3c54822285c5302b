"""What became of a video in a few lines: for the terminal, and for the top of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lib.evaluate import table
from lib.wild.footage import Footage
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
    stages: Stages,
    facts: Mapping[str, str],
    tracks: Sequence[Track],
    num_frames: int,
    files: Sequence[Path],
) -> str:
    """Text for the terminal: the facts, everybody who can be chosen, how fast each stage was, the files."""
    lines = dict(facts)
    if stages.seconds:
        rates = {name: num_frames / max(seconds, 1e-3) for name, seconds in stages.seconds.items()}
        lines["frames a second"] = ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items())
    if stages.skipped:
        lines["not run again (--force does)"] = ", ".join(stages.skipped)
    lines[f"written to {stages.folder}"] = ", ".join(path.name for path in files)
    width = max(map(len, lines)) + 2
    text = [f"{name + ':':<{width}}{value}" for name, value in lines.items()]
    if len(tracks) > 1:
        rows = {
            f"--focus {row['id']}": {**row, "frames_seen": row["seen_share"] * num_frames}
            for row in track_summary(tracks, num_frames)
        }
        text = [table(rows, TRACK_COLUMNS, first="person", digits=0), "", *text]
    return "\n".join(["", *text])
