"""Writes are whole or not at all; data pickles cannot run code."""

import os
import pickle
import pickletools
from collections import OrderedDict

import numpy as np
import pytest

from lib.errors import UserError
from lib.files import atomic_path, atomic_write_bytes, atomic_write_text, load_pickle

PLAIN = {
    "floats": np.arange(12.0).reshape(3, 4),
    "columns first": np.asfortranarray(np.arange(12.0, dtype=np.float32).reshape(3, 4)),
    "big endian": np.arange(5, dtype=">i4"),
    "bools": np.array([True, False]),
    "texts": np.array(["left", "right hip"]),
    "bytes": np.array([b"a", b"bc"]),
    "objects of str": np.array(["a", "b"], dtype=object),
    "empty": np.zeros((0, 17, 2), np.float32),
    "scalar": np.float32(1.5),
    "plain": OrderedDict(a=[1, 2.5, None, True, "x", b"y", b""], b=("tuple", {"deep": [np.int64(3)]})),
}


def assert_same(given, read):
    assert type(read) is type(given)
    if isinstance(given, dict):
        assert list(given) == list(read)
        for key in given:
            assert_same(given[key], read[key])
    elif isinstance(given, list | tuple):
        for one, other in zip(given, read, strict=True):
            assert_same(one, other)
    elif isinstance(given, np.ndarray):
        assert given.dtype == read.dtype and given.shape == read.shape and (given == read).all()
    else:
        assert given == read


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_content_is_read_in_every_protocol(tmp_path, protocol):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(PLAIN, protocol))
    assert_same(PLAIN, load_pickle(tmp_path / "x.pkl"))


def test_numpy_1_and_2_paths_are_both_read(tmp_path):
    new = pickle.dumps(PLAIN, 2)
    assert b"numpy._core" in new
    (tmp_path / "x.pkl").write_bytes(new.replace(b"numpy._core", b"numpy.core"))
    assert_same(PLAIN, load_pickle(tmp_path / "x.pkl"))


def test_an_array_held_twice_is_read_twice(tmp_path):
    array = np.arange(3)
    (tmp_path / "x.pkl").write_bytes(pickle.dumps([array, array]))
    first, second = load_pickle(tmp_path / "x.pkl")
    assert (first == array).all() and (second == array).all()


class Attack:
    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


class Harmless:
    pass


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (lambda mark: Attack(os.system, f"touch {mark}"), "os.system"),
        (lambda mark: {"train": [Attack(exec, f"open({str(mark)!r}, 'w')")]}, "builtins.exec"),
        (lambda mark: np.array([Attack(os.system, f"touch {mark}")], dtype=object), "os.system"),
        (lambda mark: Attack(getattr, np.float64, "mean"), "builtins.getattr"),
        (lambda mark: Harmless(), "test_files.Harmless"),
        (lambda mark: os.system, "os.system"),
    ],
)
def test_code_is_refused_by_name_and_not_run(tmp_path, content, named):
    mark, file = tmp_path / "mark", tmp_path / "evil.pkl"
    file.write_bytes(pickle.dumps(content(mark)))
    with pytest.raises(UserError) as caught:
        load_pickle(file)
    assert not mark.exists()
    for text in (
        f"{named})",
        str(file),
        "carries code",
        "refused. Data pickles may hold numpy arrays and plain",
    ):
        assert text in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({1, 2}, "type set"),
        ({"a": np.array([1, "x"], dtype=object)}, "object array may hold strings only"),
        (np.zeros(2, dtype=[("x", "f4")]), "not allowed"),
        (np.array(["2024-01-01"], dtype="M8[D]"), "not allowed"),
        (np.ndarray, "type type"),
        (np.dtype("f4"), "type _Dtype"),
    ],
)
def test_other_objects_are_refused(tmp_path, content, says):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(UserError, match=says):
        load_pickle(tmp_path / "x.pkl")


def test_raw_bytes_do_not_become_pointers(tmp_path):
    # a dtype state that marks 'O' as plain data would let numpy read an array's bytes as object addresses
    dtype = b"cnumpy\ndtype\n(VO8\nI00\nI01\ntR(I3\nV|\nNNNI-1\nI-1\nI0\ntb"
    array = b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntVb\ntR(I1\n(I1\nt" + dtype
    stream = array + b"I00\nC\x08" + b"A" * 8 + b"tb."
    pickletools.dis(stream, out=open(os.devnull, "w"))  # noqa: PTH123, SIM115 - the stream itself is in order
    (tmp_path / "x.pkl").write_bytes(stream)
    with pytest.raises(UserError, match="object array may hold strings only"):
        load_pickle(tmp_path / "x.pkl")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_an_error(tmp_path, share):
    whole = pickle.dumps(PLAIN, 4)
    (tmp_path / "x.pkl").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UserError, match="truncated"):
        load_pickle(tmp_path / "x.pkl")


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        load_pickle(tmp_path / "x.pkl")


def test_atomic_writes_replace_whole_files(tmp_path):
    file = tmp_path / "deep" / "a.txt"
    atomic_write_text(file, "old\n")
    atomic_write_bytes(file, "néw\n".encode())
    assert file.read_text(encoding="utf-8") == "néw\n"
    assert [path.name for path in file.parent.iterdir()] == ["a.txt"]


def test_a_failed_write_leaves_the_old_content(tmp_path):
    file, folder = tmp_path / "a.npy", tmp_path / "folder"
    np.save(file, np.arange(3))
    folder.mkdir()
    (folder / "kept").write_text("x")
    for path in (file, folder):
        with pytest.raises(RuntimeError), atomic_path(path) as temporary:
            temporary.mkdir() if path is folder else temporary.write_bytes(b"half")
            raise RuntimeError
    assert (np.load(file) == np.arange(3)).all()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.npy", "folder", "kept"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    for name in ("first", "second"):
        with atomic_path(tmp_path / "cache") as temporary:
            temporary.mkdir()
            (temporary / name).write_text(name)
    assert [path.name for path in tmp_path.rglob("*")] == ["cache", "second"]
