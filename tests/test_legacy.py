"""lib/legacy.py: MotionBERT's and the fork's files load unchanged or say why not; their flags parse."""

import argparse
import logging
import shlex
from pathlib import Path

import pytest

from lib.config import ConfigError, add_config_flags, dump_config, load_config
from lib.config_schema import MESH_LOSS_NAMES, READER_KEYS, SCHEMAS
from lib.config_yaml import read_yaml
from lib.errors import UserError
from lib.legacy import (
    ANGLE_LOSSES,
    DROPPED_KEYS,
    H36M_FAULTY_SOURCES,
    LOSS_KEYS,
    MESH_SET_KEYS,
    RENAMED_KEYS,
    add_legacy_flags,
    flag_notes,
    flag_overrides,
    translate,
)

FILES = Path(__file__).parent / "data/legacy"
ALL = [str(path.relative_to(FILES)) for path in sorted(FILES.rglob("*.yaml"))]

NO_READER = "reader is missing, and the other keys fit several: write reader: h36m"
NO_FORMAT = "joint_format is missing, and {} joints alone do not say which: write joint_format: {}"
NO_ACTION = "action recognition is not built (keys "
# Files that cannot load as they are, each with the one line that says why: the old code guessed.
REFUSED = {
    "fork/MB_ft_VEHSR3_6DPose.yaml": NO_FORMAT.format(66, "RTM-66 or RTM-66-v1"),
    "fork/mesh/MB_train_VEHS_6D.yaml": NO_FORMAT.format(66, "RTM-66 or RTM-66-v1"),
    "fork/mesh/RTM2D_train_37kpts_6D.yaml": NO_FORMAT.format(37, "RTM-37"),
    "fork/RTMPose_exp/MB_ft_VEHS_config2.yaml": NO_FORMAT.format(24, ""),
    "fork/MB_train_h36mVEHSR3.yaml": NO_READER,
    "fork/onform_exp/MB_train_golf_fpsAug_noNoise.yaml": NO_READER,
    "fork/onform_exp/MB_train_golf_fpsAug_syn_noPitch.yaml": NO_READER,
    "motionbert/action/MB_ft_NTU60_xsub.yaml": NO_ACTION,
    "motionbert/action/MB_train_NTU120_oneshot.yaml": NO_ACTION,
    "motionbert/walking/MB_ft_walking.yaml": NO_ACTION,
}
# Values that cannot be meant, and what is taken for them: one hand has no mirror image, 21 are the joints of one hand.
CORRECTED = {
    "fork/UBHand/MB_infer_lab_RTMinput.yaml": {"num_joints": 48},
    "fork/hand/MB_train_Rokoko.yaml": {"flip": False},
}
ENDS_EARLY = {"fork/mesh/RTM2D_train_17kpts_3D.yaml": 100}  # trains on nothing in its last 60 epochs
LOADS = [name for name in ALL if name not in REFUSED]
BASIC = {"mpjpe": 1.0, "n_mpjpe": 0.5, "velocity": 20.0}
MESH = {"mpjpe": 0.5, "velocity": 10.0, "pose": 1000.0, "shape": 1.0, "norm": 20.0}
FIRST_MESH = {"mpjpe": 0.01, "pose": 1000.0, "shape": 1.0}
COSINE = BASIC | {"angle_cos": 0.5, "angle_velocity_cos": 0.5}


def test_the_files_that_are_refused_are_there():
    assert set(REFUSED) < set(ALL)
    assert len([name for name in ALL if name.startswith("motionbert/")]) >= 18
    assert len([name for name in ALL if name.startswith("fork/")]) >= 12


def is_taken(config, key: str) -> bool:
    """Whether a key does something: one of data that no reader of this config takes does not."""
    readers = [config[name] for name in ("reader", "train_reader") if config.get(name)]
    of_readers = {key for keys in READER_KEYS.values() for key in keys}
    return key not in of_readers or any(key in READER_KEYS[reader] for reader in readers)


