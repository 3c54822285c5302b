"""Detectors: what they find in pictures, in px and RGB, and what they say when something is missing."""

from __future__ import annotations

import inspect
import re
import sys
import threading
import types
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.cbook
import matplotlib.pyplot as plt
import numpy as np
import pytest

from lib.errors import UserError
from lib.skeleton import load_skeleton
from lib.wild.detectors import DETECTORS, build_detector, closing_detector, detect
from lib.wild.detectors.hand_check import HandCheck
from lib.wild.feeding import check_can_feed

RECIPE = Path(__file__).parent.parent / "docs" / "add_detector.md"


class Corner:
    """Finds as many people as the first pixel says."""

    def __init__(self, *, size: float = 1.0) -> None:
        self.skeleton, self.size = load_skeleton("COCO-17"), size

    def __call__(self, frame: np.ndarray) -> list[np.ndarray]:
        return [np.full((17, 3), number * self.size) for number in range(frame[0, 0, 0])]


def test_detect_takes_one_frame_at_a_time() -> None:
    given: list[weakref.ref] = []

    def frames() -> Any:
        for count in (2, 0, 1, 0, 0):
            assert sum(other() is not None for other in given) <= 1  # only the one before
            frame = np.full((4, 6, 3), count, np.uint8)
            given.append(weakref.ref(frame))
            yield frame
            del frame

    steps: list[int] = []
    found = detect(Corner(), frames(), source="a.mp4", fps=25.0, size_px=(6, 4), progress=steps.append)
    assert [people.shape for people in found.people] == [(count, 17, 3) for count in (2, 0, 1, 0, 0)]
    assert all(people.dtype == np.float32 for people in found.people) and steps == [1] * 5
    assert (found.fps, found.size_px, found.source, found.ids) == (25.0, (6, 4), "a.mp4", None)


PERSON = np.ones((17, 3))
NO_LIST = {
    "None": (None, "returned None for"),
    "one array": (PERSON, r"one ndarray \(17, 3\)"),
    "a generator": ((part for part in [PERSON]), "one generator"),
    "a joint too few": ([PERSON, PERSON[1:]], r"a list with one ndarray \(16, 3\)"),
    "no confidence": ([PERSON[:, :2]], r"a list with one ndarray \(17, 2\)"),
    "lists": ([PERSON.tolist()], "a list with one list"),
    "objects": ([PERSON.astype(object)], r"ndarray \(17, 3\) of object"),
    "nobody": ([None], "a list with None"),
    "percent": ([PERSON * 90], "confidences from 90 to 90"),
    "no number": ([PERSON * np.nan], "confidences from nan"),
}


@pytest.mark.parametrize("case", NO_LIST)
def test_what_a_detector_returns_is_checked(case: str) -> None:
    returned, message = NO_LIST[case]
    detector = Corner()
    closed: list[bool] = []

    class Wrong(Corner):
        def __call__(self, frame: np.ndarray) -> Any:
            return returned if frame[0, 0, 0] else [PERSON]

    def frames() -> Any:
        try:
            for value in (0, 0, 1, 1):
                yield np.full((2, 2, 3), value, np.uint8)
        finally:
            closed.append(True)

    detector = Wrong()
    given = frames()
    with pytest.raises(UserError, match=f"the detector Wrong .*{message}") as caught:
        detect(detector, given, source="a", fps=1.0, size_px=(2, 2))
    text = str(caught.value)
    assert "for frame 2" in text and "one array (17, 3) a person" in text and "\n" not in text and closed


def test_frames_and_detector_are_closed_after_an_error_of_the_detector() -> None:
    closed: list[str] = []

    class Failing(Corner):
        def __call__(self, frame: np.ndarray) -> Any:
            raise ZeroDivisionError("mine")

        def close(self) -> None:
            closed.append("detector")

    def frames() -> Any:
        try:
            yield np.zeros((2, 2, 3), np.uint8)
        finally:
            closed.append("frames")

    given = frames()
    with pytest.raises(ZeroDivisionError, match="mine"), closing_detector(Failing()) as detector:
        detect(detector, given, source="a", fps=1.0, size_px=(2, 2))
    assert closed == ["frames", "detector"]
    with closing_detector(Corner()) as detector:  # one that has nothing to close
        assert detector.size == 1


