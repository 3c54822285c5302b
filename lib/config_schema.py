"""Every key of a config: type, allowed values, default and meaning. `docs/config.md` is made from it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

# Names of the registries in lib.model and lib.data, which stand above this module; tests hold them equal.
LOSS_NAMES = (
    "angle",
    "angle_cos",
    "angle_velocity",
    "angle_velocity_cos",
    "center",
    "limb_gt",
    "limb_var",
    "mpjpe",
    "n_mpjpe",
    "velocity",
    "weighted_2d",
)
MESH_LOSS_NAMES = (*LOSS_NAMES, "norm", "pose", "shape")
Reader = Literal["clips", "h36m", "instavariety", "pickle", "posetrack", "vehs", "worker"]
_OF_PICKLES = ("dt_file", "dt_root", "fps", "res_h", "res_w", "sample_stride")
MeshReader = Literal["h36m", "pickle", "vehs", "worker"]
READER_KEYS: dict[str, tuple[str, ...]] = {
    "clips": ("data_root", "fps", "gt_2d", "res_h", "res_w", "subset_list", "synthetic"),
    "h36m": _OF_PICKLES,
    "instavariety": ("instavariety_root",),
    "pickle": _OF_PICKLES,
    "posetrack": ("posetrack_root",),
    "vehs": _OF_PICKLES,
    "worker": ("worker",),
}
USED_BY_CLIPS = {"gt_2d", "synthetic"}  # keys of a reader that ClipSet goes by whatever the reader is


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Count = Annotated[int, Field(gt=0)]
Whole = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
AtLeastZero = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Names = Annotated[list[str], BeforeValidator(_as_list)]
Interval = Annotated[list[Positive], Field(min_length=2, max_length=2)]


class Keys(BaseModel):
    """A block of keys; unknown ones are refused, and nothing is turned into another type."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True)


class SkeletonKeys(Keys):
    """Joints"""

    joint_format: str
    """Joint format: a name or alias of `configs/skeletons`, in any case, or the path of such a file."""
    num_joints: Count | None = None
    """Number of joints; must agree with the joint format, and may be left out."""
    root: Names | None = None
    """Joint, or joints whose mean is taken, that poses are relative to; if left out, the joint format's."""
    root_idx: Whole | None = None
    """Number of the root joint; must agree with `root` and the joint format, and may be left out."""


class WorkerKeys(Keys):
    """Built-in worker motion"""

    subjects: Count = 8
    """People of the training split; every split has people of its own, others at most 4."""
    clips: Count | None = None
    """Recordings of each person; null: one of each task."""
    cameras_per_clip: Count = 2
    """Cameras that see each recording."""
    tasks: Names | None = None
    """Tasks to draw from; null: all of the split."""
    seconds: Positive = 8.0
    """Length of one recording."""
    fps: Positive = 30.0
    """Frames per second."""
    detector: bool = True
    """2D points with the errors and confidence of a detector; False: exact ones."""
    seed: Whole = 0
    """Same seed, same motion: whatever the `seed` of the config is, the people of each split stay the same."""


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
    readers_2d: Annotated[list[Reader], BeforeValidator(_as_list)] = ["posetrack", "instavariety"]
    """Readers of the 2D-only sets."""
    posetrack_root: str = "data/motion2d/posetrack18_annotations"
    """Folder of PoseTrack (reader `posetrack`)."""
    instavariety_root: str = "data/motion2d/InstaVariety"
    """Folder of InstaVariety (reader `instavariety`)."""
    pretrain_3d_curriculum: Whole = 0
    """Epoch from which on 2D-only batches are mixed in."""
    worker: WorkerKeys = WorkerKeys()
    """Built-in worker motion (reader `worker`): see below."""


class AugmentationKeys(Keys):
    """Augmentation"""

    flip: bool = True
    """Mirror half of the training clips."""
    scale_range: Interval | None = None
    """Smallest and largest factor by which a training clip is scaled."""
    synthetic: bool = False
    """Make the 2D input from the 3D labels, as for data without 2D."""
    noise: bool = False
    """Joint noise and the confidence that goes with it on the 2D input of training."""
    noise_std: AtLeastZero = 0.002
    """Standard deviation of the jitter from frame to frame, as a share of half the image width."""
    noise_path: str | None = None
    """MotionBERT's file of joint noise; null: the built-in model for any joint format."""
    d2c_params_path: str | None = None
    """MotionBERT's file of the confidence model; null: the built-in one."""
    mask_ratio: Share = 0.0
    """Share of joints that is hidden in training, drawn per clip."""
    mask_T_ratio: Share = 0.0
    """Share of whole frames that is hidden in training, drawn per clip."""


