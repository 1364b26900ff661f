"""MAET, the multimodal adaptive emotion transformer, for any number of named streams.

Each stream of a sample, one vector, becomes a few tokens; the tokens of the streams that are there attend to
one another; feed-forward layers are each stream's own in the early blocks and shared in the later ones. With
one stream the class is read from the mean of its tokens, with several from their class tokens, weighted by a
gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.core import Batch, InputError, registered
from mien.models._network import NetworkOutput, check_positive, group_by_presence, reverse_gradient

EPS = 1e-6
KEPT = 25
"""Values of a stream that input dropout leaves on average: a narrow stream has no two that say the same."""


class _Embedding(nn.Module):
    """One stream's vector as tokens: (B, size) → (B, 1 + tokens, width), the class token first.

    Token h is ``BN((W1 x) * sigmoid(W2 x)_h)`` plus a learnt position and a learnt sign of the stream; W1 and
    W2 are the rows of one matrix.
    """

    def __init__(self, size: int, width: int, tokens: int) -> None:
        super().__init__()
        self.width = width
        self.views = nn.Linear(size, (1 + tokens) * width)
        self.norm = nn.BatchNorm1d(width)
        self.cls = nn.Parameter(torch.randn(1, width) * 0.02)
        self.position = nn.Parameter(torch.randn(1 + tokens, width) * 0.02)
        self.sign = nn.Parameter(torch.randn(1, width) * 0.02)

    def forward(self, x: Tensor) -> Tensor:
        views = self.views(x).unflatten(1, (-1, self.width))
        tokens = views[:, :1] * views[:, 1:].sigmoid()
        norm = self.norm
        # statistics of one sample mean nothing, and those of a frozen layer stay as they are
        learn = self.training and len(x) > 1 and norm.weight.requires_grad
        flat = F.batch_norm(
            tokens.flatten(0, 1),
            norm.running_mean,
            norm.running_var,
            norm.weight,
            norm.bias,
            training=learn,
            momentum=0.1,
            eps=norm.eps,
        )
        place = self.position + self.sign
        return torch.cat(
            [
                (self.cls + place[:1]).expand(len(x), 1, -1),
                flat.view_as(tokens) + place[1:],
            ],
            1,
        )


def _scaled(layer: nn.Linear, x: Tensor, gamma: Tensor) -> Tensor:
    """``gamma * layer(x)``, the factor applied to the few weights instead of the many values."""
    return F.linear(x, layer.weight * gamma.unsqueeze(1), layer.bias * gamma)


class _Expert(nn.Module):
    """``gamma`` times: norm, linear, GELU, linear."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor, gamma: Tensor) -> Tensor:
        return _scaled(self.fc2, F.gelu(self.fc1(self.norm(x))), gamma)