@pytest.mark.parametrize("name", LOADS)
def test_file_loads_and_keeps_what_it_says(name, tmp_path):
    config = load_config(FILES / name)
    told = {"/mesh/": "mesh", "/hand/": "hand", "/UBHand/": "hand"}
    assert config.task == next((task for folder, task in told.items() if folder in name), "pose3d")
    translated = {*LOSS_KEYS, *ANGLE_LOSSES, *RENAMED_KEYS, *DROPPED_KEYS, *MESH_SET_KEYS}
    translated |= {"joint_format", "dt_file"} | ({"epochs"} if name in ENDS_EARLY else set())
    for key, value in (read_yaml(FILES / name, name).values | CORRECTED.get(name, {})).items():
        assert key in translated or config[key] == value or not is_taken(config, key), key
    (tmp_path / "config.yaml").write_text(dump_config(config))
    assert load_config(tmp_path / "config.yaml") == config


@pytest.mark.parametrize("name", REFUSED)
def test_file_is_refused_in_one_line(name):
    with pytest.raises(ConfigError) as caught:
        load_config(FILES / name)
    assert REFUSED[name] in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "joint_format", "root_idx", "losses"),
    [
        ("motionbert/pose3d/MB_ft_h36m.yaml", "H36M-17", 0, BASIC),
        ("motionbert/pretrain/MB_pretrain.yaml", "H36M-17", 0, BASIC),
        ("motionbert/mesh/MB_ft_pw3d.yaml", "H36M-17", 0, MESH),
        ("motionbert/mesh/MB_ft_nopw3d.yaml", "H36M-17", 0, FIRST_MESH),
        ("fork/RTM2D_VEHSR3_mesh_compare.yaml", "H36M-17", 0, BASIC),
        ("fork/MB_ft_VEHSR3R4_20fps_RTM37kpt_6DPose_pitch_correct.yaml", "RTM-37", 0, COSINE),
        ("fork/MB_ft_VEHSR3R4_50fps_6DPose_pitch_correct.yaml", "RTM-66", 57, COSINE),
        (
            "fork/RTMPose_exp/37kpts_v1/MB_ft_VEHS.yaml",
            "RTM-37",
            0,
            BASIC | {"limb_var": 0.05, "limb_gt": 0.05},
        ),
        ("fork/RTMPose_exp/MB_ft_VEHS_config6.yaml", "RTM-24", 21, BASIC),
        ("fork/hand/MB_infer_lab_RTMinput.yaml", "Hand-21", 0, BASIC),
        ("fork/UBHand/MB_infer_lab_RTMinput.yaml", "UBHand-48", 0, BASIC),
        ("fork/mesh/MB_train_VEHS_3D.yaml", "H36M-17", 0, MESH),
    ],
)
def test_joint_format_and_losses(name, joint_format, root_idx, losses):
    config = load_config(FILES / name)
    assert (config.joint_format, config.root_idx, config.losses) == (joint_format, root_idx, losses)


def sets_of(name: str) -> dict:
    return {entry.name: entry for entry in load_config(FILES / name).sets}


def test_mesh_files_name_their_sets():
    sets = sets_of("motionbert/mesh/MB_ft_pw3d.yaml")
    assert [(s.name, s.reader, s.until_epoch, s.train, s.evaluate) for s in sets.values()] == [
        ("h36m", "h36m", 20, True, True),
        ("coco", "pickle", 100, True, False),
        ("pw3d", "pickle", None, True, True),
    ]
    assert (sets["coco"].images, sets["coco"].res_w, sets["pw3d"].res_h) == (True, 640, 1920)
    assert sets["coco"].file == "mesh_det_coco.pkl"
    assert [s.train for s in sets_of("motionbert/mesh/MB_train_nopw3d.yaml").values()] == [True, True, False]