class ModelKeys(Keys):
    """Model"""

    backbone: Literal["DSTformer"] = "DSTformer"
    """Backbone."""
    maxlen: Count = 243
    """Most frames the model can take at once."""
    dim_feat: Count = 256
    """Width; a multiple of `num_heads`."""
    dim_rep: Whole = 512
    """Width of the representation before the head; 0: none."""
    depth: Count = 5
    """Blocks of each of the two streams."""
    num_heads: Count = 8
    """Attention heads."""
    mlp_ratio: Positive = 4.0
    """Width of the hidden layer of a block, as a multiple of `dim_feat`."""
    att_fuse: bool = True
    """Weigh the two streams by attention; False: their mean."""
    qkv_bias: bool = True
    """Bias of queries, keys and values."""
    dropout: Share = 0.0
    """Dropout after each layer (mesh: in the head)."""
    attn_dropout: Share = 0.0
    """Dropout on attention weights."""
    drop_path: Share = 0.0
    """Largest share of clips that skip a block."""
    activation_checkpointing: bool = False
    """Compute activations twice instead of keeping them: half the memory, slower."""
    input_residual: bool = False
    """Add the root-relative input x, y to the output; False for MotionBERT's weights."""


class LossKeys(Keys):
    """Losses"""

    losses: dict[str, AtLeastZero] = {"mpjpe": 1.0, "n_mpjpe": 0.5, "velocity": 20.0}
    """Weight of each loss; one that is not named or has weight 0 is not computed."""
    confidence_weights: bool = False
    """Weigh each joint's 3D loss by its confidence."""


class RunKeys(Keys):
    """Training"""

    epochs: Count = 60
    """Passes over the training set."""
    steps_per_epoch: Count | None = None
    """End an epoch after so many steps; null: the whole set."""
    batch_size: Count = 32
    """Clips per step, over all processes."""
    weight_decay: AtLeastZero = 0.01
    """Weight decay of AdamW."""
    lr_schedule: Literal["exponential", "cosine"] = "exponential"
    """Exponential: times `lr_decay` an epoch; cosine: down to `min_learning_rate` over the run."""
    lr_decay: Annotated[float, Field(gt=0, le=1)] = 0.99
    """Factor of the learning rate per epoch."""
    min_learning_rate: AtLeastZero = 0.0
    """Learning rate at the end of a cosine."""
    warmup_steps: Whole = 0
    """Steps over which the learning rate rises from zero."""
    grad_clip: Positive | None = None
    """Largest norm of the gradient; null: no clipping."""
    ema_decay: Share | None = None
    """Evaluate a moving average of the weights with this decay; null: the weights themselves."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Number format of the forward pass."""
    compile: bool = False
    """Run the model through torch.compile."""
    finetune: bool = False
    """Start from a checkpoint, which `pretrained` or the flag `--pretrained` must name."""
    pretrained: str | None = None
    """Checkpoint to start from: a file, or a folder in which `--selection` names the file."""
    pretrained_joint_format: str | None = None
    """Joint format of that checkpoint where it does not say so itself."""
    partial_train: Names | None = None
    """Train only parameters whose name holds one of these; null: all."""
    checkpoint_frequency: Count = 30
    """Keep a checkpoint every so many epochs; the latest and the best are always kept."""
    save_every_steps: Count | None = None
    """Save the latest checkpoint every so many steps too; null: after each epoch."""
    log_every_steps: Count = 20
    """Write the training losses every so many steps."""
    seed: Whole = 0
    """Seed of everything random in training (`--seed`); built-in worker motion has its own, `worker.seed`."""
    threads: Count | None = None
    """CPU threads; null: torch decides."""
    no_eval: bool = False
    """Do not evaluate while training."""
    eval_every_epochs: Count = 1
    """Evaluate every so many epochs."""
    eval_batch_size: Count | None = None
    """Clips per step of evaluation; null: as in training."""
    eval_flip: bool = False
    """Average each prediction with that of the mirrored input."""


class PoseRunKeys(RunKeys):
    """Training and evaluation"""

    learning_rate: Positive = 0.0005
    """Learning rate of AdamW at the start."""
    pck_threshold_mm: Positive = 150.0
    """Distance under which a joint counts as found (PCK), and the end of the curve of the AUC."""


class Pose3DConfig(DataKeys, AugmentationKeys, ModelKeys, LossKeys, PoseRunKeys):
    """3D pose: train.py, train_hand.py"""

    task: Literal["pose3d"] = "pose3d"
    """What is trained; told from the other keys if left out."""


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

    sets: list[MeshSetKeys] = []
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


SCHEMAS: dict[str, type[Keys]] = {"pose3d": Pose3DConfig, "mesh": MeshConfig}
