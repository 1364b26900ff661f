"""Probabilities from a network, their temperature, and whether samples influence one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mien.core import Batch, InputError
from mien.train._data import Streams


@contextmanager
def cpu_threads(n: int) -> Iterator[None]:
    """Let torch use ``n`` CPU threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients, then the mode it was in."""
    before = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(before)


def all_logits(network: nn.Module, data: Streams, *, batch_size: int) -> Tensor:
    """Class scores of all samples, in order, on the network's device; call inside :func:`evaluating`.

    Fewer than ``batch_size`` at a time where they would take too much memory.
    """
    parts = []
    batch_size = min(batch_size, data.at_once)
    for start in range(0, data.n, batch_size):
        inputs, present = data.rows(torch.arange(start, min(start + batch_size, data.n)))
        parts.append(network(inputs, present).logits)
    return torch.cat(parts)


def predict(
    network: nn.Module,
    batch: Batch,
    *,
    temperature: float = 1.0,
    streams: Sequence[str] | None = None,
    batch_size: int = 4096,
    threads: int = 1,
) -> NDArray[np.float32]:
    """Class probabilities.

    Parameters
    ----------
    network
        Any network of :mod:`mien.models`; used in evaluation mode, where it is.
    batch
        The samples.
    temperature
        Divides the logits, see :func:`fit_temperature`.
    streams
        Look at these streams only; default all the batch has.
    batch_size
        Samples at a time; no sample is left out.
    threads
        CPU threads.

    Returns
    -------
    ndarray
        (samples, classes), float32; rows sum to 1.

    Raises
    ------
    InputError
        If a stream is not in the batch or not known to the network, or if a sample has none of the streams.
    """
    if not temperature > 0:
        raise InputError(f"temperature = {temperature}", expected="a positive number")
    if not len(batch):
        raise InputError("the batch has no samples")
    device = next(network.parameters()).device
    with cpu_threads(threads), evaluating(network):
        data = Streams(batch, streams=streams, device=device)
        logits = all_logits(network, data, batch_size=batch_size)
        return (logits / temperature).softmax(1).cpu().numpy()


def temperature_of(
    logits: NDArray[np.floating], label: NDArray[np.int64], weight: NDArray[np.floating]
) -> float:
    """The temperature in [0.05, 20] that makes the weighted log loss of ``logits / temperature`` least.

    The loss is convex in 1/temperature, so that the sign of its slope tells where to look (bisection, 50
    halvings). Samples without a label do not count; 1 where none has one.
    """
    known = (label >= 0) & (weight > 0)
    if not known.any():
        return 1.0
    z, y = np.asarray(logits, np.float64)[known], label[known]
    w = np.asarray(weight, np.float64)[known]
    truth = z[np.arange(len(y)), y]

    def slope(beta: float) -> float:
        scaled = beta * (z - z.max(1, keepdims=True))
        p = np.exp(scaled)
        p /= p.sum(1, keepdims=True)
        return float(w @ ((p * z).sum(1) - truth))

    low, high = np.log(1 / 20.0), np.log(20.0)
    for _ in range(50):
        middle = (low + high) / 2
        if slope(float(np.exp(middle))) < 0:
            low = middle
        else:
            high = middle
    return float(np.exp(-(low + high) / 2))


def fit_temperature(
    network: nn.Module,
    val: Batch,
    *,
    streams: Sequence[str] | None = None,
    batch_size: int = 4096,
    threads: int = 1,
) -> float:
    """The temperature that fits the network's probabilities best to validation samples.

    :func:`mien.train.fit` does this for all streams; call it for a subset that is predicted from alone.

    Returns
    -------
    float
        In [0.05, 20]. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    device = next(network.parameters()).device
    with cpu_threads(threads), evaluating(network):
        data = Streams(val, streams=streams, device=device)
        logits = all_logits(network, data, batch_size=batch_size).cpu().numpy()
    return temperature_of(logits, val.label, val.weight)


def coupling(
    network: nn.Module, batch: Batch, *, streams: Sequence[str] | None = None, n_samples: int = 16
) -> float:
    """Largest difference between probabilities of samples predicted in their batch and alone.

    Parameters
    ----------
    network, batch, streams
        As for :func:`predict`.
    n_samples
        How many samples, from the first, are predicted alone.

    Returns
    -------
    float
        About 1e-7 (rounding) where samples do not influence one another; 0 for an empty batch.
    """
    if not len(batch):
        return 0.0
    together = predict(network, batch, streams=streams, batch_size=len(batch))
    device = next(network.parameters()).device
    largest = 0.0
    with evaluating(network):
        data = Streams(batch, streams=streams, device=device)
        for row in range(min(n_samples, len(batch))):
            inputs, present = data.rows(torch.tensor([row]))
            alone = network(inputs, present).logits.softmax(1).cpu().numpy()[0]
            largest = max(largest, float(np.abs(alone - together[row]).max()))
    return largest
