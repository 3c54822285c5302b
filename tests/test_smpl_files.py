"""Body model files: official-style pickles without chumpy, npz, published names; code is refused."""

import io
import os
import pickle
import struct
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from lib.body import load_body
from lib.errors import UserError
from lib.smpl_files import read_npz, read_smpl
from tests.example_body import make_example_body
from tools import clean_smpl

KEYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")


@pytest.fixture(scope="module")
def chumpy():
    """The real package; it imports two names of six, for which Python 3's own stand in where six is missing."""
    stand_in, moves = types.ModuleType("six"), types.ModuleType("six.moves")
    stand_in.StringIO, stand_in.moves, moves.cPickle = io.StringIO, moves, pickle
    sys.modules.setdefault("six", stand_in)
    sys.modules.setdefault("six.moves", sys.modules["six"].moves)
    return pytest.importorskip("chumpy")


class Python2Pickler(pickle._Pickler):
    """Writes bytes as Python 2's str, and the names that the modules had then."""

    dispatch = dict(pickle._Pickler.dispatch)  # noqa: RUF012 - as in the class above

    def save_bytes(self, data):
        if self.proto:
            self.write(pickle.BINSTRING + struct.pack("<i", len(data)) + data)
        else:
            text = "".join(chr(b) if 32 <= b < 127 and b not in b"'\\" else f"\\x{b:02x}" for b in data)
            self.write(pickle.STRING + f"'{text}'\n".encode())
        self.memoize(data)

    dispatch[bytes] = save_bytes


def python2_pickle(content, protocol):
    file = io.BytesIO()
    Python2Pickler(file, protocol).dump(content)
    stream = file.getvalue()
    for new, old in (
        (b"numpy._core.", b"numpy.core."),
        (b"scipy.sparse._csc", b"scipy.sparse.csc"),
        (b"scipy.sparse._csr", b"scipy.sparse.csr"),
    ):
        stream = stream.replace(new, old)
    return stream


def official(chumpy, arrays):
    """The content of an official file: arrays in chumpy's and scipy's classes, and more than is needed."""
    many = np.concatenate([arrays["shapedirs"], arrays["shapedirs"]], axis=-1)
    return {
        **arrays,
        "v_template": chumpy.array(arrays["v_template"]),
        "shapedirs": chumpy.array(many)[:, :, :10],  # a chumpy.reordering.Select
        "posedirs": chumpy.array(arrays["posedirs"]),
        "weights": chumpy.array(arrays["weights"]),
        "J_regressor": scipy.sparse.csc_matrix(arrays["J_regressor"]),
        "J_regressor_prior": scipy.sparse.csr_matrix(arrays["J_regressor"]),
        "J": arrays["J_regressor"] @ arrays["v_template"],
        "bs_type": "lrotmin",
        "bs_style": "lbs",
        "vert_sym_idxs": np.arange(3),
    }


@pytest.mark.parametrize("protocol", [0, 1, 2])
@pytest.mark.parametrize("by_python", [2, 3])
def test_official_pickles_are_read_as_they_are(tmp_path, chumpy, protocol, by_python):
    arrays = make_example_body(336)
    content = official(chumpy, arrays)
    stream = python2_pickle(content, protocol) if by_python == 2 else pickle.dumps(content, protocol)
    assert b"chumpy.reordering" in stream and b"csc_matrix" in stream
    (tmp_path / "SMPL_NEUTRAL.pkl").write_bytes(stream)
    read = read_smpl(tmp_path / "SMPL_NEUTRAL.pkl")
    assert set(read) == set(KEYS)
    for key in KEYS:
        assert read[key].dtype == arrays[key].dtype and (read[key] == arrays[key]).all(), key


def test_neither_chumpy_nor_scipy_is_imported(tmp_path, chumpy):
    (tmp_path / "SMPL_MALE.pkl").write_bytes(python2_pickle(official(chumpy, make_example_body(336)), 2))
    code = (
        "import sys; from lib.smpl_files import read_smpl; "
        f"read_smpl({str(tmp_path / 'SMPL_MALE.pkl')!r}); "
        "print({name.split('.')[0] for name in sys.modules} & {'chumpy', 'scipy', 'six'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parent.parent
    )
    assert done.stdout == "set()\n", done.stderr


class Attack:
    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced[0], self.reduced[1:]


@pytest.mark.parametrize("protocol", [0, 2])
@pytest.mark.parametrize("place", ["beside", "in chumpy", "as shape"])
def test_code_is_refused_by_name_and_not_run(tmp_path, chumpy, protocol, place):
    content = official(chumpy, make_example_body(336))
    attack = Attack(os.system, f"touch {tmp_path / 'mark'}")
    if place == "beside":
        content["bs_type"] = attack
    elif place == "in chumpy":
        object.__setattr__(content["weights"], "label", attack)
    else:
        content["J_regressor"]._shape = attack
    file = tmp_path / "SMPL_NEUTRAL.pkl"
    file.write_bytes(pickle.dumps(content, protocol))
    with pytest.raises(UserError, match=r"carries code \(os.system\); refused. Body models may hold arrays"):
        read_smpl(file)
    assert not (tmp_path / "mark").exists()


def test_other_chumpy_objects_are_refused(tmp_path, chumpy):
    content = official(chumpy, make_example_body(336))
    content["weights"] = content["weights"] * 2  # would have to be computed
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(content, 2))
    with pytest.raises(UserError, match=r"chumpy\.ch_ops\.multiply"):
        read_smpl(tmp_path / "x.pkl")


