"""Keys of a config of task mesh."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lib.config_blocks import (
    Count,
    Interval,
    Keys,
    LossKeys,
    ModelKeys,
    Positive,
    RunKeys,
    SkeletonKeys,
    Whole,
    WorkerKeys,
)

MeshReader = Literal["h36m", "pickle", "vehs", "worker"]


class MeshSetKeys(Keys):
    """Sets of a mesh config"""

    name: str
    """Name of the set, in tables and logs."""
    reader: MeshReader
    """`worker` (built-in motion of the body model), `h36m`, `vehs` or `pickle`."""
    file: str | None = None
    """Data pickle with smpl_pose and smpl_shape, in `data_root`; not for `worker`."""
    train: bool = True
    """Train on the set."""
    evaluate: bool = True
    """Evaluate on the set; the last set that is evaluated on chooses the best checkpoint."""
    from_epoch: Whole = 0
    """First epoch that trains on the set; epochs count from 0."""
    until_epoch: Count | None = None
    """First epoch that does so no more; null: to the end."""
    images: bool = False
    """Single images: clips of one frame, `batch_size_img` to a step."""
    res_w: Count | None = None
    """Width of the set's images in px; null: the config's."""
    res_h: Count | None = None
    """Height of the set's images in px."""


class MeshDataKeys(SkeletonKeys):
    """Data"""

    sets: list[MeshSetKeys] = Field([])
    """Sets to train and evaluate on, in this order in every epoch: see below."""
    data_root: str = "data/mesh"
    """Folder of the data pickles."""
    body: str | None = None
    """SMPL body model: a file, or a folder of files named SMPL_NEUTRAL and so on; null: the built-in body."""
    gender: Literal["neutral", "female", "male"] = "neutral"
    """Body model of a folder."""
    regressor: str | None = None
    """File (.npy, joints x vertices) that makes the joints from vertices; null: the body's own rules."""
    train_split: str = "train"
    """Split to train on."""
    eval_split: str = "test"
    """Split to evaluate on (`--test_set_keyword`)."""
    clip_len: Count = 16
    """Frames of a clip; at most `maxlen`."""
    data_stride: Count = 8
    """Frames between the starts of training clips."""
    sample_stride: Count = 1
    """Take every n-th frame of a recording."""
    res_w: Count | None = None
    """Width of the images in px, where the data do not tell."""
    res_h: Count | None = None
    """Height of the images in px."""
    fps: Positive | None = None
    """Frames per second of the data, where they do not tell."""
    no_conf: bool = False
    """Leave the confidence out of the input."""
    missing: Literal["hold", "keep"] = "hold"
    """Points of confidence 0: `hold` the last seen place, or `keep` what the data say."""
    input_scale: Literal["image", "box"] = "image"
    """Input divided by the image width, or by the box around the whole track; kept in checkpoints."""
    cache_dir: str | None = None
    """Folder of memory-mapped copies of big sets; null: none are made."""
    flip: bool = True
    """Mirror half of the training clips."""
    scale_range_train: Interval | None = None
    """Crop each training clip to the box around its points, widened by a factor drawn between these two."""
    scale_range_test: Interval | None = None
    """The same in evaluation, by the mean of the two; null: not cropped."""
    worker: WorkerKeys = WorkerKeys()
    """Built-in worker motion (reader `worker`): the keys are those of 3D pose."""


class MeshRunKeys(RunKeys):
    """Training and evaluation"""

    batch_size_img: Count = 512
    """Single images (COCO) per step."""
    lr_backbone: Positive = 0.0001
    """Learning rate of the backbone at the start."""
    lr_head: Positive = 0.0001
    """Learning rate of the head at the start."""
    hidden_dim: Count = 1024
    """Width of the mesh head."""
    loss_type: Literal["L1", "MSE"] = "L1"
    """Distance of the losses on pose and shape."""


class MeshConfig(MeshDataKeys, ModelKeys, LossKeys, MeshRunKeys):
    """SMPL mesh: train_mesh.py"""

    task: Literal["mesh"] = "mesh"
    """What is trained; told from the other keys if left out."""
