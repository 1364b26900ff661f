"""The streams of a batch, handed out a few rows at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mien.core import Batch, InputError, UnknownNameError

IN_MEMORY = 512 * 2**20
"""Streams of at most this many bytes are turned into tensors once; larger ones stay where they are (they may
be memory maps) and are read row by row."""
AT_ONCE = 256 * 2**20
"""Bytes of samples that go through a network together where nothing is learnt."""


class Streams:
    """Rows of a batch as float32 tensors on a device.

    Parameters
    ----------
    batch
        The samples.
    streams
        Names of the streams to hand out, default all.
    device
        Where the tensors go.
    """

    def __init__(self, batch: Batch, *, device: torch.device, streams: Sequence[str] | None = None) -> None:
        names = list(batch.inputs) if streams is None else list(streams)
        for name in names:
            if name not in batch.inputs:
                raise UnknownNameError("stream", name, batch.inputs)
        if not names:
            raise InputError("no stream to work on", expected=f"any of {list(batch.inputs)}")
        self.n, self.names, self.device = len(batch), names, device
        self.present = torch.from_numpy(np.stack([batch.present[name] for name in names], 1))
        self.complete = bool(self.present.all())
        self._arrays = {name: batch.inputs[name] for name in names}
        self._tensors = {
            name: torch.from_numpy(np.asarray(array, np.float32)).to(device)
            for name, array in self._arrays.items()
            if array.size * 4 <= IN_MEMORY
        }
        size = sum(array.size * 4 for array in self._arrays.values())
        self.at_once = max(1, AT_ONCE * self.n // max(size, 1))
        """How many samples have :data:`AT_ONCE` bytes."""

    def rows(
        self, index: Tensor, present: Tensor | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor] | None]:
        """Inputs and presence of the samples at these positions.

        ``present`` (samples, streams) replaces the batch's own presence. The presence handed out is None
        where all streams are there in all samples of the batch.
        """
        inputs = {}
        for name in self.names:
            if name in self._tensors:
                inputs[name] = self._tensors[name].index_select(0, index.to(self.device))
            else:
                block = np.asarray(self._arrays[name][index.numpy()], np.float32)
                inputs[name] = torch.from_numpy(block).to(self.device)
        if present is None:
            if self.complete:
                return inputs, None
            present = self.present
        mask = present[index]
        return inputs, {name: mask[:, column] for column, name in enumerate(self.names)}
