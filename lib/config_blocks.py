"""Blocks of keys that the configs of several tasks have: types, joints, augmentation, model, losses, training."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Count = Annotated[int, Field(gt=0)]
Whole = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
AtLeastZero = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
WholeShare = Annotated[float, Field(ge=0, le=1)]
Names = Annotated[list[str], BeforeValidator(as_list)]
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
    recorded_errors: str | None = None
    """Data pickle of `tools/film_people.py` whose errors of a real detector, and confidence, are laid over exact 2D
    in training: as it stands, or in `data/motion3d`. In place of `noise`."""
    recorded_error_share: WholeShare = 0.8
    """Share of training clips that `recorded_errors` are laid over; the others stay exact."""
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


def no_null_blocks(value: Any) -> Any:
    """A format with nothing of its own may stand as ``RTM-24:`` alone."""
    return {key: block or {} for key, block in value.items()} if isinstance(value, dict) else value


class FormatKeys(Keys):
    """Several joint formats"""

    formats: Annotated[dict[str, dict[str, Any]], BeforeValidator(no_null_blocks)] = {}
    """Further joint formats that the same backbone learns in turns with `joint_format`, each with a block of the keys
    that differ for it: those of data, augmentation and losses, `upright`, `steps_per_epoch`, `eval_flip`,
    `pck_threshold_mm`. See [pretraining.md](pretraining.md)."""
    format_layers: Literal["embedding", "head"] = "embedding"
    """What each format has of its own: its `embedding` of joints, or also the last layer (`head`)."""


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
