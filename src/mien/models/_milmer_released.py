"""The network of Milmer as its authors released it, from the point where each image has become tokens.

Same layers, names and order of operations, so that the published code's numbers can be checked;
:mod:`mien.models.milmer` is the one to use. What chooses images here does not learn: scores reach the answer
only as positions, through which no gradient flows (``softmax``, ``attention_topk``,
``attention_weighted_topk``), and ``none`` is the first image. Only ``amil`` learns.

The published network holds the layers of all methods at once, 1.4 billion weights of which most methods use
none. Ours holds those of its method. The published network always has both streams; ours leaves the tokens of
an absent one out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.core import InputError, UnknownNameError
from mien.models import _load
from mien.models._network import NetworkOutput, by_group, check_positive, group_by_presence, stream_shapes

OWNER = "milmer"
SHAPES = {"eeg": (32, 384), "face_tokens": (10, 49, 24)}
SELECTIONS = ("none", "softmax", "amil", "attention_topk", "attention_weighted_topk")
FUSIONS = ("cross_attention", "mlp", "none")
QUERIES = 147

METHODS = {
    "query_tokens": ("cross_attention",),
    "cross_attention.": ("cross_attention",),
    "mlp_up.": ("mlp",),
    "mlp_down.": ("mlp",),
    "amil_value_proj.": ("amil",),
    "amil_weight_proj.": ("amil",),
    "topk_value_proj.": ("attention_topk", "attention_weighted_topk"),
    "topk_weight_proj.": ("attention_topk", "attention_weighted_topk"),
    "topk_dimension_recover.": ("attention_topk",),
}
"""How the published names of layers begin that not all methods use, and the methods that use them."""


class MilmerReleased(nn.Module):
    """The released network; see :func:`create` for its options.

    Attributes
    ----------
    untrained
        How the names of parameters begin that never get a gradient.
    """

    kind = "network"
    streams = ("eeg", "face_tokens")

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = config
        self.sizes: dict[str, int] = dict(config["sizes"])
        self.shapes = {s: tuple(shape) for s, shape in config["shapes"].items()}
        self.selection, self.fusion = config["selection"], config["fusion"]
        self.untrained = ("instance_weights", "topk_")
        samples = self.shapes["eeg"][1]
        images, tokens, width = self.shapes["face_tokens"]

        self.cls_token = nn.Parameter(torch.randn(1, 1, width))
        self.instance_weights = nn.Parameter(torch.ones(1, images))
        self.token_type_embeddings = nn.Embedding(2, width)
        layer = nn.TransformerEncoderLayer(
            width, config["num_heads"], dim_feedforward=config["hidden"], dropout=0.2, batch_first=True
        )
        self.transformer_encoder = nn.TransformerEncoder(layer, config["depth"], enable_nested_tensor=False)
        self.layernorm = nn.LayerNorm(samples)
        self.eeg_proj = nn.Linear(samples, width)
        self.dropout = nn.Dropout(0.1)
        self.classifier = nn.Linear(width, config["n_classes"])
        if self.fusion == "cross_attention":
            self.query_tokens = nn.Parameter(torch.randn(1, config["n_queries"], width))
            self.cross_attention = nn.MultiheadAttention(width, config["num_heads"], batch_first=True)
        elif self.fusion == "mlp":
            self.mlp_up, self.mlp_down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        if self.selection == "amil":
            self.amil_value_proj, self.amil_weight_proj = nn.Linear(width, width), nn.Linear(width, 1)
        elif self.selection.startswith("attention"):
            flat = tokens * width
            self.topk_value_proj, self.topk_weight_proj = nn.Linear(flat, flat), nn.Linear(flat, 1)
            if self.selection == "attention_topk":
                self.topk_dimension_recover = nn.Linear(flat, images)

    def scores(self, images: Tensor) -> Tensor:
        """What the images (B, N, tokens, width) are ranked by, (B, N); not for ``none``."""
        if self.selection == "softmax":
            return self.instance_weights.softmax(1).expand(len(images), -1)
        if self.selection == "amil":
            return self.amil_weight_proj(self.amil_value_proj(images.mean(2)).tanh()).squeeze(2).softmax(1)
        flat = images.flatten(2)
        scores: Tensor = self.topk_weight_proj(self.topk_value_proj(flat).tanh()).squeeze(2)
        if self.selection == "attention_topk":
            return self.topk_dimension_recover((scores.softmax(1).unsqueeze(2) * flat).sum(1))
        return scores

    def select(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is handed on of the images (B, N, tokens, width).

        Returns
        -------
        tuple of Tensor
            Tokens (B, n, width); positions of the images they come from (B, k), -1 for a mixture of all; the
            weights (B, N) of the images in the tokens.
        """
        n, k = len(images), self.config["n_selected"]
        if self.selection == "amil":
            weights = self.scores(images)
            token = (weights.unsqueeze(2) * images.mean(2)).sum(1, keepdim=True)
            return token, torch.full((n, 1), -1, device=images.device), weights
        if self.selection == "none":
            index = torch.zeros(n, 1, dtype=torch.long, device=images.device)
        else:
            index = self.scores(images).topk(k, 1).indices
        chosen = images[torch.arange(n, device=images.device).unsqueeze(1), index]
        hard = images.new_zeros(n, images.shape[1]).scatter(1, index, 1 / index.shape[1])
        return chosen.flatten(1, 2), index, hard

    def _image_tokens(self, flat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, index, weights = self.select(flat.unflatten(1, self.shapes["face_tokens"]))
        if self.fusion == "cross_attention":
            x = self.cross_attention(self.query_tokens.expand(len(x), -1, -1), x, x, need_weights=False)[0]
        elif self.fusion == "mlp":
            x = self.mlp_down(F.gelu(self.mlp_up(x)))
        return x + self.token_type_embeddings.weight[0], index, weights

    def _eeg_tokens(self, flat: Tensor) -> Tensor:
        x = self.layernorm(flat.unflatten(1, (-1, self.shapes["eeg"][1])))
        return self.eeg_proj(x).relu() + self.token_type_embeddings.weight[1]

    def fuse(self, streams: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """Scores, representation, positions and weights of samples that have the same streams."""
        some = next(iter(streams.values()))
        n, k = len(some), 1 if self.selection in ("none", "amil") else self.config["n_selected"]
        index = torch.full((n, k), -1, device=some.device)
        weights = some.new_zeros(n, self.shapes["face_tokens"][0])
        parts = [self.cls_token.expand(n, -1, -1)]
        if "face_tokens" in streams:
            tokens, index, weights = self._image_tokens(streams["face_tokens"])
            parts.append(tokens)
        if "eeg" in streams:
            parts.append(self._eeg_tokens(streams["eeg"]))
        first = self.transformer_encoder(torch.cat(parts, 1))[:, 0]
        return self.classifier(self.dropout(first)), first, index, weights

    def forward(
        self,
        inputs: Mapping[str, Tensor],
        present: Mapping[str, Tensor] | None = None,
        alpha: float = 0.0,
    ) -> NetworkOutput:
        """Class scores; ``eeg`` (B, channels, samples) and ``face_tokens`` (B, N, tokens, width), or flat."""
        groups = group_by_presence(inputs, present, sizes=self.sizes)
        logits, first, index, weights = by_group(groups, groups.streams, self.fuse)
        return NetworkOutput(logits=logits, representation=first, selected=index, attention=weights)


def create(
    *,
    sizes: Mapping[str, int] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    n_classes: int = 4,
    selection: Literal["none", "softmax", "amil", "attention_topk", "attention_weighted_topk"] = (
        "attention_weighted_topk"
    ),
    n_selected: int = 3,
    fusion: Literal["cross_attention", "mlp", "none"] = "cross_attention",
    n_queries: int = QUERIES,
    depth: int = 2,
    num_heads: int = 12,
    hidden: int = 2048,
    seed: int = 0,
) -> MilmerReleased:
    """The released network with fresh weights.

    ``shapes`` gives (channels, samples) of ``eeg`` and (images, tokens, width) of ``face_tokens``; as
    published they are (32, 384) and (10, 49, 768), and with ``attention_topk`` or
    ``attention_weighted_topk`` that width asks for 5.7 GB of weights.
    """
    for option, value, known in (("selection", selection, SELECTIONS), ("fusion", fusion, FUSIONS)):
        if value not in known:
            raise UnknownNameError(option, value, known)
    found = stream_shapes(OWNER, sizes, shapes, SHAPES)
    if set(found) != set(SHAPES):
        raise InputError(
            f"released {OWNER} was asked for streams {sorted(found)}", expected=str(list(SHAPES))
        )
    for stream, default in SHAPES.items():
        if len(found[stream]) != len(default):
            raise InputError(
                f"released {OWNER}: stream {stream!r} has the shape {found[stream]}",
                expected=f"{len(default)} axes, such as {default}",
            )
    check_positive(
        f"released {OWNER}", n_classes=n_classes, n_selected=n_selected, n_queries=n_queries, depth=depth,
        num_heads=num_heads, hidden=hidden,
    )  # fmt: skip
    images, _, width = found["face_tokens"]
    if width % num_heads:
        raise InputError(f"num_heads = {num_heads}", expected=f"a divisor of the width {width}")
    if n_selected > images:
        raise InputError(f"n_selected = {n_selected}", expected=f"at most the {images} images of a sample")
    config = {
        "sizes": {s: math.prod(shape) for s, shape in found.items()},
        "shapes": {s: list(shape) for s, shape in found.items()},
        "n_classes": n_classes,
        "selection": selection,
        "n_selected": n_selected,
        "fusion": fusion,
        "n_queries": n_queries,
        "depth": depth,
        "num_heads": num_heads,
        "hidden": hidden,
        "seed": seed,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MilmerReleased(config)


def _of_method(key: str, selection: str, fusion: str) -> bool:
    """Whether this selection and fusion use the published layer."""
    methods = next((m for start, m in METHODS.items() if key.startswith(start)), (selection,))
    return selection in methods or fusion in methods


def load(
    state_dict: Mapping[str, Any],
    *,
    num_heads: int,
    selection: str,
    fusion: str,
    n_selected: int = 3,
    recipe: str = "released",
) -> nn.Module:
    """See :func:`mien.models.load_released`.

    ``selection`` and ``fusion`` say which of the published methods; layers of the others are passed over. A
    published network that was trained on a GPU has no ``cls_token`` in its state dict: the token stayed at
    its random start and was never saved, so that such weights cannot be used by anyone.
    """
    if recipe != "released":
        raise InputError(
            f"corrected {OWNER!r} has other layers, for which there are no published weights",
            expected='recipe="released"',
        )
    for option, value, known in (("selection", selection, SELECTIONS), ("fusion", fusion, FUSIONS)):
        if value not in known:
            raise UnknownNameError(option, value, known)
    state = _load.as_tensors({k: v for k, v in state_dict.items() if _of_method(k, selection, fusion)})
    first = "transformer_encoder.layers.{}.linear1.weight"
    ndim = {
        "instance_weights": 2, "eeg_proj.weight": 2, "classifier.weight": 2, first.format(0): 2,
    }  # fmt: skip
    if fusion == "cross_attention":
        ndim["query_tokens"] = 3
    if selection.startswith("attention"):
        ndim["topk_value_proj.weight"] = 2
    _load.need(OWNER, state, ndim)
    depth = 1
    while first.format(depth) in state:
        depth += 1
    width, samples = state["eeg_proj.weight"].shape
    tokens = SHAPES["face_tokens"][1]
    if selection.startswith("attention"):
        tokens = max(len(state["topk_value_proj.weight"]) // width, 1)
    with torch.device("meta"):
        network = create(
            shapes={
                "eeg": (SHAPES["eeg"][0], samples),
                "face_tokens": (state["instance_weights"].shape[1], tokens, width),
            },
            n_classes=len(state["classifier.weight"]),
            selection=selection,  # type: ignore[arg-type]
            n_selected=n_selected,
            fusion=fusion,  # type: ignore[arg-type]
            n_queries=state["query_tokens"].shape[1] if fusion == "cross_attention" else QUERIES,
            depth=depth,
            num_heads=num_heads,
            hidden=len(state[first.format(0)]),
        )
    return _load.load_state(OWNER, network.to_empty(device="cpu"), state)