@pytest.mark.parametrize(
    ("name", "option", "value", "allowed"),
    [
        ("mediapipe", "people", 0, "1 to 20"),
        ("mediapipe", "people", -1, "1 to 20"),
        ("mediapipe", "people", 2.5, "a whole number"),
        ("mediapipe", "people", True, "a whole number"),
        ("mediapipe", "people", "abc", "a whole number"),
        ("mediapipe", "min_confidence", "x", "a number"),
        ("mediapipe", "min_confidence", 7, "0 to 1"),
        ("mediapipe", "min_confidence", float("nan"), "a number"),
        ("mediapipe", "smooth", "maybe", "true or false"),
        ("mediapipe_hands", "max_hands", "x", "a whole number"),
        ("mediapipe_hands", "max_hands", 0, "1 to 20"),
        ("mediapipe_hands", "min_confidence", -0.1, "0 to 1"),
        ("rtmlib", "det", 5, "text or none"),
    ],
)
def test_values_of_options_are_checked(name: str, option: str, value: Any, allowed: str) -> None:
    if name == "rtmlib":
        pytest.importorskip("rtmlib")
    with pytest.raises(UserError) as caught:
        build_detector(name, **{option: value})
    assert str(caught.value) == (
        f"the detector {name}: its option {option} must be {allowed}, given {value!r}"
    )


class Hands:
    """Finds one hand of that height in every picture."""

    def __init__(self, height: float) -> None:
        self.height, self.looks, self.closed = height, 0, 0

    def __call__(self, frame: np.ndarray) -> list[np.ndarray]:
        self.looks += 1
        return [np.array([[0, 0, 1], [0, self.height, 1]])] if self.height else []

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize(("height", "warned"), [(0, False), (40, False), (80, True)])
@pytest.mark.parametrize(("num_frames", "looks"), [(9, 0), (25, 2), (200, 5)])
def test_a_hand_that_was_taken_for_a_person_is_told(
    height: float, warned: bool, num_frames: int, looks: int, caplog: pytest.LogCaptureFixture
) -> None:
    hands = Hands(height)
    check = HandCheck(lambda: hands)
    # 100 px high, but for a guessed point
    person = np.array([[0, 0, 0.9], [0, 100, 0.8], [0, 900, 0.1]])
    for _ in range(num_frames):
        check(np.zeros((2, 2, 3), np.uint8), [person])
        check(np.zeros((2, 2, 3), np.uint8), [])  # does not count
    check.close()
    assert (hands.looks, hands.closed) == (looks, int(looks > 0))
    assert caplog.text.count("does not look like a person") == (warned and looks > 0)


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (
            "COCO-17",
            "RTM-37",
            r"no rule for (\w+, ){4}\w+ and 15 more; it can feed checkpoints of COCO-17, H36M-17; "
            r"for this one take --detector rtmlib, or a keypoint file of RTM-37, COCO-WholeBody-133, RTM-66",
        ),
        (
            "Hand-21",
            "H36M-17",
            r"lifts bodies \(H36M-17\), what was found are hands \(Hand-21\): take a checkpoint trained on Hand-21; "
            "for this one take --detector mediapipe or rtmlib, .* and 7 more$",
        ),
        ("MediaPipe-33", "Hand-21", r"lifts hands .* are bodies .*trained on .*--detector mediapipe_hands, "),
        (
            "MediaPipe-33",
            "RTM-66",
            r"and 34 more; .*a keypoint file of RTM-66; or add --allow_missing.*empty$",
        ),
    ],
)
def test_keypoints_that_cannot_feed_a_checkpoint(source: str, target: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        check_can_feed(load_skeleton(source), load_skeleton(target))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_keypoints_that_can_feed_a_checkpoint() -> None:
    for source in ("MediaPipe-33", "BODY_25B"):
        for target in ("H36M-17", "BODY_25B"):
            check_can_feed(load_skeleton(source), load_skeleton(target))


def test_unknown_detectors_options_and_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"unknown detector 'mediapip' .did you mean 'mediapipe'.*rtmlib"):
        build_detector("mediapip")
    with pytest.raises(UserError, match=r"rtmlib has no option 'pos' .*'pose'.*device, det, pose"):
        build_detector("rtmlib", pos="a.onnx")
    for name, package in (("mediapipe", "mediapipe"), ("rtmlib", "rtmlib")):
        parts = [module for module in sys.modules if module.startswith(f"{package}.")]
        for module in (package, *parts):
            monkeypatch.setitem(sys.modules, module, None)
        monkeypatch.setitem(sys.modules, "onnxruntime", types.ModuleType("onnxruntime"))
        with pytest.raises(UserError, match=f"needs the package {package}, which is not installed: run"):
            build_detector(name)


