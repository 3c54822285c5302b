"""Several joint formats from one backbone: what a format has of its own, and everything else shared.

Shapes: J joints, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lib.checkpoint import copy_rows, model_weights
from lib.checkpoint_formats import checkpoint_of_format
from lib.model.DSTformer import DSTformer
from lib.skeleton import Skeleton

# what each value of the key format_layers gives every format of its own
OWN_LAYERS = {"embedding": ("pos_embed",), "head": ("pos_embed", "head")}


def share_layers(main: DSTformer, other: DSTformer, name: str, layers: str) -> None:
    """Give a model of another skeleton the layers of ``main``, but those of ``OWN_LAYERS[layers]``.

    Those join ``main`` as ``formats.<name>.pos_embed``, so that its parameters and its state dict hold every weight of
    all formats once, and train, average and save as those of any model.
    """
    own = OWN_LAYERS[layers]
    shared = [*main.named_children(), *main.named_parameters(recurse=False)]
    for part, layer in shared:
        if part not in (*own, "formats"):
            setattr(other, part, layer)
    if not hasattr(main, "formats"):
        main.formats = nn.ModuleDict()
    main.formats[name] = nn.Module()
    for part in own:
        setattr(main.formats[name], part, getattr(other, part))


@torch.no_grad()
def start_from_main(
    main: DSTformer, main_skeleton: Skeleton, other: DSTformer, skeleton: Skeleton
) -> list[str]:
    """Start a format's own layers from those of ``main``; returns the joints that both have.

    Rows of ``pos_embed`` (1,J,C) are those of the main format's joint of the same canonical name.
    """
    if other.head is not main.head:
        other.head.load_state_dict(main.head.state_dict())
    return copy_rows(other.pos_embed, main.pos_embed, skeleton, main_skeleton)


def load_own_layers(main: DSTformer, name: str, checkpoint: dict[str, Any]) -> bool:
    """Load a format's own layers from a checkpoint that has been trained on the format; False if none was or fits."""
    checkpoint = checkpoint_of_format(checkpoint, name)
    if checkpoint.get("meta", {}).get("joint_format") != name:
        return False
    weights, own = model_weights(checkpoint), main.formats[name].state_dict()
    if any(part not in weights or weights[part].shape != value.shape for part, value in own.items()):
        return False
    main.formats[name].load_state_dict({part: weights[part] for part in own})
    return True


class ByFormat(nn.Module):
    """Models of several joint formats as one module, which DistributedDataParallel needs where they share weights."""

    def __init__(self, models: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.models = nn.ModuleDict(models)

    def forward(self, x: Tensor, name: str) -> Tensor:
        """Prediction of the model of one joint format."""
        return self.models[name](x)
