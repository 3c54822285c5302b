"""report.html: one file that shows a person's motion beside the video, offline, in any browser.

The page's own HTML, style and scripts stand beside this file (``page*.html``, ``.css``, ``.js``) and are put into
the written page together with the data. Letters: F frames, J joints.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from html import escape
from io import BytesIO
from itertools import chain, takewhile
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import numpy as np

from lib.errors import UserError
from lib.files import atomic_path
from lib.wild.hand_formats import fine_joints, is_one_hand
from lib.wild.mesh_motion import MeshMotion
from lib.wild.page_data import data_block, json_block, mesh_blocks
from lib.wild.records import Flag, WorldMotion
from lib.wild.skin import Skin

HERE = Path(__file__).parent
SCRIPTS = (
    "page_player.js",
    "page_scene.js",
    "page_view.js",
    "page_mesh.js",
    "page_charts.js",
    "page_tables.js",
    "page_main.js",
)
EMBED_LIMIT_BYTES = 48 * 2**20
"""A larger video stays beside the page: base64 of more is too much for a phone's memory."""
FILE_KINDS = {
    ".csv": "table",
    ".png": "figure",
    ".json": "positions, for programs",
    ".trc": "markers, opens in OpenSim",
    ".bvh": "moving skeleton, opens in Blender",
    ".c3d": "markers, for motion capture software",
    ".glb": "moving body, opens in Blender",
    ".npy": "predictions as MotionBERT writes them",
    ".npz": "arrays, for numpy",
    ".mp4": "video",
}


@dataclass(frozen=True)
class PageSection:
    """A part of the page that somebody else makes: it stands after the charts and follows the page's time.

    html is put in as it is, so whoever makes it escapes what comes from outside; the page's policy forbids ``style``
    and ``on...`` attributes in it. data: blocks of ``lib.wild.page_data``. style is added to the page's own. script
    runs last, in a block of its own, and may use ``window.ergolift``: ``seek(seconds)``; ``onTime(callback)``, called
    at once and whenever the frame changes, with seconds and the frame's number; ``setJointColors(colors)``, a CSS
    colour or null for each of ``ergolift.joints`` (names), and null for the usual ones; ``time``, each frame's seconds.
    """

    title: str
    html: str
    script: str = ""
    style: str = ""
    data: Iterable[str] = ()


def write_page(
    path: str | Path,
    *,
    world: WorldMotion,
    overlay: Path | None,
    summary: Mapping[str, str],
    downloads: Sequence[Path],
    title: str,
    mesh: tuple[MeshMotion, Skin] | None = None,
    sections: Sequence[PageSection] = (),
) -> None:
    """Write the page about one person's motion as a single HTML file that makes no network request.

    overlay: H.264 video of the same frames; held inside the page up to ``EMBED_LIMIT_BYTES``, above that played from
    its place beside the page, and the page says so. summary: label -> text, shown before the page's own facts (which
    it replaces where a label is the same). downloads: files that are linked relative to the page. mesh: the body, in
    the axes and units of the world, which the 3D view then shows unless the browser has no WebGL. sections: further
    parts of the page, in this order. Positions are kept as 16-bit steps from the root, error below 0.1 mm for a
    person. Texts are escaped; raises ``UserError`` where the overlay cannot be read.
    """
    path = Path(path)
    style = "\n".join([(HERE / "page.css").read_text("utf-8"), *(section.style for section in sections)])
    script = "\n".join((HERE / name).read_text("utf-8") for name in SCRIPTS)
    script += "".join(f"\n{{\n{section.script}\n}}" for section in sections if section.script)
    assert not re.search("</(style|script)", style + script, re.IGNORECASE), "it would end its own element"
    with ExitStack() as stack:
        video = stack.enter_context(_opened(overlay)) if overlay else None
        is_inside = video is not None and os.fstat(video.fileno()).st_size <= EMBED_LIMIT_BYTES
        parts: dict[str, Iterable[str]] = {
            "policy": [_policy(style, script, media="'self' file:" if video and not is_inside else "blob:")],
            "title": [escape(title)],
            "style": [style],
            "facts": _facts(world, mesh, summary),
            "notes": _notes([*world.notes, *(mesh[0].notes if mesh else ())]),
            "video": _video_element(overlay, path, is_inside) if overlay else [],
            "downloads": [_download(file, path) for file in downloads],
            "sections": map(_section, sections),
            "data": chain(
                _data_blocks(world),
                mesh_blocks(*mesh) if mesh else (),
                *(section.data for section in sections),
            ),
            "video_data": data_block("video-data", video) if video and is_inside else [],
            "script": [script],
        }
        pieces = re.split(r"\{\{(\w+)\}\}", (HERE / "page_template.html").read_text("utf-8"))
        temporary = stack.enter_context(atomic_path(path))
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            for number, piece in enumerate(pieces):
                file.writelines(parts[piece] if number % 2 else [piece])


def _opened(overlay: Path) -> BinaryIO:
    try:
        return overlay.open("rb")
    except OSError as error:
        raise UserError(f"cannot read the video {overlay} for the page: {error.strerror}") from None


def _policy(style: str, script: str, media: str) -> str:
    """Content-Security-Policy: exactly this style and this script run, nothing is loaded but the media named."""

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; script-src {digest(script)}; style-src {digest(style)}; img-src data:; "
        f"media-src {media}; base-uri 'none'; form-action 'none'"
    )


