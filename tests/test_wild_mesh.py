"""Mesh of a whole video: blended rotations, one shape, the place in the world, and the files made of it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import ClassVar

import av
import numpy as np
import pytest
import torch
from easydict import EasyDict
from torch import nn

from lib.body_regressor import keypoint_regressor
from lib.checkpoint import save_checkpoint
from lib.data.motion import Motion
from lib.engine import Runtime
from lib.errors import UserError
from lib.geometry import axis_angle_to_matrix, matrix_to_axis_angle
from lib.model.build import build_mesh_model
from lib.skeleton import load_skeleton
from lib.wild import mesh_render
from lib.wild.camera_pitch import level_camera
from lib.wild.lift import model_input
from lib.wild.mesh import lift_mesh, motion_of_mesh, place_mesh, regressed_joints
from lib.wild.mesh_gltf import write_gltf
from lib.wild.mesh_lifter import MeshLifter, load_mesh_lifter
from lib.wild.mesh_motion import MeshMotion
from lib.wild.mesh_render import render_mesh
from lib.wild.records import Flag, WorldMotion
from lib.wild.skin import skin_of, vertex_normals
from lib.wild.world import make_world
from tests.example_mesh import example_body, example_mesh, slow_rotations

SMPL24 = load_skeleton("SMPL-24")
H36M = load_skeleton("H36M-17")
BODY = example_body()
REGRESSOR = keypoint_regressor(BODY, SMPL24)
RUNTIME = Runtime(torch.device("cpu"), 0, 1, "fp32")
UPRIGHT = axis_angle_to_matrix(np.array([np.pi, 0, 0]))  # SMPL's y points up, the camera's down


class Network(nn.Module):
    """Stands for a mesh model: ``function`` of (N,T,J,C) gives rotations and shape."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function, self.body, self.regressor = function, BODY, REGRESSOR
        self.body_flip_idx = SMPL24.flip_idx
        self.shapes: list[tuple[int, ...]] = []

    def body_parameters(self, x):
        self.shapes.append(tuple(x.shape))
        return self.function(x)


def lifter(function, **changes) -> MeshLifter:
    terms = {
        "network": Network(function),
        "skeleton": SMPL24,
        "runtime": RUNTIME,
        "clip_len": 16,
        "overlap": 4,
        "batch_size": 3,
        "scale": "image",
        "no_conf": False,
        "missing": "hold",
        "flip": False,
        "fps": None,
    }
    return MeshLifter(**(terms | changes))


def motion_2d(num_frames: int = 45, **changes) -> Motion:
    """2D joints of which x of the first is the number of the frame, normalized with w/2 = 1000: 0, 0.001, ..."""
    xy = np.random.default_rng(0).uniform(300, 900, (num_frames, SMPL24.num_joints, 2))
    xy[:, 0, 0] = 1000 + np.arange(num_frames)
    given = {
        "joints_2d": xy,
        "confidence": np.ones(xy.shape[:2]),
        "source": "walk",
        "camera": "",
        "action": "",
        "fps": 30.0,
        "size_px": np.array([2000, 1000]),
        "skeleton": SMPL24,
    }
    return Motion(**(given | changes))


def turning(x: torch.Tensor):
    """All joints turned about z by the first joint's x, near half a turn about x; the shape is that x too."""
    angle = 20 * x[:, :, 0, 0]
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    rows = [angle.cos(), -angle.sin(), zero, angle.sin(), angle.cos(), zero, zero, zero, one]
    turn = torch.stack(rows, -1).unflatten(-1, (3, 3))
    start = torch.from_numpy(UPRIGHT).float()
    return (turn @ start)[:, :, None].expand(-1, -1, 24, -1, -1), x[:, :, 0, :1].expand(-1, -1, 10)


def is_rotation(matrices: np.ndarray) -> bool:
    identity = np.abs(matrices @ np.swapaxes(matrices, -1, -2) - np.eye(3)).max() < 1e-5
    return bool(identity and (np.linalg.det(matrices) > 0.99).all())


