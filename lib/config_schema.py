"""Every key of a config: type, allowed values, default and meaning. `docs/config.md` is made from it.

Here stand the tasks `pose3d` and `hand` and what readers take; blocks that tasks share are in
`lib/config_blocks.py`, the task `mesh` in `lib/config_mesh.py`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from lib.config_blocks import (
    AugmentationKeys,
    Count,
    FormatKeys,
    Interval,
    Keys,
    LossKeys,
    ModelKeys,
    Names,
    Positive,
    RunKeys,
    SkeletonKeys,
    Whole,
    WorkerKeys,
    as_list,
)
from lib.config_mesh import MeshConfig, MeshSetKeys

__all__ = ["Interval", "Keys", "MeshConfig", "MeshSetKeys", "WorkerKeys"]

# Names of the registries in lib.model and lib.data, which stand above this module; tests hold them equal.
LOSS_NAMES = (
    "angle",
    "angle_cos",
    "angle_velocity",
    "angle_velocity_cos",
    "center",
    "ergo_angle",
    "ergo_angle_velocity",
    "limb_gt",
    "limb_var",
    "mpjpe",
    "n_mpjpe",
    "velocity",
    "weighted_2d",
)
MESH_LOSS_NAMES = (*LOSS_NAMES, "norm", "pose", "shape")
Reader = Literal[
    "clips",
    "h36m",
    "instavariety",
    "pickle",
    "posetrack",
    "rokoko",
    "several",
    "vehs",
    "worker",
    "worker_hands",
]
_OF_PICKLES = ("dt_file", "dt_root", "fps", "mirror_left", "res_h", "res_w", "sample_stride")
READER_KEYS: dict[str, tuple[str, ...]] = {
    "clips": ("data_root", "fps", "gt_2d", "res_h", "res_w", "subset_list", "synthetic"),
    "h36m": ("dt_file", "dt_root", "fps", "res_h", "res_w", "sample_stride"),
    "instavariety": ("instavariety_root",),
    "pickle": _OF_PICKLES,
    "posetrack": ("posetrack_root",),
    "rokoko": ("fps", "mirror_left", "rokoko", "rokoko_root", "sample_stride"),
    "several": ("parts",),
    "vehs": _OF_PICKLES,
    "worker": ("worker",),
    "worker_hands": ("worker",),
}
USED_BY_CLIPS = {"gt_2d", "synthetic"}  # keys of a reader that ClipSet goes by whatever the reader is


class RokokoKeys(Keys):
    """Exports of Rokoko Studio"""

    sides: Literal["both", "left", "right"] = "both"
    """Hands to take of each recording."""
    columns: str | None = None
    """YAML with further spellings of columns, laid out as `lib/data/rokoko_columns.yaml`; null: none."""
    unit_mm: Positive | None = None
    """mm that the files' unit stands for (1000: m, 10: cm); null: that of the spelling."""
    axes: Literal["left_handed", "right_handed"] | None = None
    """Handedness of the files' axes; null: that of the spelling."""
    skip_frames: Whole = 5
    """Frames at the start of each recording that are left out: gloves settle in them."""
    shot_seconds: Positive = 2.5
    """Recordings are cut into shots of at most this length; each has cameras of its own."""
    cameras_per_shot: Count = 2
    """Drawn cameras that film each shot."""
    seed: Whole = 0
    """Same seed, same cameras, whatever the `seed` of the config is."""


class PartKeys(Keys):
    """Parts of the reader several"""

    reader: Literal[
        "clips", "h36m", "instavariety", "pickle", "posetrack", "rokoko", "vehs", "worker", "worker_hands"
    ]
    """Reader of the part. The other keys are that reader's; those of the config itself do not count for parts."""
    splits: Names | None = None
    """Splits that the part has a share in; null: all."""
    data_root: str | None = None
    """Folder of the clip folders."""
    subset_list: Names | None = None
    """Clip folders."""
    dt_root: str | None = None
    """Folder of `dt_file`."""
    dt_file: str | None = None
    """Data pickle."""
    sample_stride: Count = 1
    """Take every n-th frame of a recording."""
    res_w: Count | None = None
    """Width of the images in px, where the data do not tell."""
    res_h: Count | None = None
    """Height of the images in px."""
    fps: Positive | None = None
    """Frames per second of the data, where they do not tell."""
    mirror_left: bool = True
    """Mirror hands of the other side than the format's, where the data tell sides."""
    synthetic: bool = False
    """Take clips without 2D, and make it from the 3D labels."""
    posetrack_root: str = "data/motion2d/posetrack18_annotations"
    """Folder of PoseTrack."""
    instavariety_root: str = "data/motion2d/InstaVariety"
    """Folder of InstaVariety."""
    rokoko_root: str | None = None
    """Folder with a folder of .csv files for each split."""
    rokoko: RokokoKeys = RokokoKeys()
    """How those files are read and filmed."""
    worker: WorkerKeys = WorkerKeys()
    """Built-in motion."""