def test_the_recipe_in_the_docs_works(monkeypatch: pytest.MonkeyPatch) -> None:
    text = RECIPE.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 80
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    # whoever follows the recipe has the detector already
    others = {name: kind for name, kind in DETECTORS._entries.items() if name != "brightest"}
    monkeypatch.setattr(DETECTORS, "_entries", others)
    exec(code, {"__name__": "mine"})
    detector = build_detector("brightest", threshold=200)
    frame = np.zeros((40, 60, 3), np.uint8)
    assert detector(frame) == []
    frame[10, 20] = 255
    found = detect(detector, [frame], source="a", fps=1.0, size_px=(60, 40)).people[0]
    assert found[0, detector.skeleton.index_canonical("nose")].tolist() == [20, 10, 1]
    # the command under it: such options, and a checkpoint of Human3.6M's joints
    assert "-e runs/quickstart/best_epoch.bin" in text and "threshold=100" in text
    check_can_feed(detector.skeleton, load_skeleton("H36M-17"))
    with pytest.raises(UserError, match=r"threshold must be a whole number, given 'x'"):
        build_detector("brightest", threshold="x")


@pytest.mark.parametrize("name", ["mediapipe", "mediapipe_hands", "rtmlib"])
def test_the_docs_list_the_options_of_a_detector(name: str) -> None:
    (row,) = (line for line in RECIPE.read_text("utf-8").splitlines() if line.startswith(f"| `{name}`"))
    parameters = inspect.signature(DETECTORS.get(name)).parameters
    for option, parameter in parameters.items():
        default = str(parameter.default).lower() if option in ("people", "smooth", "max_hands") else ""
        assert f"`{option}" + (f"={default}`" if default else "") in row
    assert DETECTORS.get(name).joint_format in row


# MediaPipe


@pytest.fixture(scope="module")
def mediapipe() -> Any:
    return pytest.importorskip("mediapipe", reason="MediaPipe is not installed (make setup)")


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """Head and shoulders of a sitting person, 512x600 px."""
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        return plt.imread(file)


def test_mediapipe_finds_a_person_and_keeps_quiet(
    mediapipe: Any, portrait: np.ndarray, capfd: pytest.CaptureFixture
) -> None:
    detector = build_detector("mediapipe")
    assert detector(np.zeros((120, 160, 3), np.uint8)) == []
    before = portrait.copy()
    (person,) = detector(portrait)
    detector.close()
    said = capfd.readouterr()
    assert said.err == "" and said.out == ""
    np.testing.assert_array_equal(portrait, before)
    skeleton = detector.skeleton
    assert person.shape == (33, 3) and person.dtype == np.float32
    x, y, confidence = person[skeleton.index("nose")]
    assert 200 < x < 330 and 130 < y < 260 and confidence > 0.9
    left, right = (person[skeleton.index(f"{side}_shoulder")] for side in ("left", "right"))
    assert left[0] > right[0] + 100  # a person who faces the camera
    ankle = person[skeleton.index("left_ankle")]
    assert ankle[1] > 700 and ankle[2] == 0  # guessed, far below the picture


def test_mediapipe_follows_as_many_people_as_it_is_told_to(mediapipe: Any, portrait: np.ndarray) -> None:
    pair = np.hstack([portrait, portrait[:, ::-1]])
    before = pair.copy()
    for people in (1, 2):
        detector = build_detector("mediapipe", people=people)
        found = [detector(pair) for _ in range(8)]
        detector.close()
        assert [len(some) for some in found[:5]] == [1] * 5  # a further one is looked for now and then
        noses = sorted(person[0, 0] for person in found[-1])
        assert len(noses) == people
        if people > 1:
            assert 200 < noses[0] < 330 and 1024 - 330 < noses[1] < 1024 - 200
    np.testing.assert_array_equal(pair, before)