def _facts(
    world: WorldMotion, mesh: tuple[MeshMotion, Skin] | None, summary: Mapping[str, str]
) -> Iterator[str]:
    """Terms and descriptions: those given, then what the motion itself tells."""
    frames, unseen = world.num_frames, int((~world.present).sum())
    filled = (world.flag[world.present] == Flag.INTERPOLATED).mean() if world.present.any() else 0.0
    who = "hand" if is_one_hand(world.skeleton) else "person"
    own = {
        "video": f"{frames} frames at {world.fps:.4g} a second ({frames / world.fps:.1f} s)",
        f"frames without this {who}": f"{unseen} ({unseen / frames:.1%})",
        "joint positions filled in": f"{filled:.1%}",
        "joints": f"{world.skeleton.name}, {world.skeleton.num_joints} joints",
        "units": "metres" if world.units == "m" else f"{world.units} (1 = the {world.unit_length})",
    }
    if np.isfinite(world.pitch_deg):
        own["camera pitch"] = f"{world.pitch_deg:.1f}°"
    if mesh:
        own["body"] = f"{mesh[0].body}, {len(mesh[1].vertices):,} vertices, {len(mesh[1].joints)} joints"
    given = {label.lower() for label in summary}
    for label, text in (*summary.items(), *((key, own[key]) for key in own if key.lower() not in given)):
        yield f"<div><dt>{escape(label)}</dt><dd>{escape(text)}</dd></div>\n"


def _notes(notes: Sequence[str]) -> list[str]:
    if not notes:
        return []
    items = "".join(f"<li>{escape(note)}</li>\n" for note in notes)
    return [f'<div class="notes"><h3>Assumed or approximate</h3><ul>\n{items}</ul></div>\n']


def _video_element(overlay: Path, page: Path, is_inside: bool) -> list[str]:
    link = _relative_url(overlay, page)
    source = "" if is_inside else f' src="{link}"'
    beside = (
        f'<p class="hint">The video ({_size(overlay)}) is too large to be held inside this page: '
        f'keep <a href="{link}">{escape(overlay.name)}</a> beside it.</p>'
    )
    return [
        f'<figure class="panel" id="video-panel"><video id="video"{source} playsinline muted preload="auto" '
        'aria-label="Video with the 2D skeleton"></video>\n<p class="hint" id="video-error" hidden>This browser '
        f'cannot play the video; open <a href="{link}">{escape(overlay.name)}</a> instead.</p>',
        "" if is_inside else beside,
        "</figure>",
    ]


def _section(section: PageSection) -> str:
    return f'<section class="card">\n<h2>{escape(section.title)}</h2>\n{section.html}\n</section>\n\n'


def _download(file: Path, page: Path) -> str:
    details = ", ".join(filter(None, (FILE_KINDS.get(file.suffix.lower()), _size(file))))
    return (
        f'<li><a href="{_relative_url(file, page)}" download>{escape(file.name)}</a> '
        f"<span>{escape(details)}</span></li>\n"
    )


def _relative_url(file: Path, page: Path) -> str:
    """Link from the page's folder; escaped as a URL, which leaves nothing that HTML would read."""
    relative = os.path.relpath(file.resolve(), page.parent.resolve())
    # ./ keeps a colon in the name from being read as a scheme
    return "./" + quote(Path(relative).as_posix())


def _size(file: Path) -> str:
    if not file.is_file():
        return ""
    size = file.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def _data_blocks(world: WorldMotion) -> Iterator[str]:
    """What the page's script reads: names and numbers as JSON, arrays as little-endian base64."""
    finite = np.isfinite(world.positions).all(-1)
    flag = np.where(finite, world.flag, Flag.ABSENT).astype(np.uint8)
    known = np.where(finite[..., None], world.positions, 0.0)
    middle = known.sum(1) / np.maximum(finite.sum(1), 1)[:, None]
    origin = np.where(np.isfinite(world.root).all(-1, keepdims=True), world.root, middle).astype("<f4")
    relative = np.where(finite[..., None], known - origin[:, None], 0.0)
    step = max(float(np.abs(relative).max(initial=0.0)), 1e-6) / 32767
    skeleton = world.skeleton
    sole = {side: skeleton.index_canonical(f"{side}_ankle") for side in ("left", "right")}
    yield json_block(
        "data",
        {
            "joints": [joint.replace("_", " ") for joint in skeleton.joints],
            "jointsOfBothSides": [
                _without_side(joint, skeleton.joints[mirror])
                for joint, mirror in zip(skeleton.joints, skeleton.flip_idx, strict=True)
            ],
            "jointIds": skeleton.joints,
            "jointColors": skeleton.joint_colors,
            "fine": fine_joints(skeleton).tolist(),
            "limbs": skeleton.limb_idx.tolist(),
            "limbMirror": skeleton.limb_flip_idx.tolist(),
            "limbSides": skeleton.limb_sides,
            "limbColors": skeleton.limb_colors,
            "ankles": [sole["left"], sole["right"]],
            "units": world.units,
            "unitLength": world.unit_length.split("'s ")[1],
            "fps": world.fps,
            "step": step,
        },
    )
    arrays = {
        "positions": np.rint(relative / step).astype("<i2"),
        "origin": origin,
        "confidence": np.rint(np.clip(np.nan_to_num(world.confidence), 0, 1) * 255).astype(np.uint8),
        "flag": flag,
        "contact": world.foot_contact.astype(np.uint8),
        "time": world.time_s.astype("<f8"),
    }
    for name, array in arrays.items():
        yield from data_block(name, BytesIO(array.tobytes()))


def _without_side(joint: str, mirror: str) -> str:
    """What a joint and its mirror image are both called: knee of left_knee, KNEE of LKNEE."""
    word = re.match(r"(left|right)_?", joint, re.IGNORECASE)
    if word:
        return joint[word.end() :].replace("_", " ")
    same_end = takewhile(
        lambda letters: letters[0] == letters[1], zip(joint[::-1], mirror[::-1], strict=False)
    )
    shared = "".join(letter for letter, _ in same_end)[::-1]
    return (shared or joint).replace("_", " ").strip()
