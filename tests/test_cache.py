"""The memory-mapped cache: the same record, written once, renewed when anything it depends on changes."""

import json
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lib.data import cache
from lib.data.build import build_motion
from lib.data.clips import ClipSet
from lib.errors import UserError
from lib.skeleton import load_skeleton
from tests.example_motion import as_split, example_motion
from tools import benchmark_data

H36M = load_skeleton("H36M-17")


@pytest.fixture
def config(tmp_path) -> dict:
    motion = example_motion(H36M)
    motion.joints_2d[3, 2] = np.nan
    file = tmp_path / "data.pkl"
    file.write_bytes(
        pickle.dumps({"train": as_split(motion), "test": as_split(example_motion(H36M, seed=1))})
    )
    return {
        "reader": "vehs",
        "dt_file": str(file),
        "res_w": 1920,
        "res_h": 1080,
        "fps": 30,
        "cache_dir": str(tmp_path / "cache"),
    }


@pytest.fixture
def reads(monkeypatch) -> list:
    """One entry for each time a cache is written."""
    written = []
    write = cache.write_motion
    monkeypatch.setattr(cache, "write_motion", lambda *given: (written.append(given), write(*given)))
    return written


def caches(config: dict) -> list[str]:
    return [path.name for path in Path(config["cache_dir"]).iterdir() if path.is_dir()]


def test_a_cached_motion_is_the_same(config, reads):
    direct = build_motion({**config, "cache_dir": None}, H36M, "train")
    for _ in range(2):
        cached = build_motion(config, H36M, "train")
        for name in ("joints_2d", "confidence", "joints_image", "joints_mm", "factor_mm_per_px", "size_px"):
            assert np.array_equal(getattr(cached, name), getattr(direct, name))
        for name in ("source", "camera", "action"):
            assert getattr(cached, name) == getattr(direct, name)
        for name in ("fps", "missing", "derived_joints"):
            assert getattr(cached, name) == getattr(direct, name)
        one, other = (ClipSet(motion, 27, 9).batch([0, 3]) for motion in (cached, direct))
        assert all(torch.equal(one[key], other[key]) for key in other)
    assert len(reads) == 1


def test_frames_stay_on_disk(config):
    motion = build_motion(config, H36M, "train")
    for array in (motion.joints_2d, motion.confidence, motion.joints_image, motion.keypoints):
        base = array
        while base.base is not None and not isinstance(base, np.memmap):
            base = base.base
        assert isinstance(base, np.memmap)
        assert not array.flags.writeable
    ClipSet(motion, 27, 9).batch([0])


@pytest.mark.parametrize(
    "changes", [{"fps": 25}, {"sample_stride": 2}, {"missing": "keep"}, {"res_w": 1000}], ids=str
)
def test_other_arguments_have_another_cache(config, reads, changes):
    build_motion(config, H36M, "train")
    first = set(caches(config))
    build_motion({**config, **changes}, H36M, "train")
    build_motion(config, H36M, "test")
    build_motion(config, H36M, "train")
    assert len(reads) == 3
    assert len(set(caches(config)) - first) == 2


def test_keys_that_do_not_matter_share_it(config, reads):
    build_motion(config, H36M, "train")
    build_motion({**config, "epochs": 3, "sample_stride": None}, H36M, "train")
    assert len(reads) == 1


@pytest.mark.parametrize("change", ["time", "content"])
def test_a_changed_file_is_read_again(config, reads, change):
    build_motion(config, H36M, "train")
    file = Path(config["dt_file"])
    status, content = file.stat(), file.read_bytes()
    new = example_motion(H36M, seed=5)
    if change == "content":
        old = pickle.loads(content)["train"]["joint_2d"]
        file.write_bytes(content.replace(old.tobytes(), new.joints_2d.tobytes()))
        assert file.stat().st_size == status.st_size
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + (change == "time")))
    motion = build_motion(config, H36M, "train")
    assert len(reads) == 2
    assert np.array_equal(motion.joints_2d, new.joints_2d) == (change == "content")


def test_the_fingerprint_sees_both_ends(tmp_path):
    file = tmp_path / "big"
    content = bytearray(np.random.default_rng(0).bytes(3 << 20))
    prints = []
    for place in (None, 5, len(content) - 5):
        if place is not None:
            content[place] ^= 1
        file.write_bytes(content)
        os.utime(file, ns=(0, 0))
        prints.append(cache.fingerprint(file))
    assert len({str(one) for one in prints}) == 3
    assert len({one["size"] for one in prints}) == 1


def test_several_processes_write_it_once(config, reads):
    with ThreadPoolExecutor(4) as pool:
        motions = list(pool.map(lambda _: build_motion(config, H36M, "train"), range(4)))
    assert len(reads) == 1 and all(np.isfinite(motion.joints_2d).all() for motion in motions)


def test_a_half_written_cache_is_not_used(config, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(cache.json, "dumps", lambda *given, **keys: "" if keys else fail())
        with pytest.raises(KeyboardInterrupt):
            build_motion(config, H36M, "train")
    assert not caches(config)
    assert build_motion(config, H36M, "train").num_frames == 75


def test_several_sizes_and_two_d_only(tmp_path):
    sizes = np.repeat([[640, 480], [1280, 720]], [30, 45], axis=0)
    motion = replace(example_motion(H36M, with_3d=False), size_px=sizes, derived_joints=("head",))
    cache.write_motion(motion, tmp_path / "motion")
    read = cache.open_motion(tmp_path / "motion", H36M)
    assert np.array_equal(read.size_px, sizes) and read.joints_image is None
    assert read.derived_joints == ("head",)


def test_a_missing_file_is_named(config):
    with pytest.raises(UserError, match="nowhere"):
        build_motion({**config, "dt_file": "nowhere.pkl"}, H36M, "train")


@pytest.mark.slow
def test_the_benchmark_runs(tmp_path, capsys):
    out = tmp_path / "benchmark.json"
    few = ["--frames", "3000", "--seconds", "0.05", "--clip_len", "27", "--out", str(out)]
    assert benchmark_data.main(few) == 0
    measured = json.loads(out.read_text())
    assert set(benchmark_data.AIMS) < set(measured) and all(
        measured[name] > 0 for name in benchmark_data.AIMS
    )
    assert "flip_clips_per_s" in capsys.readouterr().out
