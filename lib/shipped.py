"""Models that come with the project, by name: which there are, where their files lie, and which one fits keypoints.

Each is a folder of ``data/models`` with ``model.safetensors``, ``config.yaml`` and ``card.md``, as
``tools/make_release.py`` writes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.errors import UserError, did_you_mean
from lib.hands import is_hand_format
from lib.skeleton import Skeleton, conversion, load_skeleton
from lib.weight_file import SUFFIX, weight_file_header

FOLDER = Path(__file__).parents[1] / "data" / "models"
WEIGHTS, CONFIG, CARD = f"model{SUFFIX}", "config.yaml", "card.md"
NONE_YET = "no model is shipped yet"


@dataclass(frozen=True)
class ShippedModel:
    """One of them; meta is that of its checkpoint, summary a line of its card."""

    folder: Path
    meta: dict[str, Any]
    num_parameters: int
    summary: str

    @property
    def name(self) -> str:
        """What flags call it."""
        return self.folder.name

    @property
    def weights(self) -> Path:
        """Its weights, which ``lib.checkpoint.load_checkpoint`` reads."""
        return self.folder / WEIGHTS

    @property
    def config(self) -> Path:
        """What is needed to build and feed it."""
        return self.folder / CONFIG

    @property
    def skeleton(self) -> Skeleton:
        """Its joint format."""
        return load_skeleton(self.meta["joint_format"])

    def __str__(self) -> str:
        return f"{self.name} ({self.meta['joint_format']}, {self.num_parameters / 1e6:.2f} million weights)"


def list_models() -> list[ShippedModel]:
    """All models that are shipped, by name; raises ``UserError`` for a folder that is not whole."""
    return [_read(path.parent) for path in sorted(FOLDER.glob(f"[!.]*/{WEIGHTS}"))]


def shipped_model(name: str) -> ShippedModel:
    """The model of that name; an unknown one raises ``UserError`` and lists the known ones."""
    models = {model.name: model for model in list_models()}
    if name not in models:
        shipped = f"shipped: {', '.join(models)}" if models else NONE_YET
        hint = did_you_mean(name, models)
        raise UserError(f"'{name}' is neither a file nor a shipped model{hint}; {shipped}")
    return models[name]


def weights_file(given: str | Path) -> Path:
    """File of weights that a path, or the name of a shipped model, stands for; a file of that name goes first."""
    path = Path(given)
    if path.exists() or path.suffix or len(path.parts) != 1:
        return path
    return shipped_model(path.name).weights


def config_of(weights: Path, given: str | Path | None, flag: str = "--config FILE") -> Path:
    """The config that is given, else config.yaml beside the weights; ``UserError`` with the flag if it is not there."""
    path = Path(given or weights.with_name(CONFIG))
    if not path.is_file():
        raise UserError(f"{path} is not there: name the config of the run with {flag}")
    return path


def choose_model(keypoints: Skeleton, otherwise: str) -> ShippedModel:
    """The model whose joints can all be made from keypoints, the largest share exactly; of equals the smallest.

    Hands go before bodies for a format of hands, bodies before hands for others. Raises ``UserError`` if none
    can be fed; ``otherwise`` says what to do then.
    """
    models = list_models()
    if not models:
        raise UserError(f"{NONE_YET}: {otherwise}")
    fitting = []
    for model in models:
        made = conversion(keypoints, model.skeleton, allow_missing=True, log=False)
        if not made.missing.any():
            same_kind = is_hand_format(model.skeleton) == is_hand_format(keypoints)
            fitting.append(((same_kind, made.exact.mean(), -model.num_parameters), model))
    if not fitting:
        listed = ", ".join(f"{model.name}: {model.meta['joint_format']}" for model in models)
        raise UserError(f"no shipped model takes {keypoints.name} (shipped: {listed}): {otherwise}")
    return max(fitting, key=lambda entry: entry[0])[1]


def models_table() -> str:
    """Plain text with a line for each model."""
    models = list_models()
    if not models:
        return f"{NONE_YET}; `make quickstart` trains a small one"
    lines = [("name", "joint format", "weights", "size", "")]
    for model in models:
        size = f"{model.weights.stat().st_size / 1e6:.1f} MB"
        weights = f"{model.num_parameters / 1e6:.2f} M"
        lines.append((model.name, model.meta["joint_format"], weights, size, model.summary))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _read(folder: Path) -> ShippedModel:
    meta, num_parameters = weight_file_header(folder / WEIGHTS)
    lacking = [name for name in (CONFIG, CARD) if not (folder / name).is_file()]
    if "joint_format" not in meta:
        lacking.append(f"the joint format in {WEIGHTS}")
    if lacking:
        raise UserError(f"{folder} lacks {', '.join(lacking)}: tools/make_release.py makes such folders")
    lines = (folder / CARD).read_text(encoding="utf-8").splitlines()
    summary = next((line.strip() for line in lines if line.strip() and not line.startswith("#")), "")
    return ShippedModel(folder, meta, num_parameters, summary)