def apart_deg(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    relative = np.swapaxes(a, -1, -2).astype(np.float64) @ b
    return np.degrees(np.linalg.norm(matrix_to_axis_angle(relative), axis=-1))


# --- lifting


@pytest.mark.parametrize("num_frames", [1, 5, 16, 17, 200])
def test_any_length_gives_each_frame_its_own_rotations(num_frames):
    mesh = lift_mesh(model := lifter(turning), motion_2d(num_frames))
    expected, _ = turning(torch.arange(num_frames)[None, :, None, None].expand(1, -1, 24, 3) / 1000)
    assert mesh.rotations.shape == (num_frames, 24, 3, 3) and mesh.present.all()
    assert is_rotation(mesh.rotations)
    assert apart_deg(mesh.rotations, expected[0].numpy()).max() < 0.1
    assert max(shape[0] for shape in model.network.shapes) <= 3
    assert mesh.shape == pytest.approx(np.full(10, (num_frames - 1) / 2000), abs=1e-6)


def test_frames_between_two_windows_lie_between_what_both_say():
    """Two windows half a turn about x, 20 degrees to either side: vectors (pi, 0, 0) and near it would cancel."""

    def of_window(x: torch.Tensor):
        sign = torch.where(x[:, :1, 0, 0] > 0, 1.0, -1.0).expand(x.shape[:2])
        vector = torch.stack([torch.pi + np.radians(10) * sign, 0 * sign, 0 * sign], -1)
        rotations = axis_angle_to_matrix(vector)[:, :, None].expand(-1, -1, 24, -1, -1)
        return rotations, torch.zeros(*x.shape[:2], 10)

    mesh = lift_mesh(lifter(of_window), motion_2d(28))
    angle = np.degrees(np.unwrap(matrix_to_axis_angle(mesh.rotations[:, 0])[:, 0], period=2 * np.pi))
    step = np.abs(np.diff(angle))
    assert is_rotation(mesh.rotations)
    assert np.ptp(angle) == pytest.approx(20, abs=1e-3)  # from the one to the other
    assert step.max() < 15 and (step[:11] < 1e-3).all() and (step[-11:] < 1e-3).all()


def test_the_mirrored_input_is_averaged_as_rotations():
    """A model that sees too much of one side: the flip takes the error out, near half a turn."""
    mirror = np.diag([-1.0, 1, 1]).astype(np.float32)
    symmetric = (UPRIGHT @ axis_angle_to_matrix(np.array([0.4, 0.0, 0.0]))).astype(np.float32)

    def biased(x: torch.Tensor):
        bias = axis_angle_to_matrix(torch.tensor([0.0, 0.3, 0.2]))
        rotations = (bias @ torch.from_numpy(symmetric)).expand(*x.shape[:2], 24, 3, 3)
        return rotations, x[:, :, :1, 0].expand(-1, -1, 10)

    straight, averaged = (
        lift_mesh(lifter(biased, flip=flip), motion_2d(20)).rotations for flip in (False, True)
    )
    assert np.abs(mirror @ symmetric @ mirror - symmetric).max() < 1e-6
    assert apart_deg(straight, symmetric).min() > 15
    assert apart_deg(averaged, symmetric).max() < 2
    assert is_rotation(averaged)


def test_a_mirrored_video_gives_the_mirrored_body():
    torch.manual_seed(0)
    layer = nn.Linear(24 * 3, 24 * 3 + 10)

    def network(x: torch.Tensor):
        y = layer(x.flatten(2))
        return axis_angle_to_matrix(y[..., :72].unflatten(-1, (24, 3))), y[..., 72:]

    motion = motion_2d(40)
    xy = motion.joints_2d[:, SMPL24.flip_idx] * [-1, 1] + [2000, 0]
    one, other = (
        lift_mesh(lifter(network, flip=True), each) for each in (motion, replace(motion, joints_2d=xy))
    )
    mirror = np.diag([-1.0, 1, 1])
    flipped = mirror @ other.rotations[:, SMPL24.flip_idx] @ mirror
    np.testing.assert_allclose(flipped, one.rotations, atol=1e-4)
    np.testing.assert_allclose(other.shape, one.shape, atol=1e-5)


def test_the_shape_goes_by_how_well_the_person_was_seen():
    confidence = np.ones((30, 24))
    confidence[10:] = 0.25
    mesh = lift_mesh(lifter(turning), motion_2d(30, confidence=confidence))
    weights = confidence[:, 0]
    assert mesh.shape[0] == pytest.approx(np.average(np.arange(30) / 1000, weights=weights), abs=1e-5)


def test_another_format_is_refused():
    with pytest.raises(UserError, match=r"lifts SMPL-24, the motion is H36M-17"):
        lift_mesh(
            lifter(turning),
            replace(
                motion_2d(), skeleton=H36M, joints_2d=np.zeros((45, 17, 2)), confidence=np.ones((45, 17))
            ),
        )


def test_the_record_reads_what_it_wrote(tmp_path):
    mesh = replace(example_mesh(BODY), notes=("approximate",))
    mesh.save(tmp_path / "mesh.npz")
    read = MeshMotion.load(tmp_path / "mesh.npz")
    np.testing.assert_allclose(read.rotations, mesh.rotations, atol=1e-5)
    for name in ("shape", "translation", "present"):
        np.testing.assert_allclose(getattr(read, name), getattr(mesh, name), atol=1e-6)
    for name in ("scale", "axes", "units", "fps", "body", "joint_names", "notes"):
        assert getattr(read, name) == getattr(mesh, name)
    with np.load(tmp_path / "mesh.npz") as stored:
        assert stored["pose"].shape == (24, 72) and stored["present"].sum() == 21
        assert np.isnan(stored["pose"][11]).all()


def small_model(skeleton=SMPL24):
    """Config and network of a mesh model that takes a moment, away from its start."""
    text = {
        **{
            "task": "mesh",
            "joint_format": skeleton.name,
            "root": list(skeleton.root),
            "clip_len": 8,
            "maxlen": 9,
        },
        **{"dim_feat": 8, "dim_rep": 8, "depth": 1, "num_heads": 2, "hidden_dim": 16, "mlp_ratio": 2},
        **{"no_conf": False, "missing": "hold", "qkv_bias": True, "att_fuse": True, "dropout": 0.0},
        **{"attn_dropout": 0.0, "drop_path": 0.0, "activation_checkpointing": False},
    }
    config = EasyDict(text)
    torch.manual_seed(0)
    network = build_mesh_model(config, BODY, REGRESSOR).eval()
    for layer in (network.head.head_pose, network.head.head_shape):
        nn.init.normal_(layer.weight, std=0.3)
    return config, network


@pytest.mark.parametrize("is_motionbert", [False, True])
def test_a_checkpoint_lifts_as_its_network_predicts(tmp_path, is_motionbert):
    config, network = small_model()
    meta = {"joint_format": "SMPL-24", "root": ["pelvis"], "no_conf": False, "input_scale": "image"}
    weights = {
        f"module.{name}" if is_motionbert else name: value for name, value in network.state_dict().items()
    }
    save_checkpoint(tmp_path / "mesh.bin", {"model": weights} | ({} if is_motionbert else {"meta": meta}))
    given = {"config": config, "body": BODY, "regressor": REGRESSOR, "runtime": RUNTIME}
    model = load_mesh_lifter(tmp_path / "mesh.bin", **given)
    assert model.scale == ("box" if is_motionbert else "image") and model.clip_len == 8
    motion = motion_2d(8)
    mesh = lift_mesh(model, motion)
    with torch.inference_mode():
        expected = network.predict(torch.from_numpy(model_input(model, motion))[None], flip=True)
    assert apart_deg(mesh.rotations, expected["rotations"][0].numpy()).max() < 0.1
    np.testing.assert_allclose(mesh.shape, expected["shape"][0, 0], atol=1e-4)
    with pytest.raises(UserError, match="clip_len 10 is not possible"):
        load_mesh_lifter(tmp_path / "mesh.bin", clip_len=10, **given)
    save_checkpoint(tmp_path / "pose.bin", {"model_pos": network.backbone.state_dict()})
    with pytest.raises(UserError, match=r"of a pose model, which infer_wild\.py takes as -e"):
        load_mesh_lifter(tmp_path / "pose.bin", **given)


# --- the place


def camera_mesh(num_frames: int = 24) -> MeshMotion:
    rotations = slow_rotations(num_frames, 24)
    rotations[:, 0] = UPRIGHT @ rotations[:, 0]
    mesh = example_mesh(BODY, num_frames=num_frames, gap=slice(0, 0))
    return replace(
        mesh, rotations=rotations, translation=np.zeros((num_frames, 3), np.float32), scale=1.0, axes="camera"
    )


def world_of(joints: np.ndarray, skeleton=SMPL24, **changes) -> WorldMotion:
    num_frames = len(joints)
    known = np.isfinite(joints).all(-1)
    given = {
        "positions": joints.astype(np.float32),
        "root": skeleton.root_of(joints)[:, 0],
        "confidence": known.astype(np.float32),
        "flag": np.where(known, Flag.SEEN, Flag.ABSENT).astype(np.uint8),
        "time_s": np.arange(num_frames) / 30,
        "units": "m",
        "skeleton": skeleton,
        "foot_contact": np.zeros((num_frames, 2), bool),
        "fps": 30.0,
        "pitch_deg": 0.0,
    }
    return WorldMotion(**(given | changes))


def test_the_body_is_found_where_it_was_put():
    """Turned by the camera's pitch, 1.3 times its metres, moved every frame; the video has more frames."""
    mesh, pitch_deg = camera_mesh(), 12.0
    frames = np.arange(24) + np.where(np.arange(24) < 10, 3, 5)
    truth = level_camera(regressed_joints(mesh, BODY, REGRESSOR).astype(np.float64), pitch_deg) * 1.3
    shift = np.random.default_rng(0).normal(0, 1, (24, 1, 3))
    positions = np.full((32, 24, 3), np.nan)
    positions[frames] = truth + shift
    positions[frames[4], 5:9] = np.nan  # unknown joints do not count
    placed = place_mesh(mesh, BODY, REGRESSOR, world_of(positions, pitch_deg=pitch_deg), frames)
    assert placed.scale == pytest.approx(1.3, abs=1e-4) and placed.axes == "world"
    assert np.flatnonzero(placed.present).tolist() == frames.tolist()
    joints = regressed_joints(placed, BODY, REGRESSOR)
    np.testing.assert_allclose(joints[frames], truth + shift, atol=1e-4)
    assert np.isnan(joints[0]).all()


def test_the_place_is_the_best_of_all_places():
    mesh = camera_mesh()
    rng = np.random.default_rng(1)
    target = level_camera(regressed_joints(mesh, BODY, REGRESSOR), 0.0) + rng.normal(0, 0.05, (24, 24, 3))
    placed = place_mesh(mesh, BODY, REGRESSOR, world_of(target), np.arange(24))
    error = regressed_joints(placed, BODY, REGRESSOR) - target
    assert np.abs(error.mean(1)).max() < 1e-5  # what a least-squares translation leaves
    assert placed.scale == pytest.approx(1, abs=0.03)


def test_a_pose_that_disagrees_does_not_shrink_the_body():
    mesh = camera_mesh()
    target = level_camera(regressed_joints(mesh, BODY, REGRESSOR), 0.0)
    turned = target @ np.diag([-1.0, 1.0, -1.0])  # as if seen from behind
    placed = place_mesh(mesh, BODY, REGRESSOR, world_of(turned), np.arange(24))
    assert placed.scale == pytest.approx(1, abs=1e-4)


def test_formats_meet_in_the_joints_that_both_have():
    mesh = camera_mesh()
    ours = level_camera(regressed_joints(mesh, BODY, REGRESSOR), 0.0) + np.array([1, 2, 3])
    other = np.full((24, H36M.num_joints, 3), 77.0)  # joints of another meaning must not count
    shared = [name for name in H36M.canonical if name in SMPL24.canonical]
    for name in shared:
        other[:, H36M.canonical.index(name)] = ours[:, SMPL24.canonical.index(name)]
    placed = place_mesh(mesh, BODY, REGRESSOR, world_of(other, H36M), np.arange(24))
    np.testing.assert_allclose(regressed_joints(placed, BODY, REGRESSOR), ours, atol=1e-4)
    hand = load_skeleton("hand-21-left")
    with pytest.raises(UserError, match="body cannot be placed"):
        place_mesh(mesh, BODY, REGRESSOR, world_of(np.zeros((24, 21, 3)), hand), np.arange(24))


def test_a_mesh_alone_stands_in_the_image_where_its_keypoints_are():
    mesh = camera_mesh()
    joints = regressed_joints(mesh, BODY, REGRESSOR)
    px_per_m = np.linspace(150, 250, 24)[:, None, None]
    middle = np.linspace([700, 400], [1200, 420], 24)[:, None]
    motion = motion_2d(24, joints_2d=joints[..., :2] * px_per_m + middle)
    made = motion_of_mesh(mesh, BODY, REGRESSOR, motion)
    np.testing.assert_allclose(made.joints_image[..., :2], motion.joints_2d, atol=0.01)
    depth = (joints[..., 2] - joints[:, :1, 2]) * px_per_m[..., 0]
    np.testing.assert_allclose(made.joints_image[..., 2], depth, atol=0.01)
    # and from there into the world, where the body meets its own joints
    flag = np.zeros((24, 24), np.uint8)
    world = make_world(made, np.arange(24), flag, num_frames=24, stature_m=1.7, pitch_deg=0.0)
    placed = place_mesh(mesh, BODY, REGRESSOR, world, np.arange(24))
    error = np.linalg.norm(regressed_joints(placed, BODY, REGRESSOR) - world.positions, axis=-1)
    assert np.sqrt((error**2).mean()) < 0.12


# --- skin and glTF


def test_normals_point_outwards_and_have_length_one():
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    normals = vertex_normals(corners, faces)
    assert ((normals * (corners - corners.mean(0))).sum(-1) > 0.3).all()
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, atol=1e-6)


