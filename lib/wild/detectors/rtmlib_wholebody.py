"""RTMLib: whole bodies (133 points) of several people, on a CPU or GPU; its weights are downloaded or given."""

from __future__ import annotations

import contextlib
import io
import logging
from pathlib import Path

import numpy as np

from lib.errors import UserError
from lib.skeleton import load_skeleton
from lib.wild.detectors.base import DETECTORS

log = logging.getLogger(__name__)


@DETECTORS.register("rtmlib")
class RTMLibWholeBody:
    """Finds people with YOLOX and their points with RTMPose or RTMW, both ONNX files.

    det, pose: the files; left out, RTMLib's own for ``mode`` ("lightweight", "balanced", "performance"), from its
    cache or the network. joint_format: that of the pose file, if it is not a whole-body one.
    """

    joint_format = "COCO-WholeBody-133"

    def __init__(
        self,
        *,
        device: str = "cpu",
        det: str | None = None,
        pose: str | None = None,
        mode: str = "balanced",
        joint_format: str = joint_format,
    ) -> None:
        import onnxruntime
        import rtmlib

        self.skeleton = load_skeleton(joint_format)
        if device != "cpu" and "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            raise UserError(
                f"the onnxruntime that is installed cannot use the device {device}: "
                "install onnxruntime-gpu in its place, or use the device cpu"
            )
        paths = _model_paths(det, pose, mode)
        with contextlib.redirect_stdout(io.StringIO()) as said:  # it prints what it loads
            try:
                models = rtmlib.Wholebody(**paths, mode=mode, backend="onnxruntime", device=device)
            except Exception as error:  # onnxruntime has a class of its own for every kind of broken file
                reason = _one_line(error)
                raise UserError(f"RTMLib cannot load {' and '.join(paths.values())}: {reason}") from None
        log.info("%s", said.getvalue().strip())
        self._find_people, self._find_points = models.det_model, models.pose_model
        self._check_models(paths, device)

    def _check_models(self, paths: dict[str, str], device: str) -> None:
        """Take the sizes of pictures from the files, and refuse files of another kind."""
        for path, model in zip(paths.values(), (self._find_people, self._find_points), strict=True):
            size = model.session.get_inputs()[0].shape[-2:]
            if not all(isinstance(side, int) for side in size):
                raise UserError(f"{path} leaves the size of its input open: export it with a fixed size")
            # RTMLib takes height and width for people, width and height for points
            model.model_input_size = tuple(size if model is self._find_people else size[::-1])
            if device != "cpu" and model.session.get_providers()[0] == "CPUExecutionProvider":
                log.warning("%s runs on the CPU: onnxruntime could not use the device %s", path, device)
        boxes = self._find_people.session.get_outputs()
        points = self._find_points.session.get_outputs()
        if len(boxes[0].shape) != 3 or len(boxes) != 1:
            raise UserError(f"{paths['det']} is no YOLOX model with one output (1, boxes, 4 + scores)")
        if len(points) != 2:
            raise UserError(
                f"{paths['pose']} is no SimCC pose model (RTMPose, RTMW): {len(points)} outputs, not 2"
            )
        number = points[0].shape[1]
        if number != self.skeleton.num_joints:
            raise UserError(
                f"{paths['pose']} gives {number} points, {self.skeleton.name} has {self.skeleton.num_joints}: "
                "give another pose file or its joint_format"
            )
        # of a detector of many classes RTMLib would take every chair for a person
        columns = boxes[0].shape[-1]
        if isinstance(columns, int) and columns > 6:
            self._find_people.det_mode = "multiclass"

    def __call__(self, frame: np.ndarray) -> list[np.ndarray]:
        """One array (J,3) a person: x px, y px, confidence; an empty list if there is nobody."""
        picture = np.ascontiguousarray(frame[..., ::-1])  # RTMLib takes BGR
        boxes = self._find_people(picture)
        if self._find_people.det_mode == "multiclass":
            boxes = boxes[0][boxes[1] == self._find_people.COCO_CLASSES.index("person")]
        if not len(boxes):  # RTMPose would take the whole image for a person
            return []
        xy, scores = self._find_points(picture, bboxes=boxes)
        people = np.concatenate([xy, scores.clip(0, 1)[..., None]], -1).astype(np.float32)
        people[scores <= 0] = (np.nan, np.nan, 0)
        return list(people)


def _model_paths(det: str | None, pose: str | None, mode: str) -> dict[str, str]:
    """Files of both models, downloaded where none is given and RTMLib has not got its own."""
    import rtmlib
    from rtmlib.tools.file import _get_rtmhub_dir, download_checkpoint

    known = rtmlib.Wholebody.MODE
    if mode not in known:
        raise UserError(f"the detector rtmlib has no mode '{mode}'; it has: {', '.join(known)}")
    paths: dict[str, str] = {}
    lacking: list[str] = []
    for kind, given in (("det", det), ("pose", pose)):
        if given is not None:
            if not Path(given).is_file():
                raise UserError(f"the detector rtmlib: there is no {kind} file {given}")
            paths[kind] = str(given)
            continue
        url = known[mode][kind]
        try:
            paths[kind] = download_checkpoint(url)
        except Exception as error:  # the network, the disk, a damaged archive
            kept = Path(_get_rtmhub_dir(), "checkpoints", url.split("/")[-1].split(".")[0] + ".onnx")
            lacking.append(
                f"{kind}: the file end2end.onnx of {url}, put as {kept} ({' '.join(str(error).split())})"
            )
    if lacking:
        raise UserError(
            f"the detector rtmlib lacks its weights and cannot download them; {'; '.join(lacking)}; or give other "
            "ONNX files as the options det and pose, or use the detector mediapipe, which needs no download"
        )
    return paths


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
