"""Blocks of data inside the report page: texts and numbers as JSON, arrays as little-endian base64.

Letters: F frames, V vertices, K joints of the body.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import BinaryIO

import numpy as np

from lib.geometry import matrix_to_quaternion
from lib.wild.mesh_motion import MeshMotion
from lib.wild.skin import Skin

CHUNK_BYTES = 3 * 2**18  # divisible by 3, so that the base64 of chunks is the base64 of the whole
JOINTS_OF_VERTEX = 4  # what a shader takes at once


def json_block(name: str, content: Mapping[str, object]) -> str:
    # a text with </script> in it would end the block
    text = json.dumps(content).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>\n'


def data_block(name: str, stream: BinaryIO) -> Iterator[str]:
    """Bytes as base64 in an element that no browser runs, made chunk by chunk."""
    yield f'<script type="text/plain" id="{name}">'
    while chunk := stream.read(CHUNK_BYTES):
        yield base64.b64encode(chunk).decode("ascii")
    yield "</script>\n"


def mesh_blocks(mesh: MeshMotion, skin: Skin) -> Iterator[str]:
    """A moving body as the 3D view's shader takes it, near enough to look at: about 2 mm.

    Vertices are 16-bit steps, and each hangs on its four heaviest joints by 255ths: with its faces 26 bytes a vertex;
    8 K bytes a frame.
    """
    step = max(float(np.abs(skin.vertices).max()), 1e-6) / 32767
    faces = skin.faces.astype("<u2" if len(skin.vertices) <= 2**16 else "<u4")
    yield json_block(
        "body",
        {
            "parents": skin.parents.tolist(),
            "rest": skin.joints.tolist(),
            "step": step,
            "bytesOfFace": faces.itemsize,
        },
    )
    joints, shares = (np.zeros((len(skin.vertices), JOINTS_OF_VERTEX)) for _ in range(2))
    used = min(JOINTS_OF_VERTEX, skin.weights.shape[1])
    joints[:, :used], shares[:, :used] = skin.joint_ids[:, :used], skin.weights[:, :used]
    weights = np.rint(shares / shares.sum(1, keepdims=True) * 255)
    weights[:, 0] += 255 - weights.sum(1)  # so that they sum to 1
    present = mesh.present
    quaternion = np.zeros((mesh.num_frames, len(skin.joints), 4))
    quaternion[present] = np.roll(
        matrix_to_quaternion(mesh.rotations[present].astype(np.float64)), -1, axis=-1
    )
    translation = np.where(present[:, None], mesh.translation, np.nan)
    arrays = {
        "body-vertices": np.rint(skin.vertices / step).astype("<i2"),
        "body-faces": faces,
        "body-joints": joints.astype(np.uint8),
        "body-weights": weights.astype(np.uint8),
        "body-rotations": np.rint(quaternion * 32767).astype("<i2"),
        "body-translation": translation.astype("<f4"),
    }
    for name, array in arrays.items():
        yield from data_block(name, BytesIO(array.tobytes()))