class Gltf:
    """What pygltflib reads from a file, and the specification's rules of skinning, in plain numpy."""

    KINDS: ClassVar = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
    WIDTHS: ClassVar = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}

    def __init__(self, path) -> None:
        pygltflib = pytest.importorskip("pygltflib")
        self.file = pygltflib.GLTF2().load(str(path))
        self.blob = self.file.binary_blob()

    def array(self, number: int) -> np.ndarray:
        accessor = self.file.accessors[number]
        view = self.file.bufferViews[accessor.bufferView]
        width = self.WIDTHS[accessor.type]
        flat = np.frombuffer(
            self.blob, self.KINDS[accessor.componentType], accessor.count * width, view.byteOffset
        )
        assert flat.nbytes == view.byteLength and view.byteOffset % 4 == 0
        return flat.reshape(accessor.count, width) if width > 1 else flat

    def vertices_at(self, time: float) -> np.ndarray:
        file = self.file
        primitive, skin = file.meshes[0].primitives[0], file.skins[0]
        animated = {}
        for channel in file.animations[0].channels:
            sampler = file.animations[0].samplers[channel.sampler]
            times, values = self.array(sampler.input), self.array(sampler.output)
            key = int(np.flatnonzero(np.isclose(times, time))[0])
            animated[channel.target.node, channel.target.path] = values[key].astype(np.float64)
        placed = {}

        def place(node: int, above: np.ndarray) -> None:
            local = np.eye(4)
            x, y, z, w = animated.get((node, "rotation"), (0, 0, 0, 1))
            local[:3, :3] = [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
            local[:3, 3] = animated.get((node, "translation"), file.nodes[node].translation)
            placed[node] = above @ local
            for child in file.nodes[node].children or []:
                place(child, placed[node])

        place(skin.skeleton, np.eye(4))
        bind = self.array(skin.inverseBindMatrices).reshape(-1, 4, 4).transpose(0, 2, 1)
        moves = np.stack([placed[node] @ own for node, own in zip(skin.joints, bind, strict=True)])
        points = np.c_[self.array(primitive.attributes.POSITION), np.ones(BODY.num_vertices)]
        result = 0
        for number in (0, 1):
            ids = getattr(primitive.attributes, f"JOINTS_{number}", None)
            if ids is not None:
                weights = self.array(getattr(primitive.attributes, f"WEIGHTS_{number}"))
                result = result + np.einsum("vw,vwab,vb->va", weights, moves[self.array(ids)], points)
        return result[:, :3]


def many_weights(body):
    """The same body with six joints for some vertices."""
    weights = body.vertices.weights
    weights[:, ::7] = 0
    weights[[0, 3, 6, 9, 12, 13], ::7] = torch.tensor([0.3, 0.2, 0.2, 0.15, 0.1, 0.05])[:, None]
    return body


@pytest.mark.parametrize(
    "make", [lambda: BODY, lambda: many_weights(example_body())], ids=["usual", "six joints"]
)
def test_the_glb_moves_as_the_body_does(tmp_path, make):
    body = make()
    mesh = example_mesh(body)
    write_gltf(tmp_path / "mesh.glb", mesh, skin := skin_of(body, mesh))
    assert skin.is_exact
    read = Gltf(tmp_path / "mesh.glb")
    for frame in (0, 7, 23):
        shape = torch.from_numpy(mesh.shape)[None]
        truth = body(torch.from_numpy(mesh.rotations[frame : frame + 1]), shape)[0].numpy()
        truth = truth * mesh.scale + mesh.translation[frame]
        assert np.abs(read.vertices_at(frame / mesh.fps) - truth).max() < 1e-3 / 2
    names = [read.file.nodes[node].name for node in read.file.skins[0].joints]
    assert tuple(names) == body.joint_names
    assert (np.diff(read.array(read.file.animations[0].samplers[0].input)) > 0).all()
    attributes = read.file.meshes[0].primitives[0].attributes
    assert (getattr(attributes, "JOINTS_1", None) is not None) == (body is not BODY)


def test_the_glb_is_what_other_readers_expect(tmp_path):
    mesh = example_mesh(BODY)
    turn = np.linspace(0, 12, mesh.num_frames)[:, None] * [0, 1, 0]  # nearly twice round
    mesh.rotations[:, 0] = np.where(mesh.present[:, None, None], axis_angle_to_matrix(turn), np.nan)
    write_gltf(tmp_path / "mesh.glb", mesh, skin_of(BODY, mesh))
    read = pytest.importorskip("trimesh").load(tmp_path / "mesh.glb").geometry["body"]
    assert (read.faces == BODY.faces).all() and len(read.vertices) == BODY.num_vertices
    file = Gltf(tmp_path / "mesh.glb")
    for sampler in file.file.animations[0].samplers[
        :24
    ]:  # neighbours on one side, or readers turn the long way
        values = file.array(sampler.output)
        assert ((values[1:] * values[:-1]).sum(-1) > 0).all()
        np.testing.assert_allclose(np.linalg.norm(values, axis=-1), 1, atol=1e-6)
    size = (tmp_path / "mesh.glb").read_bytes()[8:12]
    assert int.from_bytes(size, "little") == (tmp_path / "mesh.glb").stat().st_size


def test_a_glb_says_what_it_leaves_out(tmp_path):
    body = example_body(posedirs=True)
    mesh = replace(example_mesh(body), units="arbitrary")
    write_gltf(tmp_path / "mesh.glb", mesh, skin_of(body, mesh))
    notes = json.dumps(Gltf(tmp_path / "mesh.glb").file.asset.extras)
    assert "left out" in notes and "not metres" in notes
    nobody = replace(mesh, translation=np.full_like(mesh.translation, np.nan))
    with pytest.raises(UserError, match="in no frame"):
        write_gltf(tmp_path / "none.glb", nobody, skin_of(body, mesh))


# --- the video


def read_video(path) -> np.ndarray:
    with av.open(str(path)) as container:
        assert float(container.streams.video[0].average_rate) == 30
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_the_video_shows_the_body_where_it_is(tmp_path):
    mesh, done = example_mesh(BODY, num_frames=10, gap=slice(4, 6)), []
    render_mesh(tmp_path / "mesh.mp4", mesh, BODY, progress=done.append)
    frames = read_video(tmp_path / "mesh.mp4").astype(int)
    assert len(frames) == sum(done) == 10
    # darker than the paper by far, or bluish as the skin is
    body = (frames.max(-1) < 190) & (np.arange(frames.shape[1])[:, None] > 60)
    shares = body.mean((1, 2))
    assert (shares[[4, 5]] < 0.005).all() and (shares[[0, 3, 6, 9]] > 0.01).all()
    views = np.array_split(body, 2, axis=1 if frames.shape[1] > frames.shape[2] - 100 else 2)
    moved = [np.argwhere(view[9]).mean(0) - np.argwhere(view[0]).mean(0) for view in views]
    assert moved[0][1] > 50  # seen from the front it walks to the right


@pytest.fixture
def unchecked():
    """What VTK can do is asked anew."""
    mesh_render._check_that_vtk_draws.cache_clear()
    yield
    mesh_render._check_that_vtk_draws.cache_clear()


def test_where_nothing_can_draw_one_line_says_so(tmp_path, monkeypatch, unchecked):
    monkeypatch.setattr(mesh_render, "PROBE", "import os; os.abort()")
    with pytest.raises(UserError, match=r"mesh\.mp4: VTK cannot draw on this machine, it finds no OpenGL"):
        render_mesh(tmp_path / "mesh.mp4", example_mesh(BODY), BODY)
    monkeypatch.setitem(sys.modules, "pyvista", None)
    with pytest.raises(UserError, match="pip install pyvista"):
        render_mesh(tmp_path / "mesh.mp4", example_mesh(BODY), BODY)
    assert not list(tmp_path.iterdir())
