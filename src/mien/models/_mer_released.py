"""The three-stream network of the MEs-EEG notebook as released: one convolution serves all three streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from mien.core import InputError
from mien.models.mer import MER


class MERReleased(MER):
    """:class:`mien.models.mer.MER` with one convolution in place of three, as the notebook has it."""

    shared = True


create = MERReleased


def load(state_dict: Mapping[str, Any], *, num_heads: int, recipe: str = "released") -> nn.Module:
    """No weights of it were published, nor the names they would have: always an error."""
    raise InputError(
        "no weights of 'mer' were published", remedy='train it: create("mer", recipe="released")'
    )
