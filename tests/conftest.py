"""Settings of the whole suite, and what runs of infer_wild.py are given: fixtures of several files."""

import os

# two cores are shared, so threads that wait must not spin (read when torch loads)
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lib.data.motion import Motion
from lib.data.worker import make_worker_motion
from lib.wild.detectors import DETECTORS
from tests.example_run import DETECTED, FPS, FRAMES, SIZE_PX, write_alphapose, write_model, write_video


@pytest.fixture(scope="session")
def person() -> Motion:
    """One person in the picture for all frames of the video."""
    motion = make_worker_motion(
        DETECTED,
        split="test",
        seed=0,
        subjects=1,
        clips=1,
        cameras=1,
        seconds=FRAMES / FPS,
        fps=FPS,
        detector=False,
    )
    assert motion.num_frames >= FRAMES
    return motion.select(slice(0, FRAMES))


@pytest.fixture(scope="session")
def keypoints(person: Motion) -> np.ndarray:
    """(F, J, 3) px and confidence, in the picture of the test's video."""
    xy = person.joints_2d * (np.array(SIZE_PX) / person.size_px[0])
    return np.concatenate([xy, np.full((*xy.shape[:2], 1), 0.9, np.float32)], -1).astype(np.float32)


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # lines and a blur are both seen on it
    checks = np.kron(np.indices((30, 40)).sum(0) % 2 * 90 + 80, np.ones((8, 8), np.uint8)).astype(np.uint8)
    images = (np.roll(checks, number, axis=1)[..., None].repeat(3, -1) for number in range(FRAMES))
    return write_video(tmp_path_factory.mktemp("video") / "worker.mp4", images)


@pytest.fixture(scope="session")
def alphapose(tmp_path_factory: pytest.TempPathFactory, keypoints: np.ndarray) -> Path:
    return write_alphapose(tmp_path_factory.mktemp("json") / "alphapose-results.json", keypoints)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def known_person(keypoints: np.ndarray) -> Iterator[list[int]]:
    """A detector that knows where the person is, and nobody in the frames whose numbers are put into the list."""
    hidden: list[int] = []

    @DETECTORS.register("known_person")
    class KnownPerson:
        skeleton = DETECTED

        def __init__(self, **options: object) -> None:
            self.frame = -1

        def __call__(self, frame_rgb: np.ndarray) -> list[np.ndarray]:
            assert frame_rgb.shape == (SIZE_PX[1], SIZE_PX[0], 3)
            self.frame += 1
            return [] if self.frame in hidden else [keypoints[self.frame]]

    yield hidden
    del DETECTORS._entries["known_person"]
