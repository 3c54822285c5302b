"""Videos as phones and cameras write them: turned, uneven in time, damaged; and the files that are written."""

import logging
import re
import resource
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from lib.errors import UserError
from lib.wild.ahead import ahead
from lib.wild.frame_rate import frame_slots, nominal_rate, shown_frames
from lib.wild.video import VideoWriter, even_size, planes_of, probe_video, read_frames, read_planes

SIZE_PX = (64, 48)


def write_video(
    path: Path,
    stamps: Sequence[int],
    time_base: Fraction = Fraction(1, 30),
    codec: str = "libx264",
    image: np.ndarray | None = None,
    display: tuple | None = None,
    container_format: str | None = None,
) -> Path:
    """A video whose frame number k has the brightness 10 k, shown from stamps[k] on; or one image in all frames."""
    with av.open(str(path), "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=30, options={"crf": "10", "g": "5"})
        stream.height, stream.width = SIZE_PX[::-1] if image is None else image.shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.time_base = time_base
        if display:
            stream.set_display_rotation(*display)
        for number, stamp in enumerate(stamps):
            pixels = np.full((*SIZE_PX[::-1], 3), 10 * number, np.uint8) if image is None else image
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = stamp, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def shown(video) -> list[int]:
    """Number of the written frame in each frame that is read."""
    return [round(float(frame.mean()) / 10) for frame in read_frames(video)]


def test_an_ordinary_video(tmp_path):
    video = probe_video(write_video(tmp_path / "a.mp4", range(12)))
    assert (video.size_px, video.num_frames, video.rotation_deg) == (SIZE_PX, 12, 0)
    assert video.fps == 30.0 and not video.variable_rate and video.duration_s == pytest.approx(0.4)
    frames = list(read_frames(video))
    assert frames[0].shape == (48, 64, 3) and frames[0].dtype == np.uint8
    assert shown(video) == list(range(12))


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_frames_come_upright(tmp_path, degrees, mirrored):
    quarters = np.zeros((48, 64, 3), np.uint8)
    quarters[:24, :32], quarters[:24, 32:], quarters[24:, :32] = (240, 20, 20), (20, 240, 20), (20, 20, 240)
    path = write_video(tmp_path / "a.mp4", range(3), image=quarters, display=(degrees, mirrored))
    expected = np.rot90(quarters, degrees // 90)  # both count anticlockwise
    if mirrored:
        expected = expected[:, ::-1]
    video = probe_video(path)
    assert video.size_px == expected.shape[1::-1]
    if not mirrored:
        assert video.rotation_deg == -degrees % 360
    middles = slice(12, None, 24)
    for frame in read_frames(video):
        assert np.abs(frame[middles, middles].astype(int) - expected[middles, middles]).max() < 40
    planes = next(read_planes(video, video.size_px))
    turned = planes.to_ndarray(format="rgb24")
    assert np.abs(turned[middles, middles].astype(int) - expected[middles, middles]).max() < 40


def test_a_variable_rate_becomes_constant(tmp_path):
    # frame 3 stays for three steps, frame 4 is overtaken by 5
    stamps = [0, 100, 200, 300, 590, 602, 700, 800, 900, 1000]
    video = probe_video(write_video(tmp_path / "a.mp4", stamps, Fraction(1, 3000)))
    assert video.fps == 30.0 and video.variable_rate and video.num_frames == 11
    assert video.source_frame.tolist() == [0, 1, 2, 3, 3, 3, 5, 6, 7, 8, 9]
    assert shown(video) == video.source_frame.tolist()


@pytest.mark.parametrize("suffix", ["mkv", "mov", "ts", "avi", "webm"])
def test_other_containers(tmp_path, suffix):
    codec = {"avi": "mpeg4", "webm": "libvpx-vp9"}.get(suffix, "libx264")
    video = probe_video(write_video(tmp_path / f"a.{suffix}", range(20), codec=codec))
    assert video.fps == 30.0 and video.num_frames == 20 and not video.variable_rate
    assert shown(video) == list(range(20))


def test_a_stream_that_starts_late(tmp_path):
    video = probe_video(write_video(tmp_path / "a.ts", range(900, 912)))
    assert video.num_frames == 12 and video.start_s > 1.0
    assert shown(video) == list(range(12))


def test_a_bare_stream_without_time_stamps(tmp_path):
    video = probe_video(write_video(tmp_path / "a.h264", range(12), container_format="h264"))
    assert video.num_frames == 12
    assert shown(video) == list(range(12))


def test_a_cut_video_is_read_as_far_as_it_goes(tmp_path):
    path = write_video(tmp_path / "a.mkv", range(24))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * 0.8)])
    video = probe_video(path)
    numbers = shown(video)
    assert 5 < len(numbers) < 24
    # pictures between two others may come after them in the file, and be lost alone
    assert np.abs(np.array(numbers) - np.arange(len(numbers))).max() <= 1


def test_frames_lost_to_damage_are_counted(tmp_path, caplog):
    path = write_video(tmp_path / "a.avi", range(20), codec="mjpeg")
    content = bytearray(path.read_bytes())
    starts = [at for at in range(len(content)) if content[at : at + 3] == b"\xff\xd8\xff"]
    for at in starts[-4:]:
        content[at : at + 590] = bytes(590)
    path.write_bytes(content)
    video = probe_video(path)
    with caplog.at_level(logging.WARNING):
        assert shown(video) == list(range(16))
    # how many of them the container still lists depends on how far its reader was when it met the damage
    assert re.search(r"damaged: [1-4] frames cannot be decoded; it is used to frame 16", caplog.text)


