"""Settings of the whole suite: two cores are shared, so threads that wait must not spin (read when torch loads)."""

import os

os.environ.setdefault("GOMP_SPINCOUNT", "2000")
