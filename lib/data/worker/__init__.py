"""Worker motion: the built-in data set of people at work, pose exactly known (see docs/worker_motion.md)."""

from lib.data.worker.generate import make_worker_motion, make_worker_truth, worker_clips
from lib.data.worker.hand_generate import make_hand_motion, make_hand_truth
from lib.data.worker.hand_motions import HAND_TASKS, split_hand_tasks
from lib.data.worker.tasks import TASKS, split_tasks
from lib.data.worker.truth import WorkerTruth

__all__ = [
    "HAND_TASKS",
    "TASKS",
    "WorkerTruth",
    "make_hand_motion",
    "make_hand_truth",
    "make_worker_motion",
    "make_worker_truth",
    "split_hand_tasks",
    "split_tasks",
    "worker_clips",
]
