"""No picture with a face is left from an earlier run, and no input is written over."""

from __future__ import annotations

from pathlib import Path

from lib.errors import UserError
from lib.wild.stages import STAGES_FILE, stored_inputs


def refuse_own_results(video: Path | None, out: Path) -> None:
    """A video that this run would write over is no input."""
    if video is not None and video.resolve() in [
        (out / name).resolve() for name in ("overlay.mp4", "X3D.mp4")
    ]:
        raise UserError(f"{video} would be written over by the result: name another --out_path")


def remove_pictures_with_faces(out: Path) -> None:
    """Videos and pages that an earlier run has left in a folder of results without blurring the heads."""
    drawn = stored_inputs(out, "render")
    if (out / STAGES_FILE).exists() and not (drawn and drawn["anonymize"]):
        for folder in (out, *out.glob("person_*")):
            for name in ("overlay.mp4", "report.html"):
                (folder / name).unlink(missing_ok=True)