class _Block(nn.Module):
    """Attention over all tokens, then each stream's expert, or one for all where several are present."""

    def __init__(self, streams: list[str], config: Mapping[str, Any], *, shared: bool) -> None:
        super().__init__()
        width = config["embed_dim"]
        hidden = round(width * config["mlp_ratio"])
        self.num_heads, self.dropout = config["num_heads"], config["dropout"]
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.proj = nn.Linear(width, width)
        self.experts = nn.ModuleDict({s: _Expert(width, hidden) for s in streams})
        self.joint = _Expert(width, hidden) if shared and len(streams) > 1 else None
        self.gamma_1 = nn.Parameter(torch.full((width,), config["layer_scale"]))
        self.gamma_2 = nn.Parameter(torch.full((width,), config["layer_scale"]))
        length = config["prompt_length"]
        self.prompts = nn.ParameterDict(
            {s: nn.Parameter(torch.randn(length, width) * 0.02) for s in streams} if length else {}
        )

    def _heads(self, x: Tensor) -> Tensor:
        """(B, tokens, width) → (B × heads, tokens, width of a head)."""
        return x.unflatten(2, (self.num_heads, -1)).transpose(1, 2).flatten(0, 1)

    def _attend(self, x: Tensor, prompt: Tensor | None, first_of: int) -> Tensor:
        """``gamma_1`` times what the tokens, or the first of every few, gather from all and the prompt."""
        width = x.shape[2]
        bias = torch.cat([self.q_bias, torch.zeros_like(self.v_bias), self.v_bias])
        if prompt is None and first_of == 1:
            q, k, v = F.linear(self.norm(x), self.qkv.weight, bias).split(width, 2)
        else:
            asking = self.norm(x[:, ::first_of])
            answering = x if prompt is None else torch.cat([x, prompt.expand(len(x), -1, -1)], 1)
            q = F.linear(asking, self.qkv.weight[:width], self.q_bias)
            k, v = F.linear(self.norm(answering), self.qkv.weight[width:], bias[width:]).split(width, 2)
        q, k, v = self._heads(q * (width // self.num_heads) ** -0.5), self._heads(k), self._heads(v)
        # for a dozen tokens two matrix products are faster than torch's fused attention
        out = torch.bmm(torch.bmm(q, k.transpose(1, 2)).softmax(2), v)
        return _scaled(self.proj, out.unflatten(0, (len(x), -1)).transpose(1, 2).flatten(2), self.gamma_1)

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training) if self.dropout else x

    def forward(self, x: Tensor, streams: tuple[str, ...], first_of: int = 1) -> Tensor:
        """Tokens (B, streams × per stream, width) in the order of ``streams`` → the same.

        ``first_of = n`` gives the first of every n tokens only, for a last block whose others nobody reads.
        """
        prompt = self.prompts[streams[0]] if len(streams) == 1 and len(self.prompts) else None
        x = x[:, ::first_of] + self._drop(self._attend(x, prompt, first_of))
        if len(streams) > 1 and self.joint is not None:
            hidden = self.joint(x, self.gamma_2)
        elif len(streams) == 1:
            hidden = self.experts[streams[0]](x, self.gamma_2)
        else:
            pieces = zip(x.chunk(len(streams), 1), streams, strict=True)
            hidden = torch.cat([self.experts[stream](piece, self.gamma_2) for piece, stream in pieces], 1)
        return x + self._drop(hidden)


@registered
class MAET(nn.Module):
    """Multimodal adaptive emotion transformer.

    Parameters
    ----------
    sizes
        Stream name to number of values a sample has in it; default ``{"eeg": 310, "eye": 33}``. The order
        does not matter: the network keeps them sorted by name.
    n_classes
        Number of classes.
    embed_dim, tokens, depth, num_heads, mlp_ratio, layer_scale
        Width, tokens made of each stream, blocks, attention heads, width of the feed-forward layers over
        ``embed_dim``, and the first value of the factors on each residual branch.
    expert_blocks
        How many blocks, from the first, give each stream a feed-forward layer of its own; in the others, a
        sample with several streams uses one for all.
    dropout
        Probability with which an element of a residual branch, or of what is classified, is dropped in
        training.
    embed_dropout
        The same for the streams' values as they come in. There are many, and they say much the same; without
        it the network learns the training clips by heart. Of a stream with few values fewer are dropped:
        :data:`KEPT` stay on average.
    n_domains
        Classes of the domain head (training subjects), 0 for none. It reads what the class head reads,
        through a reversal of gradients.
    prompt_length
        Learnt prompts per block and stream. They are looked at where a stream is on its own, and adapt a
        network trained on several streams to that without touching what it does with several.
    seed
        Of the first weights; the global random state is not used.

    Notes
    -----
    Jiang et al., "Multimodal Adaptive Emotion Transformer with Flexible Modality Inputs on A Novel Dataset
    with Continuous Labels", ACM MM 2023, and "SEED-VII", IEEE Trans. Affective Computing 16(2), 2025. With
    two streams and without domain head it computes the same function as the published code (the weights can
    be carried over); ``docs/models/maet.md`` lists what differs.
    """

    kind = "network"

    def __init__(
        self,
        *,
        sizes: Mapping[str, int] | None = None,
        n_classes: int = 7,
        embed_dim: int = 32,
        tokens: int = 5,
        depth: int = 3,
        num_heads: int = 4,
        expert_blocks: int = 2,
        mlp_ratio: float = 4.0,
        layer_scale: float = 0.1,
        dropout: float = 0.0,
        embed_dropout: float = 0.6,
        n_domains: int = 0,
        prompt_length: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        sizes = {"eeg": 310, "eye": 33} if sizes is None else sizes
        self.sizes = {name: int(sizes[name]) for name in sorted(sizes)}
        self.config: dict[str, Any] = {
            "sizes": dict(self.sizes),
            "n_classes": n_classes,
            "embed_dim": embed_dim,
            "tokens": tokens,
            "depth": depth,
            "num_heads": num_heads,
            "expert_blocks": expert_blocks,
            "mlp_ratio": mlp_ratio,
            "layer_scale": layer_scale,
            "dropout": dropout,
            "embed_dropout": embed_dropout,
            "n_domains": n_domains,
            "prompt_length": prompt_length,
            "seed": seed,
        }
        if not self.sizes:
            raise InputError("MAET: no streams", expected="at least one in sizes")
        check_positive(
            "MAET", n_classes=n_classes, embed_dim=embed_dim, tokens=tokens, depth=depth,
            num_heads=num_heads, **self.sizes,
        )  # fmt: skip
        if embed_dim % num_heads:
            raise InputError(f"MAET: num_heads = {num_heads}", expected=f"a divisor of embed_dim {embed_dim}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._build(self.config)

    def _build(self, config: Mapping[str, Any]) -> None:
        width, n_classes = config["embed_dim"], config["n_classes"]
        streams = list(self.sizes)
        several = len(streams) > 1
        self.embed = nn.ModuleDict(
            {name: _Embedding(size, width, config["tokens"]) for name, size in self.sizes.items()}
        )
        self.blocks = nn.ModuleList(
            _Block(streams, config, shared=index >= config["expert_blocks"])
            for index in range(config["depth"])
        )
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.heads = nn.ModuleDict({name: nn.Linear(width, n_classes) for name in streams})
        self.gate = nn.Parameter(torch.randn(width) * 0.02) if several else None
        self.joint_head = nn.Linear(width, n_classes) if several else None
        self.domain_head = (
            nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, config["n_domains"]))
            if config["n_domains"]
            else None
        )

    def _run(self, tokens: list[Tensor], streams: tuple[str, ...]) -> tuple[Tensor, Tensor, Tensor]:
        """Class scores, what they are read from, and the gate of samples that have the same streams."""
        x = tokens[0] if len(tokens) == 1 else torch.cat(tokens, 1)
        per_stream = tokens[0].shape[1]
        *early, last = self.blocks
        for block in early:
            x = block(x, streams)
        share = x.new_zeros(len(x), len(self.sizes))
        order = list(self.sizes)
        if len(streams) == 1:
            pooled = self.norm(last(x, streams)[:, 1:]).mean(1)
            head = self.heads[streams[0]]
            share[:, order.index(streams[0])] = 1.0
        else:
            assert self.gate is not None
            assert self.joint_head is not None
            cls = self.norm(last(x, streams, per_stream))
            gate = (cls @ self.gate).softmax(1)
            pooled = (gate.unsqueeze(1) @ cls).squeeze(1)
            head = self.joint_head
            share[:, [order.index(s) for s in streams]] = gate
        rate = self.config["dropout"]
        pooled = F.dropout(pooled, rate, self.training) if rate else pooled
        return head(pooled), pooled, share

    def _drop_values(self, x: Tensor, stream: str) -> Tensor:
        rate = min(self.config["embed_dropout"], 1 - KEPT / max(self.sizes[stream], KEPT))
        return F.dropout(x, rate, self.training) if rate else x

    def forward(
        self,
        inputs: Mapping[str, Tensor],
        present: Mapping[str, Tensor] | None = None,
        alpha: float = 0.0,
    ) -> NetworkOutput:
        """Class scores of a batch.

        Parameters
        ----------
        inputs
            Stream name to tensor (B, …) with ``sizes[name]`` values a sample; any non-empty subset of the
            network's streams.
        present
            Stream name to boolean tensor (B,): which samples have it. Streams not named are there in all.
            Rows of absent samples are not looked at.
        alpha
            Strength of the gradient that the domain head sends back, reversed.

        Raises
        ------
        InputError
            If a stream is unknown or has the wrong size, or if a sample has none.
        """
        groups = group_by_presence(inputs, present, sizes=self.sizes)
        tokens = {
            stream: self.embed[stream](self._drop_values(x, stream))
            for stream, x in groups.streams.items()
            if len(x)
        }
        used = dict.fromkeys(tokens, 0)
        results = []
        for streams, count in groups.parts:
            pieces = [tokens[s].narrow(0, used[s], count) for s in streams]
            used.update({s: used[s] + count for s in streams})
            results.append(self._run(pieces, streams))
        logits, pooled, gate = (torch.cat(part) for part in zip(*results, strict=True))
        if groups.undo is not None:
            logits, pooled, gate = logits[groups.undo], pooled[groups.undo], gate[groups.undo]
        domain = None
        if self.domain_head is not None:
            domain = self.domain_head(reverse_gradient(pooled, alpha=alpha))
        return NetworkOutput(logits=logits, domain_logits=domain, representation=pooled, gate=gate)

    def freeze_for_prompts(self) -> list[str]:
        """Let only the prompts and the single-stream heads be trained; their names.

        What the network does with several streams stays as it is. Batch statistics are frozen, too.
        """
        if not self.config["prompt_length"]:
            raise InputError("this MAET has no prompts", expected="prompt_length of at least 1")
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(".prompts." in name or name.startswith("heads."))
        return [name for name, parameter in self.named_parameters() if parameter.requires_grad]


def example() -> Batch:
    """Twelve made-up samples with EEG and eye features; two lack the eyes and one the EEG."""
    rng = np.random.default_rng(0)
    n = 12
    present = {"eeg": np.ones(n, bool), "eye": np.ones(n, bool)}
    present["eye"][[3, 7]] = False
    present["eeg"][5] = False
    inputs = {
        name: (rng.standard_normal((n, size)) * present[name][:, None]).astype(np.float32)
        for name, size in {"eeg": 310, "eye": 33}.items()
    }
    return Batch(
        ids=tuple(f"sample{i}" for i in range(n)),
        inputs=inputs,
        present=present,
        label=np.arange(n, dtype=np.int64) % 7,
        domain=np.arange(n, dtype=np.int64) % 3,
        weight=np.ones(n, np.float32),
    )
