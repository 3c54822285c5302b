"""The body map of the report page: parts of the body coloured by risk.

Letters: F frames.
"""

from __future__ import annotations

from html import escape

import numpy as np

from lib.ergo.holds import UNKNOWN
from lib.ergo.limits import risk_colors, unknown_color
from lib.ergo.scores import Assessment

LONG_SHARE = 0.1
"""The map of the whole video shows the risk that is reached or passed for this share of the time."""
RISK_NAMES = ("low", "some", "high", "very high")
# where each part lies on a body seen from behind, so that left is left; widths are those of the strokes
SHAPES = {
    "neck": ('<circle cx="60" cy="19" r="12"/>', '<path d="M60 30V40" stroke-width="9"/>'),
    "trunk": ('<path d="M45 49Q60 43 75 49L71 98Q60 104 49 98Z"/>',),
    "left_upper_arm": ('<path d="M37 53L30 79" stroke-width="10"/>',),
    "right_upper_arm": ('<path d="M83 53L90 79" stroke-width="10"/>',),
    "left_forearm": ('<path d="M28 87L23 110" stroke-width="8.5"/>',),
    "right_forearm": ('<path d="M92 87L97 110" stroke-width="8.5"/>',),
    "left_wrist": ('<circle cx="21" cy="122" r="5.5"/>',),
    "right_wrist": ('<circle cx="99" cy="122" r="5.5"/>',),
    "legs": (
        '<path d="M54 109L51 150L50 190" stroke-width="11"/>',
        '<path d="M66 109L69 150L70 190" stroke-width="11"/>',
    ),
}
PART_OF_JOINT = {  # words in a joint's anatomical name -> part of its side, the first that fits
    "knee ankle heel toe foot mtp femoral malleolus trochanter": "legs",
    "shoulder elbow epicondyle acromion": "{side}_upper_arm",
    "wrist styloid": "{side}_forearm",
    "mcp pip dip tip cmc hand": "{side}_wrist",
    "hip pelvis spine thorax thoracic c7 t8 xiphoid sternal asis psis shoulder collar": "trunk",
    "head neck face skull nose nostril eye ear chin jaw brow lip mouth": "neck",
}


def swatch(color: str) -> str:
    """A small square of a colour."""
    return (
        '<svg class="swatch" viewBox="0 0 1 1" aria-hidden="true">'
        f'<path d="M0 0h1v1H0z" fill="{color}"/></svg>'
    )


def part_of_joint(canonical: str) -> str | None:
    """Part of the body map that a joint shows: right_upper_arm of right_elbow, neck of nose; None if unclear."""
    side = next((side for side in ("left", "right") if canonical.startswith(f"{side}_")), None)
    for words, part in PART_OF_JOINT.items():
        if any(word in canonical for word in words.split()) and (side or "{side}" not in part):
            return part.format(side=side)
    return None


def body_map(assessment: Assessment) -> str:
    """HTML of the map now (the script colours it), the map of the whole video, and the shares of time."""
    long_risk = {part: lasting_risk(risk) for part, risk in assessment.parts.items()}
    keys = "".join(
        f"<span>{swatch(color)}{name}</span>"
        for name, color in zip((*RISK_NAMES, "unknown"), (*risk_colors(), unknown_color()), strict=True)
    )
    rows = "".join(
        f'<tr><th scope="row">{escape(part.replace("_", " "))}</th>'
        + "".join(f"<td>{share}</td>" for share in _risk_shares(risk))
        + "</tr>\n"
        for part, risk in assessment.parts.items()
    )
    heads = "".join(f'<th scope="col">{name}</th>' for name in RISK_NAMES)
    return (
        "<h3>Parts of the body</h3>\n"
        '<p class="hint">Posture of each part alone, without load: its RULA part score (legs: REBA) less one. '
        'Seen from behind, so left is left.</p>\n<p class="key">' + keys + "</p>\n"
        '<div class="ergo-bodies">'
        f"<figure><figcaption>Now</figcaption>{_body('ergo-now', {})}</figure>"
        f"<figure><figcaption>For a tenth of the time or longer</figcaption>{_body('ergo-whole', long_risk)}</figure>"
        f'<div class="scroll"><table class="numbers"><thead><tr><th scope="col">Share of time</th>{heads}</tr></thead>'
        f"<tbody>\n{rows}</tbody></table></div></div>\n"
        '<p class="hint"><label><input type="checkbox" id="ergo-colors"> '
        "Show these colours on the joints of the 3D view</label></p>\n"
    )


def lasting_risk(risk: np.ndarray) -> int:
    """The highest risk that a part reaches or passes in a tenth of its known frames; -1 if none is known."""
    known = risk[risk != UNKNOWN]
    if not len(known):
        return UNKNOWN
    return max(
        level for level in range(len(RISK_NAMES)) if level == 0 or (known >= level).mean() >= LONG_SHARE
    )


def _risk_shares(risk: np.ndarray) -> list[str]:
    known = risk[risk != UNKNOWN]
    return [f"{(known == level).mean():.0%}" if len(known) else "–" for level in range(len(RISK_NAMES))]


def _body(name: str, risks: dict[str, int]) -> str:
    colors = (*risk_colors(), unknown_color())  # -1 takes the last
    groups = ""
    for part, shapes in SHAPES.items():
        color = colors[risks.get(part, UNKNOWN)]
        drawn = "".join(
            shape.replace(
                "/>",
                f' fill="none" stroke="{color}"/>'
                if "stroke-width" in shape
                else f' fill="{color}" stroke="none"/>',
            )
            for shape in shapes
        )
        label = escape(part.replace("_", " "))
        groups += f'<g data-part="{part}"><title>{label}</title>{drawn}</g>'
    return (
        f'<svg class="ergo-body" id="{name}" viewBox="0 0 120 204" role="img" '
        'aria-label="Body seen from behind, coloured by risk">'
        f'<g stroke-linecap="round" stroke-linejoin="round">{groups}</g>'
        '<text x="6" y="70">L</text><text x="108" y="70">R</text></svg>'
    )