def test_mesh_files_of_the_fork_are_read_as_vehs(tmp_path):
    config = load_config(FILES / "fork/mesh/RTM2D_train_17kpts_3D.yaml")
    (entry,) = config.sets
    assert config.epochs == ENDS_EARLY["fork/mesh/RTM2D_train_17kpts_3D.yaml"]
    assert (entry.reader, entry.until_epoch, config.eval_split) == ("vehs", 100, "validate")
    assert entry.file.startswith("RTM2D/")  # beside data_root: /nfs/...
    (entry,) = sets_of("fork/mesh/MB_train_VEHS_3D.yaml").values()
    assert entry.file.startswith("/nfs/")  # beside data_root: data/mesh
    text = (FILES / "fork/mesh/RTM2D_train_37kpts_6D.yaml").read_text()
    file = tmp_path / "x.yaml"
    file.write_text(text + "joint_format: RTM-37\n")
    (entry,) = load_config(file).sets
    assert (entry.name, entry.reader, entry.until_epoch) == ("VEHS7M37", "vehs", 200)


@pytest.mark.parametrize("name", [name for name in LOADS if name.startswith("motionbert/p")])
def test_motionbert_pose_files_evaluate_on_the_pickle_and_train_on_clips(name):
    config = load_config(FILES / name)
    assert (config.reader, config.train_reader, config.eval_split) == ("h36m", "clips", "test")
    assert (config.dt_root, config.dt_file) == ("data/motion3d", "h36m_sh_conf_cam_source_final.pkl")
    assert config.skip_sources == list(H36M_FAULTY_SOURCES)
    assert config.eval_flip is config.flip is True
    assert config.input_residual is False


@pytest.mark.parametrize(
    "name", [name for name in LOADS if name.startswith("fork/") and "/mesh/" not in name]
)
def test_fork_pose_files_read_their_own_pickle(name):
    config = load_config(FILES / name)
    if config.reader == "h36m":
        assert "h36m" in name
        return
    assert (config.reader, config.train_reader, config.eval_split) == ("vehs", None, "validate")
    assert config.skip_sources == []
    # the old scripts put dt_root, a slash and dt_file together, whatever slashes those begin or end with
    root, file = (read_yaml(FILES / name, name).values[key] for key in ("data_root", "dt_file"))
    old = ("/".join(root.split("/")[:-2]) + "/" + file).replace("//", "/")
    assert f"{config.dt_root}/{config.dt_file}" == old


def test_what_was_assumed_is_said(caplog):
    load_config(FILES / "motionbert/pose3d/MB_ft_h36m.yaml")
    assert (
        "MB_ft_h36m.yaml: joint_format is not given: 17 joints are taken for H36M-17, root 0" in caplog.text
    )
    assert "MB_ft_h36m.yaml: reader is not given: h36m, because there are 17 joints" in caplog.text
    caplog.clear()
    load_config(FILES / "fork/MB_ft_VEHSR3R4_50fps_6DPose_pitch_correct.yaml")
    assert (
        "lambda_a, lambda_av beside a joint_format: 1 - cosine as in the fork, not upstream's L1"
        in caplog.text
    )
    assert "reader is not given: vehs, because the resolution is given" in caplog.text
    caplog.clear()
    load_config(FILES / "fork/hand/MB_train_Rokoko.yaml")
    assert "res_w and res_h are not given" in caplog.text
    assert "flip: True is taken for False: Hand-21 has one hand" in caplog.text
    caplog.clear()
    load_config(FILES / "fork/UBHand/MB_infer_lab_RTMinput.yaml")
    assert "num_joints: 21 are those of one hand; the 48 of UBHand-48 are taken" in caplog.text
    assert "left_shoulder is the root" in caplog.text
    assert all(record.levelno == logging.WARNING for record in caplog.records), "shown without any set-up"