class DataKeys(SkeletonKeys):
    """Data"""

    reader: Reader
    """Reader of the evaluation set, and of the training set too unless `train_reader` is given."""
    train_reader: Reader | None = None
    """Reader of the training set where it differs, such as `clips` beside `h36m`."""
    data_root: str | None = None
    """Folder of the clip folders (`data_root/subset/split/*.pkl`)."""
    subset_list: Names | None = None
    """Clip folders to train on."""
    dt_root: str | None = None
    """Folder of `dt_file`."""
    dt_file: str | None = None
    """Data pickle."""
    train_split: str = "train"
    """Split to train on."""
    eval_split: str = "test"
    """Split to validate on while training, by which the best checkpoint is chosen (`--test_set_keyword`)."""
    test_split: str | None = None
    """Split of the final table; null: `eval_split`."""
    clip_len: Count = 243
    """Frames of a clip; at most `maxlen`."""
    clip_lengths: list[Count] = Field([])
    """Shorter lengths to learn too: one is drawn for each training batch, whose clips are cut into pieces of it; each
    divides `clip_len`. Empty: whole clips."""
    data_stride: Count = 81
    """Frames between the starts of training clips."""
    sample_stride: Count = 1
    """Take every n-th frame of a recording."""
    rootrel: bool = True
    """Predict poses relative to the root; False: in the image, with depth relative to the first root."""
    res_w: Count | None = None
    """Width of the images in px, where the data do not tell."""
    res_h: Count | None = None
    """Height of the images in px."""
    fps: Positive | None = None
    """Frames per second of the data, where they do not tell."""
    gt_2d: bool = False
    """Take x, y of the 3D labels as the 2D input."""
    no_conf: bool = False
    """Leave the confidence out of the input."""
    missing: Literal["hold", "keep"] = "hold"
    """Points of confidence 0: `hold` the last seen place, or `keep` what the data say."""
    input_scale: Literal["image", "box"] = "image"
    """Input divided by the image width, or by the box around the whole track; kept in checkpoints."""
    skip_sources: Names | None = None
    """Sources whose name holds one of these are left out of evaluation; null: the three faulty recordings of
    Human3.6M with reader `h36m`, none with others."""
    cache_dir: str | None = None
    """Folder of memory-mapped copies of big sets; null: none are made."""
    train_2d: bool = False
    """Train on 2D-only sets too."""
    readers_2d: Annotated[list[Reader], BeforeValidator(as_list)] = Field(["posetrack", "instavariety"])
    """Readers of the 2D-only sets."""
    posetrack_root: str = "data/motion2d/posetrack18_annotations"
    """Folder of PoseTrack (reader `posetrack`)."""
    instavariety_root: str = "data/motion2d/InstaVariety"
    """Folder of InstaVariety (reader `instavariety`)."""
    pretrain_3d_curriculum: Whole = 0
    """Epoch from which on 2D-only batches are mixed in."""
    worker: WorkerKeys = WorkerKeys()
    """Built-in motion (readers `worker` and `worker_hands`): see below."""
    parts: list[PartKeys] = Field([])
    """Sets that the reader `several` joins to one: see below."""
    fresh: bool = False
    """Make built-in training motion anew for every epoch, in parts too; what is evaluated on stays the same."""


class PoseModelKeys(ModelKeys):
    """Model"""

    upright: Annotated[list[str], Field(min_length=2, max_length=2)] | None = None
    """Two joints: the model turns each clip within the image so that the second stands above the first, brings it
    to one size, and turns its output back. For poses without an upright of their own, such as hands; null: as seen."""


class PoseRunKeys(RunKeys):
    """Training and evaluation"""

    learning_rate: Positive = 0.0005
    """Learning rate of AdamW at the start."""
    pck_threshold_mm: Positive = 150.0
    """Distance under which a joint counts as found (PCK), and the end of the curve of the AUC."""


class Pose3DConfig(DataKeys, AugmentationKeys, PoseModelKeys, FormatKeys, LossKeys, PoseRunKeys):
    """3D pose: train.py"""

    task: Literal["pose3d"] = "pose3d"
    """What is trained; told from the other keys if left out."""


class HandDataKeys(DataKeys):
    """Data"""

    eval_split: str = "validate"
    """Split to validate on while training, by which the best checkpoint is chosen (`--test_set_keyword`)."""
    mirror_left: bool = True
    """Mirror hands of the other side than the format's (left ones to right ones), where the data tell sides."""
    rokoko_root: str | None = None
    """Folder with a folder of .csv files for each split (reader `rokoko`)."""
    rokoko: RokokoKeys = RokokoKeys()
    """How those files are read and filmed: see below."""


class HandAugmentationKeys(AugmentationKeys):
    """Augmentation"""

    flip: bool | None = None
    """Mirror half of the training clips; null: where the joint format has both hands. With one hand it is an error:
    a mirrored right hand is a left hand."""


class HandRunKeys(PoseRunKeys):
    """Training and evaluation"""

    pck_threshold_mm: Positive = 50.0
    """Distance under which a joint counts as found (PCK), and the end of the curve of the AUC."""


class HandConfig(HandDataKeys, HandAugmentationKeys, HandRunKeys, Pose3DConfig):
    """Hands: train_hand.py"""

    task: Literal["hand"] = "hand"
    """What is trained; told from the other keys and the joint format if left out."""


SCHEMAS: dict[str, type[Keys]] = {"pose3d": Pose3DConfig, "hand": HandConfig, "mesh": MeshConfig}