def test_a_stand_in_that_carries_a_strange_state_is_an_error(tmp_path, chumpy):
    content = official(chumpy, make_example_body(336))
    content["J_regressor"].indices = content["J_regressor"].indices + 1000  # beyond the matrix
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(content, 2))
    with pytest.raises(UserError, match=r"no whole pickle .*out of bounds"):
        read_smpl(tmp_path / "x.pkl")
    (tmp_path / "x.pkl").write_bytes(b"cchumpy.ch\nCh\n)\x81.")  # no state at all
    with pytest.raises(UserError, match="no whole pickle"):
        read_smpl(tmp_path / "x.pkl")


def test_npz_files_are_read_without_their_objects(tmp_path):
    arrays = make_example_body(336)
    names = np.array({"head": 1}, dtype=object)
    np.savez(tmp_path / "SMPLX_NEUTRAL.npz", part2num=names, allow_pickle=True, **arrays)
    read = read_smpl(tmp_path / "SMPLX_NEUTRAL.npz")
    assert set(read) == set(KEYS) and (read["weights"] == arrays["weights"]).all()


def test_mean_parameters_are_readable(tmp_path):
    np.savez(tmp_path / "smpl_mean_params.npz", pose=np.ones(144), shape=np.zeros(10), cam=np.zeros(3))
    assert read_npz(tmp_path / "smpl_mean_params.npz")["pose"].shape == (144,)


def test_damaged_and_wrong_files_are_errors(tmp_path):
    file = tmp_path / "SMPL_NEUTRAL.npz"
    np.savez(file, **make_example_body(336))
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(UserError, match="no whole npz file"):
        read_smpl(file)
    np.savez(file, v_template=np.zeros((3, 3)))
    with pytest.raises(UserError, match=r"no SMPL body model: it lacks shapedirs, J_regressor, weights"):
        read_smpl(file)
    with pytest.raises(UserError, match=r"cannot read .*none\.npz"):
        read_smpl(tmp_path / "none.npz")
    (tmp_path / "list.pkl").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(UserError, match="no SMPL body model"):
        read_smpl(tmp_path / "list.pkl")


PUBLISHED = {
    "neutral": [
        "basicModel_neutral_lbs_10_207_0_v1.0.0.pkl",
        "SMPL_NEUTRAL.pkl",
        "SMPL_NEUTRAL.npz",
        "SMPLX_NEUTRAL.npz",
    ],
    "female": [
        "basicModel_f_lbs_10_207_0_v1.0.0.pkl",
        "basicmodel_f_lbs_10_207_0_v1.1.0.pkl",
        "SMPLX_FEMALE.npz",
    ],
    "male": ["basicmodel_m_lbs_10_207_0_v1.0.0.pkl", "SMPL_MALE.pkl", "SMPLH_male.pkl", "smpl/SMPL_MALE.pkl"],
}


@pytest.mark.parametrize(
    ("gender", "name"), [(gender, name) for gender in PUBLISHED for name in PUBLISHED[gender]]
)
def test_published_names_are_found_by_gender(tmp_path, gender, name):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    arrays = make_example_body(336)
    if name.endswith("npz"):
        np.savez(file, **arrays)
    else:
        file.write_bytes(pickle.dumps(arrays, 2))
    body = load_body(tmp_path, gender=gender)
    assert (body.name, body.gender, body.num_vertices) == (file.stem, gender, 336)
    assert load_body(file).gender == gender
    if gender == "male":
        with pytest.raises(UserError, match="is the male body, asked for female"):
            load_body(file, gender="female")
    other = "female" if gender != "female" else "male"
    with pytest.raises(UserError) as caught:
        load_body(tmp_path, gender=other)
    for text in (
        f"no {other} body model",
        f"SMPL_{other.upper()}.npz",
        "smpl.is.tue.mpg.de",
        f"there: {file.name}",
    ):
        assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_smpl_goes_before_smplx_and_npz_before_pickle(tmp_path):
    arrays = make_example_body(336)
    for name in ("SMPLX_MALE.npz", "SMPL_MALE.npz"):
        np.savez(tmp_path / name, **arrays)
    (tmp_path / "SMPL_MALE.pkl").write_bytes(b"not read")
    (tmp_path / "J_regressor_h36m_correct.npy").write_bytes(b"not read")
    assert load_body(tmp_path, gender="male").name == "SMPL_MALE"


def test_missing_files_say_where_they_come_from(tmp_path):
    for path in (tmp_path / "SMPL_NEUTRAL.npz", tmp_path / "no_folder"):
        with pytest.raises(UserError, match=r"smpl-x.is.tue.mpg.de"):
            load_body(path)
    with pytest.raises(UserError, match=r"unknown gender 'femal' \(did you mean 'female'\?\)"):
        load_body(tmp_path, gender="femal")
    with pytest.raises(UserError, match="built-in body is neutral"):
        load_body(gender="male")


def test_clean_smpl_writes_the_same_body(tmp_path, chumpy, capsys):
    (tmp_path / "SMPL_MALE.pkl").write_bytes(python2_pickle(official(chumpy, make_example_body(336)), 2))
    assert clean_smpl.main([str(tmp_path / "SMPL_MALE.pkl")]) == 0
    assert "smpl, 336 vertices, 24 joints" in capsys.readouterr().out
    before, after = read_smpl(tmp_path / "SMPL_MALE.pkl"), read_smpl(tmp_path / "SMPL_MALE.npz")
    assert before.keys() == after.keys() and all((before[key] == after[key]).all() for key in before)
    assert clean_smpl.main([str(tmp_path / "SMPL_MALE.npz")]) == 2
    assert clean_smpl.main([str(tmp_path / "none.pkl")]) == 2
    assert capsys.readouterr().err.count("\n") == 2
