"""Marker paths for OpenSim: the TRC format of Motion Analysis as OpenSim's own reader wants it."""

from __future__ import annotations

from pathlib import Path

from lib.files import atomic_path
from lib.wild.exports.text import blocks, number_rows, plain_names
from lib.wild.records import WorldMotion


def write_trc(path: str | Path, world: WorldMotion) -> None:
    """Write one marker a joint, Y up, under the unit m; frames count from 1, absent markers are empty cells.

    Programs know no arbitrary units, so a motion in those is named ``..._arbitrary_units.trc`` in its first line.
    """
    path = Path(path)
    name = path.name if world.units == "m" else f"{path.stem}_arbitrary_units.trc"
    markers = plain_names(world.skeleton.joints)
    rate, frames = f"{world.fps:.10g}", world.num_frames
    labels = "\t".join(f"X{number}\tY{number}\tZ{number}" for number in range(1, len(markers) + 1))
    head = (
        f"PathFileType\t4\t(X/Y/Z)\t{plain_names([name])[0]}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{rate}\t{rate}\t{frames}\t{len(markers)}\tm\t{rate}\t1\t{frames}",
        "Frame#\tTime\t" + "".join(f"{marker}\t\t\t" for marker in markers),
        f"\t\t{labels}\t",
        "",  # OpenSim and older readers skip this line
    )
    with atomic_path(path) as temporary, temporary.open("w", encoding="ascii", newline="") as file:
        file.write("\n".join(head) + "\n")
        for block in blocks(frames):
            cells = number_rows(world.positions[block].reshape(block.stop - block.start, -1), "\t")
            times = world.time_s[block].tolist()
            # the tab at the end: OpenSim counts tabs, so that a last marker that is absent has its three cells
            file.writelines(
                f"{number}\t{time:.6f}\t{row}\t\n"
                for number, time, row in zip(
                    range(block.start + 1, block.stop + 1), times, cells, strict=True
                )
            )