def test_users_mistakes(tmp_path):
    text = tmp_path / "notes.mp4"
    text.write_text("no video")
    sound = tmp_path / "sound.wav"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        silence.sample_rate = 8000
        container.mux(stream.encode(silence))
    cut = write_video(tmp_path / "cut.mp4", range(12))
    cut.write_bytes(cut.read_bytes()[:600])
    (tmp_path / "empty.mp4").touch()
    undecodable = write_video(tmp_path / "zeros.avi", range(3), codec="mjpeg")
    content = undecodable.read_bytes()
    start, stop = content.index(b"\xff\xd8\xff"), content.rindex(b"\xff\xd9")
    undecodable.write_bytes(content[:start] + bytes(stop - start) + content[stop:])
    for path, expected in (
        (tmp_path / "missing.mp4", "no such video"),
        (tmp_path, "folder"),
        (text, "cannot read"),
        (tmp_path / "empty.mp4", "cannot read"),
        (cut, "cannot read"),
        (sound, "holds no video, only audio"),
        (undecodable, "no frame"),
    ):
        with pytest.raises(UserError, match=expected) as error:
            probe_video(path)
        assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_written_videos_play_in_browsers(tmp_path):
    path = tmp_path / "a.mp4"
    with VideoWriter(path, (65, 49), 30000 / 1001) as writer:
        for number in range(40):
            writer.write(np.full((49, 65, 3), 6 * number, np.uint8))
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat"), "must start before it is loaded as a whole"
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.codec_tag, stream.pix_fmt) == ("avc1", "yuv420p")
        assert stream.width % 2 == 0 and stream.height % 2 == 0
    video = probe_video(path)
    assert video.fps == pytest.approx(30000 / 1001) and video.num_frames == 40 and not video.variable_rate
    means = np.array([frame.mean() for frame in read_frames(video)])
    assert np.abs(means - 6 * np.arange(40)).max() < 4


def test_nothing_is_left_of_a_video_that_failed(tmp_path):
    with pytest.raises(RuntimeError, match="stop"), VideoWriter(tmp_path / "a.mp4", SIZE_PX, 30) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
        raise RuntimeError("stop")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(OSError), VideoWriter(tmp_path / "file" / "a.mp4", SIZE_PX, 30):
        pass


@pytest.mark.parametrize("num_frames", [3, 60])
def test_a_full_disk(tmp_path, num_frames):
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError), VideoWriter(tmp_path / "a.mp4", (320, 240), 30) as writer:
            for number in range(num_frames):
                writer.write(np.roll(noise, number * 7, 0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_planes_are_views_of_a_smaller_picture(tmp_path):
    video = probe_video(write_video(tmp_path / "a.mp4", range(4)))
    frames = list(read_planes(video, (30, 22)))
    assert len(frames) == 4
    y, uv = planes_of(frames[3])
    assert y.shape == (22, 30) and uv.shape == (11, 15, 2)
    y[:], uv[:] = 235, 128
    assert frames[3].to_ndarray(format="rgb24").min() > 250


@pytest.mark.parametrize(
    ("size_px", "max_height", "expected"),
    [
        ((1768, 994), 720, (1280, 720)),
        ((639, 481), None, (640, 480)),
        ((1, 1), 720, (2, 2)),
        ((99, 3000), 720, (24, 720)),
    ],
)
def test_even_sizes(size_px, max_height, expected):
    assert even_size(size_px, max_height) == expected


@pytest.mark.parametrize("fps", [24000 / 1001, 25, 30000 / 1001, 30, 60000 / 1001, 60, 7.3])
@pytest.mark.parametrize("num_frames", [30, 3000])
def test_rates_from_stamps_in_whole_milliseconds(fps, num_frames):
    times_s = np.round(np.arange(num_frames) / fps, 3)
    rate = nominal_rate(times_s, 0.001, [])
    assert rate == pytest.approx(fps, rel=2e-3 if num_frames < 100 else 2e-5)
    assert np.array_equal(frame_slots(times_s, 0.0, rate), np.arange(num_frames))


def test_the_rate_of_a_phone_that_drops_frames():
    rng = np.random.default_rng(0)
    times_s = np.sort(rng.choice(3000, 2800, replace=False)) / 30 + rng.uniform(-2e-3, 2e-3, 2800)
    assert nominal_rate(times_s, 1 / 90000, [28.01]) == 30.0


def test_shown_frames_repeat_and_drop():
    assert shown_frames(np.array([0, 1, 1, 4])).tolist() == [0, 2, 2, 2, 3]


def test_working_ahead_hands_on_items_and_errors():
    def items():
        yield from range(10)
        raise RuntimeError("at the end")

    received = []
    with pytest.raises(RuntimeError, match="at the end"):
        received.extend(ahead(items(), 2))
    assert received == list(range(10))


def test_working_ahead_stops_with_its_consumer():
    closed = []

    def items():
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            closed.append(number)

    iterator = ahead(items(), 3)
    assert next(iterator) == 0
    iterator.close()
    assert closed and closed[0] < 8