def test_root_of_the_joint_format_is_taken_where_none_is_given(caplog):
    config = load_config(FILES / "motionbert/pose3d/MB_ft_h36m.yaml", {"joint_format": "h36m"})
    assert config.root_idx == 0
    assert "root_idx is not given: the root of the joint format h36m is taken" in caplog.text


@pytest.mark.parametrize(
    ("raw", "losses"),
    [
        ({"lambda_scale": 0.5}, {"mpjpe": 1.0, "n_mpjpe": 0.5}),
        ({"lambda_3d": 0.2, "lambda_3dv": 3}, {"mpjpe": 0.2, "velocity": 3}),
        ({"lambda_3d_velocity": 20, "lambda_lg": 0}, {"mpjpe": 1.0, "velocity": 20}),
        ({"lambda_a": 2, "lambda_av": 3}, {"mpjpe": 1.0, "angle": 2, "angle_velocity": 3}),
        (
            {"lambda_a": 2, "lambda_av": 3, "joint_format": "H36M"},
            {"mpjpe": 1.0, "angle_cos": 2, "angle_velocity_cos": 3},
        ),
        ({"lambda_lv": 1, "losses": {"limb_var": 7, "mpjpe": 2}}, {"mpjpe": 2, "limb_var": 7}),
    ],
)
def test_weights_of_losses(raw, losses):
    assert translate(raw)[0]["losses"] == losses


def test_every_old_loss_has_a_place():
    new = [*LOSS_KEYS.values(), *(loss for pair in ANGLE_LOSSES.values() for loss in pair)]
    assert set(new) <= set(MESH_LOSS_NAMES)
    assert all(new in SCHEMAS["pose3d"].model_fields for new in RENAMED_KEYS.values())
    old = {*LOSS_KEYS, *ANGLE_LOSSES, *RENAMED_KEYS, *DROPPED_KEYS}
    assert not old & {key for schema in SCHEMAS.values() for key in schema.model_fields}


def test_keys_of_ours_pass_unchanged():
    raw = {"reader": "worker", "joint_format": "RTM-37", "losses": {"mpjpe": 1.0}, "flip": True}
    assert translate(raw) == (raw, [])


@pytest.mark.parametrize(
    ("change", "reader"),
    [
        ({}, "h36m"),
        ({"res_w": 1000, "res_h": 1000}, "vehs"),
        ({"num_joints": 24, "joint_format": "RTM-24"}, "vehs"),
        ({"dt_file": None}, "clips"),
        ({"dt_file": "VEHS.pkl", "subset_list": ["a"], "data_root": "b/c/"}, "vehs"),
        ({"dt_file": "mine.pkl", "subset_list": ["a"], "data_root": "b/c/"}, None),
        ({"dt_file": "VEHS.pkl"}, None),
        ({"dt_file": None, "subset_list": None}, None),
        ({"dt_file": None, "subset_list": None, "worker": {"seed": 1}}, "worker"),
        ({"reader": "clips"}, "clips"),
    ],
)
def test_reader_is_told_from_keys_or_left_open(change, reader):
    raw = {"dt_file": "h36m.pkl", "subset_list": ["H36M-SH"], "data_root": "data/x/", "num_joints": 17}
    raw = {key: value for key, value in (raw | change).items() if value is not None}
    assert translate(raw)[0].get("reader") == reader


