"""mesh.glb: a moving body as glTF 2.0, skinned and animated, in one binary file that Blender and web pages open.

Written after the specification (Khronos glTF 2.0). Letters: F frames, V vertices, K joints, W joints of a vertex.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from lib.errors import UserError
from lib.files import atomic_write_bytes
from lib.geometry import matrix_to_quaternion
from lib.wild.mesh_motion import MeshMotion
from lib.wild.skin import Skin, vertex_normals

# numbers of the specification
COMPONENT = {"uint8": 5121, "uint16": 5123, "uint32": 5125, "float32": 5126}
ELEMENT = {(): "SCALAR", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}
VERTEX_BUFFER, INDEX_BUFFER = 34962, 34963
CHUNK_JSON, CHUNK_BINARY = 0x4E4F534A, 0x004E4942
SKIN_COLOR = [0.62, 0.70, 0.78, 1.0]


class _Buffer:
    """The binary part of a file: arrays one after the other, each with its accessor."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []
        self.size = 0

    def add(self, array: np.ndarray, target: int | None = None, bounds: bool = False) -> int:
        """Number of the accessor of an array (N, ...); little-endian, padded to four bytes."""
        data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        view = {"buffer": 0, "byteOffset": self.size, "byteLength": len(data)}
        self.views.append(view | ({"target": target} if target else {}))
        accessor = {
            "bufferView": len(self.views) - 1,
            "componentType": COMPONENT[array.dtype.name],
            "count": len(array),
            "type": ELEMENT[array.shape[1:]],
        }
        if bounds:
            low, high = array.min(0), array.max(0)
            accessor |= {"min": np.atleast_1d(low).tolist(), "max": np.atleast_1d(high).tolist()}
        self.accessors.append(accessor)
        self.parts.append(data + bytes(-len(data) % 4))
        self.size += len(self.parts[-1])
        return len(self.accessors) - 1


def write_gltf(path: str | Path, mesh: MeshMotion, skin: Skin) -> None:
    """Write the body as a skinned mesh: K joint nodes, rotations of all and translation of the root over time.

    Y up; lengths are in the mesh's units, which glTF readers take for metres. Frames without the person have no
    keyframe. Where ``skin.is_exact`` is false the surface at bent joints is approximate, and ``asset.extras`` says so.
    Raises ``UserError`` where the person is in no frame.
    """
    buffer = _Buffer()
    num_joints = len(skin.joint_names)
    primitive = {
        "attributes": {
            "POSITION": buffer.add(skin.vertices, VERTEX_BUFFER, bounds=True),
            "NORMAL": buffer.add(vertex_normals(skin.vertices, skin.faces), VERTEX_BUFFER),
            **_skinning(buffer, skin),
        },
        "indices": buffer.add(_indices(skin), INDEX_BUFFER),
        "material": 0,
    }
    inverse_bind = np.tile(np.eye(4, dtype=np.float32), (num_joints, 1, 1))
    inverse_bind[:, 3, :3] = -skin.joints  # column by column, as the specification has it
    offsets = skin.joints - np.where(skin.parents[:, None] >= 0, skin.joints[skin.parents], 0)
    children = [np.flatnonzero(skin.parents == joint).tolist() for joint in range(num_joints)]
    nodes: list[dict[str, Any]] = [
        {"name": name, "translation": offset, **({"children": below} if below else {})}
        for name, offset, below in zip(skin.joint_names, offsets.tolist(), children, strict=True)
    ]
    roots = np.flatnonzero(skin.parents < 0).tolist()
    nodes.append({"name": "body", "mesh": 0, "skin": 0})
    document = {
        "asset": {"version": "2.0", "generator": "ErgoLift", "extras": _extras(mesh, skin)},
        "scene": 0,
        "scenes": [{"nodes": [*roots, num_joints]}],
        "nodes": nodes,
        "meshes": [{"name": "body", "primitives": [primitive]}],
        "skins": [
            {
                "joints": list(range(num_joints)),
                "skeleton": roots[0],
                "inverseBindMatrices": buffer.add(inverse_bind),
            }
        ],
        "materials": [
            {
                "name": "skin",
                "pbrMetallicRoughness": {
                    "baseColorFactor": SKIN_COLOR,
                    "metallicFactor": 0.0,
                    "roughnessFactor": 0.8,
                },
            }
        ],
        "animations": [_animation(buffer, mesh, skin, roots[0])],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": buffer.size}],
    }
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    chunks = [_chunk(CHUNK_JSON, text), _chunk(CHUNK_BINARY, b"".join(buffer.parts))]
    header = struct.pack("<4sII", b"glTF", 2, 12 + sum(map(len, chunks)))
    atomic_write_bytes(path, b"".join([header, *chunks]))


def _chunk(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", len(data), kind) + data


def _indices(skin: Skin) -> np.ndarray:
    # the largest number of the type is not allowed
    kind = np.uint16 if len(skin.vertices) < 2**16 else np.uint32
    return skin.faces.ravel().astype(kind)


def _skinning(buffer: _Buffer, skin: Skin) -> dict[str, int]:
    """Attributes in sets of four joints; a second set only where a vertex has more."""
    attributes = {}
    for number, first in enumerate(range(0, skin.weights.shape[1], 4)):
        ids, weights = (np.zeros((len(skin.vertices), 4), kind) for kind in (np.uint8, np.float32))
        columns = slice(first, first + 4)
        ids[:, : skin.joint_ids[:, columns].shape[1]] = skin.joint_ids[:, columns]
        weights[:, : skin.weights[:, columns].shape[1]] = skin.weights[:, columns]
        attributes[f"JOINTS_{number}"] = buffer.add(ids, VERTEX_BUFFER)
        attributes[f"WEIGHTS_{number}"] = buffer.add(weights, VERTEX_BUFFER)
    return attributes


def _animation(buffer: _Buffer, mesh: MeshMotion, skin: Skin, root: int) -> dict[str, Any]:
    frames = np.flatnonzero(mesh.present)
    if not len(frames):
        raise UserError("the person is in no frame: there is no motion for mesh.glb")
    time = buffer.add((frames / mesh.fps).astype(np.float32), bounds=True)
    quaternion = matrix_to_quaternion(mesh.rotations[frames].astype(np.float64))
    # q and -q are one rotation; readers interpolate the numbers, so neighbours must lie on one side
    turns = (quaternion[1:] * quaternion[:-1]).sum(-1) < 0
    quaternion[1:] *= np.where(np.cumsum(turns, axis=0) % 2, -1.0, 1.0)[..., None]
    quaternion = np.roll(quaternion, -1, axis=-1).astype(np.float32)  # glTF has w last
    outputs = [(joint, "rotation", quaternion[:, joint]) for joint in range(quaternion.shape[1])]
    outputs.append((root, "translation", (skin.joints[root] + mesh.translation[frames]).astype(np.float32)))
    samplers = [
        {"input": time, "output": buffer.add(values), "interpolation": "LINEAR"} for *_, values in outputs
    ]
    channels = [
        {"sampler": number, "target": {"node": node, "path": path}}
        for number, (node, path, _) in enumerate(outputs)
    ]
    return {"name": "motion", "samplers": samplers, "channels": channels}


def _extras(mesh: MeshMotion, skin: Skin) -> dict[str, Any]:
    notes = [*mesh.notes]
    if mesh.units != "m":
        notes.append("Lengths are not metres: 1 is the person's height.")
    if not skin.is_exact:
        notes.append(
            "Linear blend skinning: the body's corrections of its surface for each pose are left out."
        )
    return {"body": mesh.body, "units": mesh.units, "fps": mesh.fps, "notes": notes}
