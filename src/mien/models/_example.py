"""A tiny made-up batch for the networks of MEs-EEG."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mien.core import Batch


def example_batch(shapes: Mapping[str, tuple[int, ...]], *, n_classes: int) -> Batch:
    """Twelve samples of normal noise; where there are two streams, three samples lack one."""
    rng = np.random.default_rng(0)
    n = 12
    present = {name: np.ones(n, bool) for name in shapes}
    if len(shapes) > 1:
        first, second = list(shapes)[:2]
        present[second][[3, 7]] = False
        present[first][5] = False
    return Batch(
        ids=tuple(f"sample{i}" for i in range(n)),
        inputs={
            name: (rng.standard_normal((n, *shape)) * present[name].reshape(n, *[1] * len(shape))).astype(
                np.float32
            )
            for name, shape in shapes.items()
        },
        present=present,
        label=np.arange(n, dtype=np.int64) % n_classes,
        domain=np.arange(n, dtype=np.int64) % 3,
        weight=np.ones(n, np.float32),
    )
