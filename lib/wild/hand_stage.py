"""Stage 1b of a video: the hands of the people who were found, for a model of hands or one of bodies with fingers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from lib.errors import UserError
from lib.skeleton import Skeleton, load_skeleton
from lib.wild.detectors import DETECTORS, build_detector
from lib.wild.feeding import can_feed, check_can_feed
from lib.wild.footage import Footage
from lib.wild.hand_formats import SIDES, bare_hand, hand_union
from lib.wild.hand_search import find_hands, hand_id
from lib.wild.hands import GAP_S, hands_among, join_tracks
from lib.wild.progress import Progress
from lib.wild.records import Detections, Track
from lib.wild.stages import Stages
from lib.wild.tracks import build_tracks
from lib.wild.video import read_frames

DETECTOR = "mediapipe_hands"
MIN_CONFIDENCE = 0.3  # around a wrist there is a hand, though it may be small and blurred


@dataclass(frozen=True)
class Hands:
    """The hands of people, as tracks by the number of the person, in the joint format ``skeleton``."""

    tracks: dict[int, list[Track]]
    skeleton: Skeleton | None = None

    def joined(self, track: Track) -> Track:
        """A person's keypoints with those of their hands."""
        return join_tracks(track, self.tracks[track.id], self.skeleton) if track.id in self.tracks else track


def only_hands_lack(found: Skeleton, wanted: Skeleton) -> bool:
    """Whether people of the format ``found`` can feed a model if their hands are looked for, and not without."""
    hand = load_skeleton(DETECTORS.get(DETECTOR).joint_format)
    has_wrists = all(found.index_canonical(f"{side}_wrist") is not None for side in SIDES)
    return has_wrists and not can_feed(found, wanted) and can_feed(hand_union(found, hand), wanted)


def find_their_hands(
    stages: Stages,
    progress: Progress,
    footage: Footage,
    people: list[Track],
    body: Skeleton,
    hand: Skeleton | None,
    allow_missing: bool = False,
) -> Hands:
    """Hands at the wrists of people, kept in hands.npz, if a model ``hand`` or fingers of a model ``body`` need them.

    People whose own keypoints include hands have theirs. Raises ``UserError`` where there is no video to look into,
    unless fingers of the model ``body`` may be missing.
    """
    own = {track.id: hands_among(track, hand) for track in people} if hand else {}
    if own and None not in own.values():
        return Hands(own, hand)
    if not hand and not only_hands_lack(people[0].skeleton, body):
        return Hands({})
    if footage.video is None and allow_missing and not hand:
        return Hands({})
    if footage.video is None:
        raise UserError(
            f"{footage.keypoint_file} holds no fingers ({people[0].skeleton.name}), and there is no video to look for "
            "hands in: give it as --vid_path"
            + ("" if hand else ", or add --allow_missing, and fingers stay empty")
        )
    path = stages.folder / "hands.npz"
    numbers = [track.id for track in people]
    with stages.stage("hands", [path], partial(Detections.load, path), people=numbers) as found:
        if found is None:
            with progress.bar("hands", footage.num_frames) as advance:
                found = find_hands(
                    read_frames(footage.video),
                    people,
                    partial(build_detector, DETECTOR, min_confidence=MIN_CONFIDENCE),
                    source=footage.name,
                    fps=footage.fps,
                    size_px=footage.size_px,
                    progress=advance,
                )
            found.save(path)
    if hand:
        check_can_feed(found.skeleton, bare_hand(hand))
    tracks = {track.id: track for track in build_tracks(found, fps=footage.fps, max_gap_s=GAP_S)}
    ids = {person.id: [hand_id(person, side) for side in SIDES] for person in people}
    theirs = {
        person: [replace(tracks[id], id=person) for id in both if id in tracks]
        for person, both in ids.items()
    }
    return Hands(theirs, found.skeleton)
