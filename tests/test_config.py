"""lib/config.py: reading, inheritance, overrides, messages, round trip, and the generated reference."""

import argparse
import ast
import inspect
import logging
from pathlib import Path

import pytest
from easydict import EasyDict

from lib.config import ConfigError, add_config_flags, dump_config, load_config, save_config
from lib.config_schema import LOSS_NAMES, READER_KEYS, SCHEMAS, HandConfig, Pose3DConfig, WorkerKeys
from lib.config_text import annotation_of, choices, config_reference, values_text
from lib.config_yaml import parse_scalar
from lib.data.augment import Augment
from lib.data.build import load_readers
from lib.data.readers import READERS
from lib.data.readers.worker import KEYS as WORKER_KEYS
from lib.errors import UserError
from lib.model.loss import LOSSES
from lib.skeleton import list_skeletons, load_skeleton
from lib.training_loop import Schedule

ROOT = Path(__file__).parents[1]
NO_EXPERIMENTS = ("angles", "bvh", "ergo", "skeletons", "splits")  # folders of configs/ that hold other data
EXPERIMENTS = [
    path.relative_to(ROOT)
    for path in sorted((ROOT / "configs").rglob("*.yaml"))
    if path.relative_to(ROOT).parts[1] not in NO_EXPERIMENTS
]


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a YAML into the current folder and give its name back, so that messages can be compared whole."""
    monkeypatch.chdir(tmp_path)

    def write_file(text: str, name: str = "x.yaml") -> str:
        Path(name).write_text(text, encoding="utf-8")
        return name

    return write_file


def mistakes_of(path, *overrides, **options) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides, **options)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("path", EXPERIMENTS, ids=str)
def test_every_config_in_the_repository_loads(path, monkeypatch, caplog):
    monkeypatch.chdir(ROOT)
    config = load_config(path)
    assert config.num_joints == load_skeleton(config.joint_format).num_joints
    assert not caplog.records, "our own configs leave nothing to assume"


def test_there_are_configs_in_the_repository():
    assert EXPERIMENTS


def test_defaults_are_filled_in_and_keys_are_flat(write):
    config = load_config(write("reader: worker\njoint_format: rtm-37\nlearning_rate: 1e-4\nbatch_size: 8\n"))
    assert isinstance(config, EasyDict)
    assert (config.joint_format, config.num_joints, config.root_idx, config.root) == (
        "RTM-37",
        37,
        0,
        ["PELVIS"],
    )
    assert config.learning_rate == 1e-4
    assert config.eval_batch_size == 8
    assert config.skip_sources == []
    assert config.worker.subjects == 8
    assert config.losses == {"mpjpe": 1.0, "n_mpjpe": 0.5, "velocity": 20.0}


@pytest.mark.parametrize("name", list_skeletons())
def test_every_joint_format_can_be_configured(write, name):
    skeleton = load_skeleton(name)
    config = load_config(write(f"reader: worker\njoint_format: {name.lower()}\n"))
    assert (config.joint_format, config.num_joints) == (name, skeleton.num_joints)
    assert (config.root_idx, config.root) == (skeleton.root_idx, list(skeleton.root))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("2E3", 2000.0),
        (".5", 0.5),
        ("0.", 0.0),
        ("010", 10),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("20fps", "20fps"),
        ("2026-01-02", "2026-01-02"),
        ("True", True),
        ("off", False),
        ("null", None),
        ("", None),
        ("-.inf", -float("inf")),
    ],
)
def test_words_of_yaml_are_what_a_researcher_means(text, value):
    assert parse_scalar(text) == value
    assert type(parse_scalar(text)) is type(value)


def test_five_mistakes_are_five_lines(write):
    path = write(
        "reader: worker\n"
        "joint_format: RTM-37\n"
        "num_joints: 36\n"
        "batch_size: -3\n"
        "learning_rat: 1e-4\n"
        "clip_len: 300\n"
        "losses:\n"
        "  mpjpe: 1\n"
        "  velocty: 20\n"
    )
    assert mistakes_of(path) == [
        "5 mistakes in x.yaml",
        "x.yaml:3: num_joints = 36: the joint format RTM-37 has 37 joints",
        "x.yaml:4: batch_size = -3: must be greater than 0",
        "x.yaml:5: learning_rat = 0.0001: unknown key (did you mean 'learning_rate'?)",
        "x.yaml:6: clip_len = 300: must be at most maxlen = 243",
        "x.yaml:9: losses.velocty = 20: unknown loss (did you mean 'velocity'?); known: "
        + ", ".join(LOSS_NAMES),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("epochs: 1.5", "epochs = 1.5: must be a whole number greater than 0"),
        ("epochs: True", "epochs = True: must be a whole number greater than 0"),
        ("epochs: '5'", "epochs = '5': must be a whole number greater than 0"),
        ("epochs:", "epochs = null: must be a whole number greater than 0"),
        ("mask_ratio: 1.5", "mask_ratio = 1.5: must be at least 0 and less than 1"),
        ("learning_rate: .nan", "learning_rate = nan: must be a number greater than 0"),
        ("precision: bf61", "precision = 'bf61': must be one of fp32, bf16 (did you mean 'bf16'?)"),
        ("flip: 2", "flip = 2: must be True or False"),
        ("grad_clip: none", "grad_clip = 'none': must be a number greater than 0, or null"),
        ("subset_list: [a, 3]", "subset_list[1] = 3: must be text"),
        ("worker: {fps: 0}", "worker.fps = 0: must be greater than 0"),
        ("worker: {sed: 0}", "worker.sed = 0: unknown key (did you mean 'seed'?)"),
        ("worker: 3", "worker = 3: must be a block of key: value lines"),
        ("losses: {mpjpe: -1}", "losses.mpjpe = -1: must be at least 0"),
        ("losses: {mpjpe: 0}", "losses = {'mpjpe': 0}: at least one loss needs a weight greater than 0"),
        ("dim_feat: 100", "dim_feat = 100: must be a multiple of num_heads = 8"),
        ("clip_lengths: [27, 16]", "clip_lengths[1] = 16: must divide clip_len = 243"),
        ("res_w: 1920", "res_w = 1920: res_h is missing beside it"),
        ("scale_range: [2, 1]", "scale_range = [2, 1]: the smaller factor comes first"),
        ("scale_range: [2]", "scale_range = [2]: must be a list of two numbers greater than 0, or null"),
        ("hidden_dim: 4", "hidden_dim = 4: unknown key; it belongs to configs of task mesh"),
        ("fooling: 4", "fooling = 4: unknown key; docs/config.md lists every key"),
        ("seed: 1\nseed: 2", "seed stands twice, first in line 3"),
        ("<<: {seed: 1}", "keys are plain words; to inherit from another file write base: other.yaml"),
        (
            "data_root: !!python/name:os.system x",
            "data_root: tags (tag:yaml.org,2002:python/name:os.system) are not allowed",
        ),
        ("root: PELVS", "root = 'PELVS': 'PELVS' is no joint of RTM-66 (did you mean 'PELVIS'?); joints: "),
    ],
)
def test_message_of_one_mistake(write, line, message):
    path = write(f"reader: clips\njoint_format: RTM-66\n{line}\n")
    (only,) = mistakes_of(path)
    at = line.count("\n") + 3
    assert only.startswith(f"x.yaml:{at}: {message}")
    assert only == f"x.yaml:{at}: {message}" or line.startswith("root")


def test_keys_that_are_missing(write):
    formats = ", ".join(list_skeletons())
    assert mistakes_of(write("epochs: 3\n")) == [
        "2 mistakes in x.yaml",
        f"x.yaml: joint_format is missing; known: {formats}",
        "x.yaml: reader is missing, and the other keys fit several: write reader: h36m (Human3.6M pickle), "
        "vehs (pickle with res_w and res_h), clips (clip folders) or worker (built-in motion)",
    ]
    assert mistakes_of(write("reader: worker\nnum_joints: 66\n")) == [
        "x.yaml: joint_format is missing, and 66 joints alone do not say which: "
        "write joint_format: RTM-66 or RTM-66-v1"
    ]
    assert mistakes_of(write("reader: worker\nnum_joints: 5\n")) == [
        f"x.yaml: joint_format is missing, and none has 5 joints; known: {formats}"
    ]


def test_unknown_joint_format(write):
    (only,) = mistakes_of(write("reader: worker\njoint_format: RTM-38\n"))
    assert only.startswith("x.yaml:2: joint_format = 'RTM-38': unknown joint format 'RTM-38' (did you mean")


def test_joint_format_as_a_file(write):
    path = ROOT / "configs/skeletons/rtm37.yaml"
    config = load_config(write(f"reader: worker\njoint_format: {path}\n"))
    assert (config.joint_format, config.num_joints) == (str(path), 37)


@pytest.mark.parametrize(
    ("joint_format", "root_idx", "message"),
    [
        ("RTM-24", 99, "root_idx = 99: the root of the joint format RTM-24 is joint 21 (pelvis)"),
        (
            "RTM-24",
            0,
            "root_idx = 0: the root of the joint format RTM-24 is joint 21 (pelvis); "
            "to have nose as the root write root: nose",
        ),
        (
            "COCO-17",
            0,
            "root_idx = 0: the root of the joint format COCO-17 is the mean of left_hip, right_hip: "
            "leave root_idx out; to have nose as the root write root: nose",
        ),
    ],
)
def test_root_idx_must_agree(write, joint_format, root_idx, message):
    path = write(f"reader: worker\njoint_format: {joint_format}\nroot_idx: {root_idx}\n")
    assert mistakes_of(path) == [f"x.yaml:3: {message}"]


def test_root_may_be_any_joint_or_a_mean(write):
    text = "reader: worker\njoint_format: RTM-66\n"
    config = load_config(write(text + "root: RHIP\nroot_idx: 58\n"))
    assert (config.root, config.root_idx) == (["RHIP"], 58)
    config = load_config(write(text + "root: [RHIP, LHIP]\n"))
    assert (config.root, config.root_idx) == (["RHIP", "LHIP"], None)
    assert mistakes_of(write(text + "root: RHIP\nroot_idx: 57\n")) == [
        "x.yaml:4: root_idx = 57: the root of the joint format RTM-66 is joint 58 (RHIP)"
    ]


@pytest.mark.parametrize("name", [name for name in list_skeletons() if load_skeleton(name).other_roots])
def test_a_root_that_older_files_declare_is_taken_and_said(write, name, caplog):
    skeleton = load_skeleton(name)
    joint = skeleton.other_roots[0]
    config = load_config(write(f"reader: worker\njoint_format: {name}\nroot_idx: {skeleton.index(joint)}\n"))
    assert (config.root, config.root_idx) == ([joint], skeleton.index(joint))
    assert f"{joint} is the root" in caplog.text


def test_base_is_relative_to_the_file_and_blocks_are_merged(write):
    Path("deep").mkdir()
    write("reader: worker\njoint_format: H36M-17\nseed: 1\nlosses: {mpjpe: 1, velocity: 20}\n", "deep/a.yaml")
    write("base: a.yaml\nseed: 2\nepochs: 7\n", "deep/b.yaml")
    config = load_config(write("base: deep/b.yaml\nseed: 3\nlosses: {velocity: 5}\n"))
    assert (config.seed, config.epochs) == (3, 7)
    assert config.losses == {"mpjpe": 1.0, "velocity": 5.0}
    assert "base" not in config


def test_mistakes_of_a_base_are_placed_in_it(write):
    write("reader: worker\njoint_format: H36M-17\nbatch_size: -1\nseed: -1\n", "a.yaml")
    assert mistakes_of(write("base: a.yaml\nseed: 1\nepochs: 0\n")) == [
        "2 mistakes in x.yaml",
        "a.yaml:3: batch_size = -1: must be greater than 0",
        "x.yaml:3: epochs = 0: must be greater than 0",
    ]


def test_base_that_is_missing_or_goes_in_a_circle(write):
    path = write("base: none.yaml\nreader: worker\njoint_format: H36M-17\n")
    assert mistakes_of(path) == [
        "x.yaml:1: base = 'none.yaml': there is no such file beside this one (none.yaml)"
    ]
    write("base: x.yaml\n", "y.yaml")
    with pytest.raises(UserError, match=r"^x\.yaml: 'base' goes in a circle: x\.yaml -> y\.yaml -> x\.yaml$"):
        load_config(write("base: y.yaml\n"))


def test_overrides(write):
    path = write("reader: worker\njoint_format: H36M-17\nseed: 1\n")
    overrides = [
        "seed=2",
        "learning_rate=1e-4",
        "losses.velocity=10",
        "worker.subjects=4",
        "worker.tasks=[walk]",
    ]
    config = load_config(path, [*overrides, "partial_train=[head, temp_embed]", "data_root="])
    assert (config.seed, config.learning_rate, config.data_root) == (2, 1e-4, None)
    assert config.losses == {"mpjpe": 1.0, "n_mpjpe": 0.5, "velocity": 10.0}, "the other weights stay"
    assert (config.worker.subjects, config.worker.tasks, config.worker.cameras_per_clip) == (4, ["walk"], 2)
    assert config.partial_train == ["head", "temp_embed"]
    assert load_config(path, {"seed": 5, "worker.subjects": 2}).seed == 5
    assert Pose3DConfig.model_fields["losses"].get_default()["velocity"] == 20.0, "defaults stay as they are"


def test_mistakes_in_overrides(write):
    path = write("reader: worker\njoint_format: H36M-17\n")
    assert mistakes_of(path, "epochs=0", "losses.velocty=3", "sead=3", "worker.fps=x") == [
        "4 mistakes in x.yaml",
        "--set: epochs = 0: must be greater than 0",
        "--set: losses.velocty = 3: unknown loss (did you mean 'velocity'?); known: " + ", ".join(LOSS_NAMES),
        "--set: sead = 3: unknown key (did you mean 'seed'?)",
        "--set: worker.fps = 'x': must be a number greater than 0",
    ]
    with pytest.raises(UserError, match="--set epochs: write key=value"):
        load_config(path, ["epochs"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\n", "x.yaml:2: this is not YAML"),
        ("- a\n- b\n", "x.yaml:1: a config is a list of lines 'key: value'"),
        ("a: &a [*a]\nseed: 1\n", "x.yaml:1: a.0: nested too deep"),
    ],
)
def test_text_that_is_no_config(write, text, message):
    with pytest.raises(UserError) as caught:
        load_config(write(text))
    assert message in str(caught.value)


def test_file_that_cannot_be_read(write):
    with pytest.raises(UserError, match=r"cannot read the config none\.yaml: No such file"):
        load_config("none.yaml")
    Path("binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not text in UTF-8"):
        load_config("binary.yaml")


def test_task_is_told_from_the_keys(write):
    mesh = write("joint_format: SMPL-24\ndt_file_h36m: mesh.pkl\nlr_head: 1e-3\n", "mesh.yaml")
    assert load_config(mesh).task == "mesh"
    assert load_config(mesh, task="mesh").hidden_dim == 1024
    with pytest.raises(
        UserError, match=r"mesh\.yaml: this is a config of task mesh, where one of task pose3d"
    ):
        load_config(mesh, task="pose3d")
    assert mistakes_of(write("task: dance\n")) == [
        "x.yaml:1: task = 'dance': must be one of pose3d, hand, mesh"
    ]


@pytest.mark.parametrize(
    ("joint_format", "told"), [("Hand-21", "hand"), ("UBHand-48", "hand"), ("COCO-WholeBody-133", "pose3d")]
)
def test_task_of_a_format_of_hands_is_told(write, joint_format, told):
    path = write(f"reader: worker\njoint_format: {joint_format}\n")
    assert load_config(path).task == load_config(path, task="pose3d").task == told
    assert load_config(path, task="hand").task == "hand", "whoever asks for hands gets their checks"
    assert load_config(write(f"task: hand\nreader: worker\njoint_format: {joint_format}\n")).task == "hand"
    path = write(f"task: pose3d\nreader: worker\njoint_format: {joint_format}\n")
    with pytest.raises(UserError, match=r"a config of task pose3d, where one of task hand is needed"):
        load_config(path, task="hand")


def test_defaults_and_checks_of_hands(write):
    one = write("reader: worker_hands\njoint_format: Hand-21\n")
    config = load_config(one)
    assert (config.flip, config.rootrel, config.root, config.mirror_left) == (False, True, ["Wrist"], True)
    assert (config.eval_split, config.pck_threshold_mm) == ("validate", 50.0)
    both = write("reader: worker\njoint_format: UBHand-48\n", "y.yaml")
    assert load_config(both).flip is load_config(both, ["eval_flip=true"]).eval_flip is True
    for key in ("flip", "eval_flip"):
        assert mistakes_of(one, f"{key}=true") == [
            f"--set: {key} = True: Hand-21 has one hand, and a mirrored right hand is a left hand: leave {key} out or "
            f"write {key}: False (left hands in the data are mirrored to right ones by mirror_left)"
        ]
    body = write("reader: worker\njoint_format: RTM-37\n", "z.yaml")
    assert mistakes_of(body, task="hand") == [
        "z.yaml:2: joint_format = 'RTM-37': RTM-37 has no hand with fingers; train_hand.py needs one, train.py is "
        "for bodies"
    ]
    assert mistakes_of(body, "mirror_left=true") == [
        "--set: mirror_left = True: unknown key; it belongs to configs of task hand"
    ]
    assert set(config) == set(HandConfig.model_fields)
    assert set(Pose3DConfig.model_fields) < set(HandConfig.model_fields)


@pytest.mark.parametrize(("key", "root"), [("root", "left_shoulder"), ("root_idx", "0")])
def test_root_of_both_arms_is_the_key_s_choice(write, key, root):
    path = write("reader: worker\njoint_format: UBHand-48\n")
    assert (load_config(path).root, load_config(path).root_idx) == (["left_shoulder", "right_shoulder"], None)
    config = load_config(path, [f"{key}={root}"])
    assert (config.root, config.root_idx) == (["left_shoulder"], 0)


def test_one_key_of_the_other_task_does_not_change_the_task(write):
    path = write("reader: worker\njoint_format: H36M-17\nlr_head: 1e-3\n")
    assert mistakes_of(path) == ["x.yaml:3: lr_head = 0.001: unknown key; it belongs to configs of task mesh"]


@pytest.mark.parametrize(
    "text",
    [
        "reader: worker\njoint_format: COCO-17\nlearning_rate: 3e-7\nworker: {fps: 20, tasks: [walk]}\n",
        "reader: vehs\ntrain_reader: clips\njoint_format: RTM-66\nroot: RHIP\ndt_file: '1e-4'\ndata_root: 'a: b #c'\n"
        "subset_list: ['010', 'no', '', 'null ', '-', 'ü']\n",
        'reader: h36m\njoint_format: H36M\ndt_root: "tab\\tquote\' "\n'
        "scale_range: [0.5, 2]\nlosses: {mpjpe: 1, center: 0}\n",
        "joint_format: SMPL-24\ndt_file_h36m: x.pkl\nlr_head: 1e-3\nlosses: {pose: 1000, mpjpe: 0.5}\n",
    ],
)
def test_saved_config_loads_as_the_same(write, tmp_path, text, caplog):
    config = load_config(write(text))
    caplog.clear()
    save_config(config, tmp_path / "runs" / "config.yaml")
    again = load_config(tmp_path / "runs" / "config.yaml")
    assert again == config
    assert dump_config(again) == dump_config(config)
    assert not caplog.records, "a resolved config leaves nothing to assume"


def test_resolved_config_holds_every_key_of_its_schema(write):
    config = load_config(write("reader: worker\njoint_format: H36M-17\n"))
    assert set(config) == set(Pose3DConfig.model_fields)


def test_config_flags(write):
    parser = argparse.ArgumentParser()
    add_config_flags(parser)
    arguments = parser.parse_args(
        ["--config", "x.yaml", "--set", "seed=3", "--set", "epochs=2", "--print_config"]
    )
    assert (arguments.config, arguments.set, arguments.print_config) == (
        "x.yaml",
        ["seed=3", "epochs=2"],
        True,
    )
    assert parser.parse_args(["--config", "x.yaml"]).set == []


def test_names_of_losses_are_those_of_the_registry():
    assert list(LOSS_NAMES) == LOSSES.names()


def test_keys_of_worker_are_those_of_its_reader():
    assert set(WorkerKeys.model_fields) == set(WORKER_KEYS)


def test_names_of_readers_are_those_of_the_registry():
    load_readers()
    assert sorted(choices(annotation_of(Pose3DConfig, ("reader",)))) == READERS.names()


def test_keys_of_readers_are_those_of_their_signatures():
    load_readers()
    taken = {name: [*inspect.signature(READERS.get(name)).parameters][2:] for name in READERS.names()}
    assert {name: sorted(keys) for name, keys in taken.items()} == {
        name: list(keys) for name, keys in READER_KEYS.items()
    }


UNUSED = "x.yaml:{}: {}: the reader worker does not use this key"


def test_keys_of_other_readers_are_mistakes(write):
    path = write(
        "reader: worker\njoint_format: H36M-17\nsample_stride: 3\ndt_file: nothing.pkl\ngt_2d: true\n"
    )
    assert mistakes_of(path)[1:] == [
        UNUSED.format(3, "sample_stride = 3"),
        UNUSED.format(4, "dt_file = 'nothing.pkl'"),
    ]
    path = write(
        "reader: h36m\ntrain_reader: clips\njoint_format: H36M-17\ndata_root: a\nworker: {seed: 3}\n"
    )
    assert mistakes_of(path) == [
        "x.yaml:5: worker = {'seed': 3}: the readers h36m and clips do not use this key"
    ]
    path = write("reader: worker\njoint_format: H36M-17\nsample_stride: 1\ndt_file:\nposetrack_root: a\n")
    assert load_config(path).posetrack_root == "a", "readers_2d take it"
    assert mistakes_of(path, "fps=20") == ["--set: fps = 20: the reader worker does not use this key"]


@pytest.mark.parametrize("old", ["lambda_scale: 0.5", "dataset: VEHSR3"])
def test_old_files_may_carry_dead_keys(write, old):
    path = write(f"reader: vehs\njoint_format: H36M-17\n{old}\nsubset_list: [a]\ndt_file: b.pkl\n")
    assert (load_config(path).subset_list, load_config(path).dt_file) == (None, "b.pkl")


def test_keys_below_another_reader_fall_away(write):
    write("reader: vehs\njoint_format: H36M-17\ndt_file: b.pkl\nsample_stride: 3\n", "a.yaml")
    child = write("base: a.yaml\nreader: worker\n")
    for config in (load_config(child), load_config("a.yaml", ["reader=worker"])):
        assert (config.dt_file, config.sample_stride) == (None, 1)
    assert mistakes_of(write("base: a.yaml\ndata_root: d\n"))[0].startswith(
        "x.yaml:2: data_root = 'd': the reader"
    )


NOT_READ = {
    "backbone": "there is one",
    "num_joints": "checked against the joint format",
    "root_idx": "checked against the joint format, which with root says the same",
}


def test_every_key_is_read_somewhere():
    """As ``config.key``, ``config["key"]`` or ``config.get("key")``, or by a reader or the augmentation."""
    load_readers()
    read = {
        key
        for taker in [Augment, Schedule, *map(READERS.get, READERS.names())]
        for key in inspect.signature(taker).parameters
    }
    for path in [ROOT / "train.py", *(ROOT / "lib").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and is_config(node.value):
                read.add(node.attr)
            elif isinstance(node, ast.Subscript) and is_config(node.value):
                read |= constants([node.slice])
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "config.get":
                read |= constants(node.args)
    assert set(HandConfig.model_fields) - read == set(NOT_READ)


def is_config(node: ast.expr) -> bool:
    return ast.unparse(node) in ("config", "self.config")


def constants(nodes: list[ast.expr]) -> set[str]:
    return {str(node.value) for node in nodes if isinstance(node, ast.Constant)}


def test_what_readers_and_augmentation_take_are_keys():
    load_readers()
    for taker in [Augment, *map(READERS.get, READERS.names())]:
        names = list(inspect.signature(taker).parameters)
        assert set(names) - {"skeleton", "split"} <= set(HandConfig.model_fields), taker


@pytest.mark.parametrize("task", SCHEMAS)
def test_every_key_is_described_and_has_allowed_values(task):
    schema = SCHEMAS[task]
    for key, field in schema.model_fields.items():
        assert field.description, key
        assert values_text(annotation_of(schema, (key,))), key


def test_reference_is_up_to_date():
    path = ROOT / "docs/config.md"
    command = "from lib.config_text import config_reference as text; print(text(), end='')"
    hint = f'run: python -c "{command}" > docs/config.md'
    assert path.read_text(encoding="utf-8") == config_reference(), hint


def test_loading_is_silent_when_nothing_is_assumed(write, caplog):
    caplog.set_level(logging.DEBUG)
    load_config(write("reader: worker\njoint_format: H36M-17\n"))
    assert not [record for record in caplog.records if record.name.startswith("lib.config")]