def test_errors_of_python_are_seen_while_mediapipe_is_silenced(
    mediapipe: Any, capfd: pytest.CaptureFixture
) -> None:
    import os

    from lib.wild.detectors.mediapipe_solutions import _native_messages_hidden

    with pytest.raises(ValueError, match="wrong"), _native_messages_hidden():
        os.write(2, b"native\n")
        sys.stderr.write("python\n")
        raise ValueError("wrong")
    os.write(2, b"later\n")
    assert capfd.readouterr().err.split() == ["python", "later"]


def landmarks(*points: tuple[float, float, float]) -> Any:
    return SimpleNamespace(landmark=[SimpleNamespace(x=x, y=y, z=0.5, visibility=v) for x, y, v in points])


def answer(monkeypatch: pytest.MonkeyPatch, result: Any) -> None:
    """Let MediaPipe find that in every frame."""
    from lib.wild.detectors.mediapipe_solutions import _Graph

    monkeypatch.setattr(_Graph, "process", lambda self, frame: result)


def test_mediapipe_points_are_px_and_fade_outside_the_picture(
    mediapipe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = build_detector("mediapipe", device="cuda")
    found = landmarks((0.5, 0.5, 0.8), (1.05, 0.5, 0.8), (0.5, -0.5, 0.8), (0.0, 1.0, 1.2))
    answer(monkeypatch, SimpleNamespace(pose_landmarks=found, pose_world_landmarks=found))
    for _ in range(7):  # a further graph that finds the same person adds nobody
        (person,) = detector(np.zeros((100, 200, 3), np.uint8))
    np.testing.assert_allclose(
        person, [[100, 50, 0.8], [210, 50, 0.4], [100, -50, 0], [0, 100, 1]], rtol=1e-6
    )
    (world_m,) = detector.worlds_m  # one for each person
    np.testing.assert_allclose(world_m[1], [1.05, 0.5, 0.5], rtol=1e-6)
    detector.close()


def test_a_frame_on_which_mediapipe_fails_is_empty(mediapipe: Any, caplog: pytest.LogCaptureFixture) -> None:
    detector = build_detector("mediapipe")
    closed: list[bool] = []

    class Failing:
        def process(self, frame: np.ndarray) -> None:
            raise RuntimeError("graph")

        def close(self) -> None:
            closed.append(True)
            raise RuntimeError("graph")

    detector._graphs[0]._solution = Failing()
    assert detector(np.zeros((64, 64, 3), np.uint8)) == [] and "graph" in caplog.text
    caplog.clear()
    assert (
        detector(np.zeros((64, 64, 3), np.uint8)) == [] and not caplog.text and closed == [True]
    )  # a new graph
    detector.close()


def test_closing_frees_threads_and_memory(mediapipe: Any, portrait: np.ndarray) -> None:
    def megabytes() -> float:
        (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in line)
        return int(line.split()[1]) / 1024

    if not Path("/proc/self/status").exists():
        pytest.skip("memory is read from /proc")
    threads, used = [], []
    for _ in range(4):
        with closing_detector(build_detector("mediapipe")) as detector:
            detect(detector, [portrait] * 3, source="a", fps=1.0, size_px=(512, 600))
        threads.append((threading.active_count(), len(list(Path("/proc/self/task").iterdir()))))
        used.append(megabytes())
    assert threads[-1][0] == threads[0][0] and threads[-1][1] <= threads[0][1] + 2
    assert used[-1] - used[0] < 300  # 660 if nothing is closed, 60 to 130 otherwise


def test_a_body_of_mediapipe_that_is_a_hand(
    mediapipe: Any, portrait: np.ndarray, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("lib.wild.detectors.mediapipe_solutions.MediaPipeHands", lambda: Hands(500))
    with closing_detector(build_detector("mediapipe", people=1)) as detector:
        for _ in range(11):
            detector(portrait)
    assert "hands need --detector mediapipe_hands" in caplog.text


def test_sides_of_hands_are_those_of_a_picture_that_is_no_mirror(
    mediapipe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = build_detector("mediapipe_hands")
    assert detector(np.zeros((64, 64, 3), np.uint8)) == [] and detector.sides == []
    rng = np.random.default_rng(0)
    shape = rng.uniform(0, 0.2, (21, 2))
    hands = [
        shape + np.array(place) for place in ([0.1, 0.1], [0.6, 0.1], [0.61, 0.11])
    ]  # the last one twice
    points = [landmarks(*((x, y, 0) for x, y in hand)) for hand in hands]
    result = SimpleNamespace(
        multi_hand_landmarks=points,
        multi_hand_world_landmarks=points,
        multi_handedness=[
            SimpleNamespace(classification=[SimpleNamespace(label=label, score=0.9)])
            for label in ("Left", "Right", "Right")
        ],
    )
    answer(monkeypatch, result)
    found = detector(np.zeros((100, 200, 3), np.uint8))
    assert detector.sides == ["right", "left"] and [hand.shape for hand in found] == [(21, 3)] * 2
    np.testing.assert_allclose(found[1][:, :2], hands[1] * [200, 100], rtol=1e-5)
    assert (found[0][:, 2] == np.float32(0.9)).all()
    np.testing.assert_allclose([world[:, :2] for world in detector.worlds_m], hands[:2], rtol=1e-6)
    detector.close()


# RTMLib, with networks of a few nodes: the first always gives the same boxes, the second finds blue things

WIDTH, HEIGHT = 48, 64  # of the picture that the second one sees


@pytest.fixture(scope="module")
def onnx() -> Any:
    for package in ("rtmlib", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed (make setup)")
    return pytest.importorskip("onnx", reason="onnx is not installed (requirements-dev.txt)")


def save(onnx: Any, path: Path, nodes: list, size: tuple, outputs: dict[str, list], weights: dict) -> str:
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("picture", kind, [1, 3, *size])],
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in outputs.items()],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return str(path)


def boxes_model(onnx: Any, path: Path, boxes: np.ndarray, side: int = 416) -> str:
    """(1, boxes, 5) of left, top, right, bottom, score, as a YOLOX file with its own selection gives them."""
    nodes = [
        onnx.helper.make_node("ReduceMean", ["picture"], ["mean"], keepdims=0),
        onnx.helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        onnx.helper.make_node("Add", ["boxes", "nothing"], ["dets"]),
    ]
    weights = {"boxes": boxes[None].astype(np.float32), "zero": np.float32(0)}
    return save(onnx, path, nodes, (side, side), {"dets": [1, *boxes.shape]}, weights)


def points_model(onnx: Any, path: Path, joints: int) -> str:
    """SimCC: for every joint the column and the row, in half px, where the first channel (blue) is brightest."""
    nodes = [
        onnx.helper.make_node("Slice", ["picture", "from", "to", "axis"], ["first"]),
        onnx.helper.make_node("Add", ["first", "offset"], ["lifted"]),
        onnx.helper.make_node("Mul", ["lifted", "gain"], ["scaled"]),
    ]
    for name, axis in (("x", 2), ("y", 3)):
        nodes += [
            onnx.helper.make_node("ReduceMax", ["scaled"], [f"{name}1"], axes=[axis], keepdims=0),
            onnx.helper.make_node("Resize", [f"{name}1", "", "double"], [f"{name}2"], mode="nearest"),
            onnx.helper.make_node("Mul", [f"{name}2", "joints"], [f"simcc_{name}"]),
        ]
    weights = {
        "from": np.array([0]),
        "to": np.array([1]),
        "axis": np.array([1]),
        "offset": np.float32(
            123.675 / 58.395
        ),  # what RTMLib takes from the first channel, divided by what it divides
        "gain": np.float32(58.395 / 255),
        "double": np.array([1, 1, 2], np.float32),
        "joints": np.linspace(1, 0, joints, dtype=np.float32)[None, :, None],
    }
    outputs = {"simcc_x": [1, joints, 2 * WIDTH], "simcc_y": [1, joints, 2 * HEIGHT]}
    return save(onnx, path, nodes, (HEIGHT, WIDTH), outputs, weights)


def test_rtmlib_finds_points_of_several_people_in_px(onnx: Any, tmp_path: Path, capfd: Any) -> None:
    frame = np.zeros((208, 416, 3), np.uint8)
    frame[60:63, 100:103, 2] = 255  # blue of RGB
    frame[150:153, 300:303, 2] = 204
    frame[20:23, 20:23, 0] = 255  # red: not to be found
    boxes = np.array([[80, 30, 120, 100, 0.9], [280, 110, 320, 190, 0.8], [10, 10, 40, 40, 0.1]])
    detector = build_detector(
        "rtmlib",
        det=boxes_model(onnx, tmp_path / "boxes.onnx", boxes),
        pose=points_model(onnx, tmp_path / "points.onnx", 133),
    )
    before = frame.copy()
    people = detector(frame)
    np.testing.assert_array_equal(frame, before)
    assert len(people) == 2 and detector.skeleton.name == "COCO-WholeBody-133"
    for person, (x, y), brightness in zip(people, [(101, 61), (301, 151)], (1, 0.8), strict=True):
        assert person.shape == (133, 3) and person.dtype == np.float32
        np.testing.assert_allclose(person[0, :2], [x, y], atol=1.5)
        assert person[0, 2] == pytest.approx(brightness, abs=0.02)
        assert person[66, 2] == pytest.approx(brightness / 2, abs=0.02)
        assert np.isnan(person[-1, :2]).all() and person[-1, 2] == 0  # a score of 0: not found
    assert capfd.readouterr().out == ""  # RTMLib prints what it loads


def test_rtmlib_finds_nobody_instead_of_the_whole_picture(onnx: Any, tmp_path: Path) -> None:
    detector = build_detector(
        "rtmlib",
        det=boxes_model(onnx, tmp_path / "boxes.onnx", np.array([[80.0, 30, 120, 100, 0.1]])),
        pose=points_model(onnx, tmp_path / "points.onnx", 26),
        joint_format="Halpe-26",
    )
    assert detector(np.full((208, 416, 3), 255, np.uint8)) == []


def test_rtmlib_takes_no_chair_for_a_person(onnx: Any, tmp_path: Path) -> None:
    cells = 4 * 4 + 2 * 2 + 1  # of a 32x32 picture, in steps of 8, 16 and 32 px
    raw = np.zeros((cells, 4 + 1 + 80))
    raw[5, :5] = 0, 0, np.log(2), np.log(3), 0.9  # around the cell's corner (8, 8), 16x24
    raw[5, 5] = 1  # a person
    raw[10, :5] = 0, 0, np.log(2), np.log(3), 0.9
    raw[10, 5 + 56] = 1  # a chair
    detector = build_detector(
        "rtmlib",
        det=boxes_model(onnx, tmp_path / "boxes.onnx", raw, side=32),
        pose=points_model(onnx, tmp_path / "points.onnx", 26),
        joint_format="Halpe-26",
    )
    frame = np.zeros((32, 32, 3), np.uint8)
    frame[8, 8] = 255
    (person,) = detector(frame)
    np.testing.assert_allclose(person[0, :2], [8, 8], atol=1)


def test_rtmlib_says_what_is_missing(onnx: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import rtmlib.tools.file as hub

    def offline(url: str, *args: Any, **options: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(hub, "download_checkpoint", offline)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UserError) as caught:
        build_detector("rtmlib", mode="lightweight")
    message = str(caught.value)
    assert "\n" not in message and "no network" in message and "options det and pose" in message
    for name in (
        "yolox_tiny_8xb8-300e_humanart-6f3252f9",
        "rtmw-dw-l-m_simcc-cocktail14_270e-256x192_20231122",
    ):
        assert str(tmp_path / "hub" / "checkpoints" / f"{name}.onnx") in message
    boxes = boxes_model(onnx, tmp_path / "boxes.onnx", np.zeros((1, 5)))
    points = points_model(onnx, tmp_path / "points.onnx", 26)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network of any kind")
    for options, expected in (
        ({"det": "none.onnx", "pose": points}, "there is no det file none.onnx"),
        ({"det": boxes, "pose": points}, "gives 26 points, COCO-WholeBody-133 has 133"),
        ({"det": boxes, "pose": str(broken)}, "cannot load .*broken.onnx"),
        ({"det": points, "pose": points}, "is no YOLOX model"),
        ({"det": boxes, "pose": boxes}, "no SimCC pose model .* 1 outputs, not 2"),
        ({"mode": "fast"}, "no mode 'fast'; it has: performance, lightweight, balanced"),
    ):
        with pytest.raises(UserError, match=expected) as caught:
            build_detector("rtmlib", **options)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="cannot use the device cuda: install onnxruntime-gpu"):
        monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
        build_detector("rtmlib", det=boxes, pose=points, device="cuda")
