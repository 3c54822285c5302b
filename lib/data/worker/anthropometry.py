"""Body size: published proportions of an average adult, and a subject drawn around them.

Axes of every segment (ISB): x forward, y up (proximal), z to the subject's right. Offsets below are those of
the right side; the left side has z negated. All lengths in mm.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

# Heights above the floor and lengths as fractions of stature: Drillis & Contini (1966), figure 4.1 in
# D. A. Winter, Biomechanics and Motor Control of Human Movement, 4th ed., Wiley 2009.
DRILLIS_CONTINI = {
    "eye_height": 0.936,
    "chin_height": 0.870,
    "shoulder_height": 0.818,
    "hip_height": 0.530,
    "knee_height": 0.285,
    "ankle_height": 0.039,
    "upper_arm": 0.186,
    "forearm": 0.146,
    "hand": 0.108,
    "foot_length": 0.152,
}
# Mass of a segment as fraction of body mass, and place of its centre of mass from the proximal joint as
# fraction of its length: Dempster (1955), table 4.1 in Winter.
SEGMENT_MASS = {
    "foot": (0.0145, 0.50),
    "shank": (0.0465, 0.433),
    "thigh": (0.100, 0.433),
    "hand": (0.006, 0.506),
    "forearm": (0.016, 0.430),
    "upper_arm": (0.028, 0.436),
    "head": (0.081, 1.0),
    "trunk": (0.497, 0.50),
}
# Bone lengths as fractions of hand length: Buchholz, Armstrong & Goldstein, Ergonomics 35 (1992) 261-273.
# metacarpal (wrist or thumb base to knuckle), then the phalanges to the tip
FINGER_FRACTIONS = {
    "thumb": (0.251, 0.196, 0.158),
    "index": (0.463, 0.245, 0.143, 0.097),
    "middle": (0.446, 0.266, 0.170, 0.108),
    "ring": (0.421, 0.244, 0.165, 0.107),
    "pinky": (0.414, 0.204, 0.117, 0.093),
}
# direction of the metacarpals in the flat hand: degrees from straight down towards the thumb side
# (approximate)
KNUCKLE_SPREAD_DEG = {"index": 15.0, "middle": 3.0, "ring": -9.0, "pinky": -22.0}

REFERENCE_STATURE_MM = 1750.0
_H = REFERENCE_STATURE_MM

# Joint centres of the reference person in the frame of the segment that carries them. Vertical distances
# follow the table above; what the table does not hold (depths, spine, hip and shoulder spacing) is
# approximate: hip centre from the ASIS by Bell et al. (1990), spine levels from the surface heights of C7,
# T12 and L5.
REFERENCE_JOINTS = {
    "hip": ("pelvis", (0.0, 0.0, 86.0)),
    "lumbar": ("pelvis", (-45.0, 95.0, 0.0)),  # L5/S1
    "thoracic": ("abdomen", (0.0, 165.0, 0.0)),  # T12/L1
    "neck": ("thorax", (5.0, 0.843 * _H - 0.530 * _H - 260.0, 0.0)),  # C7/T1
    "head": ("neck", (18.0, 0.908 * _H - 0.843 * _H, 0.0)),  # atlanto-occipital
    "clavicle": ("thorax", (78.0, 236.0, 22.0)),  # sternoclavicular
    "shoulder": ("clavicle", (-48.0, 0.818 * _H - 0.530 * _H - 260.0 - 236.0, 158.0)),
    "elbow": ("upper_arm", (0.0, -DRILLIS_CONTINI["upper_arm"] * _H, 0.0)),
    "wrist": ("forearm", (0.0, -DRILLIS_CONTINI["forearm"] * _H, 0.0)),
    "knee": ("thigh", (0.0, -(0.530 - 0.285) * _H, 0.0)),
    "ankle": ("shank", (0.0, -(0.285 - 0.039) * _H, 0.0)),
    "toes": ("foot", (122.0, -(0.039 * _H) + 12.0, 4.0)),  # metatarsophalangeal joints
}
HEEL_SOLE = (-48.0, -0.039 * _H, 0.0)  # in the foot frame
GRIP_CENTRE = (0.0, -0.40, -0.17)  # in the right hand, fractions of hand length: middle of a held handle

# which drawn proportion stretches a segment along x, y, z
_SEGMENT_SCALE = {
    "pelvis": ("girth", "trunk", "pelvis_breadth"),
    "abdomen": ("girth", "trunk", "girth"),
    "thorax": ("girth", "trunk", "shoulder_breadth"),
    "neck": ("head", "neck", "head"),
    "head": ("head", "head", "head"),
    "clavicle": ("girth", "trunk", "shoulder_breadth"),
    "upper_arm": ("girth", "upper_arm", "girth"),
    "forearm": ("girth", "forearm", "girth"),
    "hand": ("hand", "hand", "hand"),
    "thigh": ("girth", "thigh", "girth"),
    "shank": ("girth", "shank", "girth"),
    "foot": ("foot", "ankle_height", "foot"),
    "toes": ("foot", "foot", "foot"),
}
# standard deviation of each proportion around the table, as a fraction (approximate: after stature is taken
# out, segment lengths of adults vary by 2 to 4 %, breadths by 5 to 6 %)
_PROPORTION_SD = {
    "trunk": 0.022,
    "neck": 0.05,
    "head": 0.025,
    "thigh": 0.03,
    "shank": 0.03,
    "ankle_height": 0.04,
    "upper_arm": 0.03,
    "forearm": 0.03,
    "hand": 0.03,
    "foot": 0.03,
    "shoulder_breadth": 0.045,
    "pelvis_breadth": 0.045,
    "girth": 0.06,
}
# share of each proportion in the height of the standing person
_HEIGHT_SHARE = {
    "ankle_height": 0.039,
    "shank": 0.246,
    "thigh": 0.245,
    "trunk": 0.843 - 0.530,
    "neck": 0.908 - 0.843,
    "head": 1.0 - 0.908,
}

# Joint ranges in degrees: passive or weight-bearing ranges where work reaches them (Norkin & White,
# Measurement of Joint Motion, 4th ed.; kneeling knee: Hefzy et al. 1998). Side joints serve both sides.
JOINT_LIMITS_DEG = {
    "pelvis_tilt": (-25, 75),
    "pelvis_list": (-15, 15),
    "trunk_flexion": (-25, 78),
    "trunk_lateral": (-35, 35),
    "trunk_rotation": (-50, 50),
    "neck_flexion": (-60, 55),
    "neck_lateral": (-40, 40),
    "neck_rotation": (-75, 75),
    "clavicle_elevation": (-8, 30),
    "clavicle_protraction": (-18, 25),
    "shoulder_flexion": (-60, 182),
    "shoulder_abduction": (-50, 90),
    "shoulder_rotation": (-95, 95),
    "elbow_flexion": (0, 148),
    "forearm_pronation": (-85, 85),
    "wrist_flexion": (-70, 78),
    "wrist_radial": (-33, 24),
    "hip_flexion": (-28, 132),
    "hip_abduction": (-28, 48),
    "hip_rotation": (-45, 45),
    "knee_flexion": (0, 158),
    "ankle_dorsiflexion": (-55, 40),
    "ankle_inversion": (-24, 35),
    "ankle_rotation": (-35, 35),
    "toe_extension": (-30, 88),
}


@dataclass(frozen=True)
class Subject:
    """One person: stature and mass, joint offsets and segment stretch, joint limits, habits of posture.

    ``joints`` holds the offset of each joint (right side) in its parent segment; ``scale`` the stretch (3,)
    of each segment against the reference person; ``limits`` the range of each degree of freedom without its
    side; ``habit`` small personal offsets in degrees and factors that the tasks read.
    """

    name: str
    stature_mm: float
    mass_kg: float
    joints: dict[str, np.ndarray]
    scale: dict[str, np.ndarray]
    limits: dict[str, tuple[float, float]]
    hand_length_mm: float
    habit: dict[str, float] = field(default_factory=dict)

    def length(self, joint: str) -> float:
        """Distance from the origin of the parent segment to a joint, mm ("elbow": upper arm length)."""
        return float(np.linalg.norm(self.joints[joint]))

    @property
    def ankle_height_mm(self) -> float:
        """Height of the ankle centre over the sole."""
        return float(-HEEL_SOLE[1] * self.scale["foot"][1])

    @property
    def heel_sole(self) -> np.ndarray:
        """Point of the sole under the heel, in the foot frame (3,)."""
        return np.array(HEEL_SOLE) * self.scale["foot"]

    @property
    def grip_centre(self) -> np.ndarray:
        """Middle of a held handle in the frame of the right hand (3,)."""
        return np.array(GRIP_CENTRE) * self.hand_length_mm


def draw_subject(rng: np.random.Generator, name: str, spread: float = 1.0) -> Subject:
    """A subject of drawn sex, stature, build, proportions, joint limits and habits.

    Stature is normal (women 1625 +- 65 mm, men 1755 +- 70 mm, within 2.3 deviations), body-mass index 18.5 to
    36. ``spread`` scales every deviation (0: the average person of that sex).
    """

    def around(mean: float, deviation: float, limit: float = 2.3) -> float:
        return mean + deviation * spread * float(np.clip(rng.standard_normal(), -limit, limit))

    female = rng.random() < 0.45
    stature = around(1625.0, 65.0) if female else around(1755.0, 70.0)
    body_mass_index = float(np.clip(around(25.0, 3.6), 18.5, 36.0))
    proportion = {key: around(1.0, deviation) for key, deviation in _PROPORTION_SD.items()}
    proportion["girth"] *= (body_mass_index / 25.0) ** 0.5
    proportion["shoulder_breadth"] *= 0.965 if female else 1.02
    proportion["pelvis_breadth"] *= 1.04 if female else 0.98
    standing = sum(share * proportion[key] for key, share in _HEIGHT_SHARE.items())
    for key in _HEIGHT_SHARE:
        proportion[key] /= standing  # heights add up to the stature
    return build_subject(
        name,
        stature,
        body_mass_index * (stature / 1000.0) ** 2,
        proportion,
        {
            key: (low * around(1.0, 0.03), high * around(1.0, 0.03))
            for key, (low, high) in JOINT_LIMITS_DEG.items()
        },
        {
            "trunk_flexion": around(3.0, 2.5),
            "pelvis_tilt": around(3.0, 2.5),
            "neck_flexion": around(5.0, 4.0),
            "arm_abduction": around(5.0, 2.0) + 5.0 * max(0.0, proportion["girth"] - 1.0) / 0.1,
            "toe_out": around(8.0, 4.0),
            "stance_width": around(1.0, 0.12),
            "elbow_out": max(-0.12, around(0.08, 0.2)),
            "tempo": around(1.0, 0.12),
            "arm_swing": around(1.0, 0.2),
        },
    )


def reference_subject() -> Subject:
    """The person of the published proportions, 1750 mm tall, with unremarkable habits."""
    habit = dict.fromkeys(("trunk_flexion", "pelvis_tilt", "neck_flexion", "toe_out", "elbow_out"), 0.0)
    habit |= {"arm_abduction": 5.0} | dict.fromkeys(("stance_width", "tempo", "arm_swing"), 1.0)
    proportion = dict.fromkeys(_PROPORTION_SD, 1.0)
    return build_subject("reference", REFERENCE_STATURE_MM, 75.0, proportion, dict(JOINT_LIMITS_DEG), habit)


def build_subject(
    name: str,
    stature_mm: float,
    mass_kg: float,
    proportion: dict[str, float],
    limits: dict[str, tuple[float, float]],
    habit: dict[str, float],
) -> Subject:
    """Subject from a stature and the factor of each proportion against the published table."""
    size = stature_mm / REFERENCE_STATURE_MM
    scale = {
        segment: size * np.array([proportion[key] for key in keys])
        for segment, keys in _SEGMENT_SCALE.items()
    }
    joints = {
        joint: np.array(offset) * scale[segment] for joint, (segment, offset) in REFERENCE_JOINTS.items()
    }
    hand_length = DRILLIS_CONTINI["hand"] * stature_mm * proportion["hand"]
    for finger, spread_deg in KNUCKLE_SPREAD_DEG.items():
        spread = np.radians(spread_deg)
        reach = FINGER_FRACTIONS[finger][0] * hand_length
        joints[f"{finger}_proximal"] = reach * np.array([np.sin(spread), -np.cos(spread), 0.0])
    joints["thumb_metacarpal"] = hand_length * np.array([0.12, -0.10, -0.06])
    for finger, fractions in FINGER_FRACTIONS.items():
        bones = fractions[1:] if finger != "thumb" else fractions
        names = PHALANGES if finger != "thumb" else THUMB_BONES
        for bone, fraction in zip((*names[1:], "tip"), bones, strict=True):
            joints[f"{finger}_{bone}"] = np.array([0.0, -fraction * hand_length, 0.0])
    return Subject(name, stature_mm, mass_kg, joints, scale, limits, hand_length, habit)


PHALANGES = ("proximal", "intermediate", "distal")
THUMB_BONES = ("metacarpal", "proximal", "distal")
