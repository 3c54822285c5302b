"""What the model is asked to predict: labels relative to the root, or to the depth of the clip's first root."""

from __future__ import annotations

from torch import Tensor

from lib.skeleton import Skeleton


def relative_target(target: Tensor, skeleton: Skeleton, rootrel: bool) -> Tensor:
    """Labels (N, T, J, C) in the form that the losses compare; the argument stays as it is.

    ``rootrel`` True subtracts the root of each frame. False keeps the place in the image and subtracts only the
    depth of the first frame's root, so that a clip starts at depth zero (MotionBERT's two forms of training).
    """
    root = skeleton.root_of(target)
    if rootrel:
        return target - root
    shift = root.clone()
    shift[..., :2] = 0
    return target - shift[:, :1]