@pytest.mark.parametrize("backbone", ["TCN", "poseformer", "MixSTE", "ST-GCN", "stgcn"])
def test_other_backbones_are_refused_in_one_line(tmp_path, backbone):
    path = tmp_path / "x.yaml"
    path.write_text(f"reader: worker\nbackbone: {backbone}\nsomething: 3\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value) == f"{path}:2: the backbone {backbone} is not built; there is DSTformer"


def test_dead_keys_are_dropped_and_said(tmp_path, caplog):
    path = tmp_path / "x.yaml"
    path.write_text("reader: worker\njoint_format: H36M\ndataset: VEHSR3\nbackbone: DSTformer_coreml\n")
    config = load_config(path)
    assert "dataset" not in config
    assert config.backbone == "DSTformer"
    assert "dataset: VEHSR3 has no effect" in caplog.text
    assert "DSTformer_coreml" in caplog.text


def test_mistakes_are_shown_under_the_old_names(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(
        "reader: worker\njoint_format: H36M\nlambda_lv: -2\nlambda_av: x\n"
        "scale_range_pretrain: 1\nlambda_scal: 3\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value).splitlines() == [
        f"4 mistakes in {path}",
        f"{path}:3: lambda_lv = -2: must be at least 0",
        f"{path}:4: lambda_av = 'x': must be a number of at least 0",
        f"{path}:5: scale_range_pretrain = 1: must be a list of two numbers greater than 0, or null",
        f"{path}:6: lambda_scal = 3: unknown key (did you mean 'lambda_scale'?)",
    ]


def test_old_and_new_names_in_overrides():
    path = FILES / "motionbert/pose3d/MB_ft_h36m.yaml"
    assert load_config(path, ["lambda_a=0.5"]).losses == BASIC | {"angle": 0.5}
    assert load_config(path, ["losses.velocity=1", "losses.center=2"]).losses == BASIC | {
        "velocity": 1.0,
        "center": 2.0,
    }
    assert load_config(path, ["joint_format=H36M", "lambda_a=0.5"]).losses == BASIC | {"angle_cos": 0.5}
    with pytest.raises(UserError, match="num_joints = 17: the joint format RTM-37 has 37 joints"):
        load_config(path, ["joint_format=RTM-37", "reader=vehs"])


OURS = "reader: worker\njoint_format: H36M-17\nlosses: {mpjpe: 1, velocity: 20}\n"


@pytest.mark.parametrize(
    ("overrides", "losses"),
    [
        (["lambda_3d_velocity=5"], {"mpjpe": 1.0, "velocity": 5.0}),
        (["lambda_a=2"], {"mpjpe": 1.0, "velocity": 20.0, "angle_cos": 2.0}),
        (["lambda_3dv=5", "losses.velocity=3"], {"mpjpe": 1.0, "velocity": 3.0}),
        (["losses={velocity: 3}", "lambda_3dv=5"], {"velocity": 5.0}),
    ],
)
def test_old_names_in_set_win_over_the_losses_of_the_file(tmp_path, overrides, losses):
    (tmp_path / "x.yaml").write_text(OURS)
    assert load_config(tmp_path / "x.yaml", overrides).losses == losses


@pytest.mark.parametrize(
    ("base", "child", "losses"),
    [
        (OURS, "lambda_3dv: 5\n", {"mpjpe": 1.0, "velocity": 5.0}),
        (OURS.replace("mpjpe: 1, ", ""), "lambda_3dv: 5\n", {"velocity": 5.0}),
        ("lambda_3dv: 20\n" + OURS.partition("losses")[0], "losses: {velocity: 5}\n", {"velocity": 5.0}),
    ],
)
def test_a_child_wins_over_its_base_whatever_names_they_use(tmp_path, base, child, losses):
    (tmp_path / "a.yaml").write_text(base)
    (tmp_path / "x.yaml").write_text("base: a.yaml\n" + child)
    config = load_config(tmp_path / "x.yaml")
    assert {"mpjpe": 1.0} | config.losses == {"mpjpe": 1.0} | losses
    assert config.losses.get("mpjpe") == (1.0 if "mpjpe" in base or "lambda" in base else None)


def test_both_names_of_a_loss_in_one_file_are_a_mistake(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(OURS + "lambda_3d_velocity: 5\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(caught.value) == (
        f"{path}:4: lambda_3d_velocity = 5: this is losses.velocity, which stands in line 3 too: keep one"
    )


@pytest.fixture
def parser():
    parser = argparse.ArgumentParser()
    add_config_flags(parser)
    add_legacy_flags(parser)
    return parser


JOBS = [
    "--config a.yaml -p w/ -ms best_epoch.bin -c runs/a",
    "--pretrained w/ --selection latest_epoch.bin --discard_last_layer --test_set_keyword validate "
    "--wandb_project P --note 'OG loss' --config a.yaml --wandb_name N --checkpoint /scratch/c",
    "--config a.yaml --wandb_project P --wandb_name N --note '' --out_path e/x --test_set_keyword test "
    "--evaluate b.bin",
    "--config a.yaml --out_path o --test_set_keyword validate --res_w 1920 --res_h 1200 --evaluate b.bin "
    "--save_trace",
    "--config a.yaml --evaluate b.bin --fps 20 -freq 50 -sd 3 --resume c/latest_epoch.bin "
    "--wandb_mode offline",
    "--config a.yaml -e b.bin -o o -r auto",
]


@pytest.mark.parametrize("job", JOBS)
def test_flags_of_job_scripts_parse(parser, job):
    arguments = parser.parse_args(shlex.split(job))
    assert arguments.config == "a.yaml"


def test_flags_without_job_script(parser):
    arguments = parser.parse_args(["--config", "a.yaml"])
    assert (arguments.checkpoint, arguments.selection) == ("checkpoint", "latest_epoch.bin")
    assert not (
        arguments.evaluate or arguments.resume or arguments.pretrained or arguments.discard_last_layer
    )
    assert flag_overrides(arguments) == []
    assert flag_notes(arguments) == []


def test_flags_become_overrides_and_set_wins(parser, tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("reader: vehs\njoint_format: H36M\nseed: 1\n")
    job = (
        f"--config {path} --seed 3 --test_set_keyword validate --res_w 10 --res_h 20 --print_freq 7 --fps 20"
    )
    arguments = parser.parse_args([*job.split(), "--pretrained", "a: b", "--set", "seed=4"])
    config = load_config(path, flag_overrides(arguments))
    assert (config.seed, config.eval_split, config.log_every_steps, config.fps) == (4, "validate", 7, 20.0)
    assert (config.res_w, config.res_h, config.pretrained) == (10, 20, "a: b")


def test_mesh_configs_have_one_split_to_evaluate_on(parser):
    arguments = parser.parse_args(["--config", "a.yaml", "--test_set_keyword", "test"])
    assert flag_overrides(arguments) == ['eval_split="test"', 'test_split="test"']
    assert flag_overrides(arguments, task="mesh") == ['eval_split="test"']
    mesh = FILES / "motionbert/mesh/MB_ft_pw3d.yaml"
    assert load_config(mesh, flag_overrides(arguments, task="mesh")).eval_split == "test"


def test_flags_without_effect_are_named(parser):
    job = "--config a.yaml --save_trace --wandb_name N --wandb_mode offline --note n --discard_last_layer"
    assert flag_notes(parser.parse_args(job.split())) == [
        "--save_trace has no effect: no traced model is written",
        "--wandb_name has no effect without --wandb_project",
        "--wandb_mode has no effect without --wandb_project",
        "--note has no effect without --wandb_project",
        "--discard_last_layer has no effect without --pretrained",
    ]


def test_weights_to_start_from_may_stand_in_the_config(parser, tmp_path):
    arguments = parser.parse_args(["--config", "a.yaml", "--discard_last_layer", "-ms", "best_epoch.bin"])
    without_folder = "--selection best_epoch.bin has no effect: --pretrained names no folder that is there"
    assert flag_notes(arguments)[1:] == [without_folder]
    assert flag_notes(arguments, {"pretrained": str(tmp_path / "latest_epoch.bin")}) == [without_folder]
    assert flag_notes(arguments, {"pretrained": str(tmp_path)}) == []


def test_unknown_split_is_refused(parser):
    with pytest.raises(SystemExit):
        parser.parse_args(["--config", "a.yaml", "--test_set_keyword", "tset"])
