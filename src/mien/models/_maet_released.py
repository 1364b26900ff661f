"""MAET as its authors released it: same layers, same names, same order of operations.

It exists so that published weights and numbers can be checked; :mod:`mien.models.maet` is the one to use.
What it does that ours does not: the domain head reads token 0 of the first stream only, which a single
stream's class head never reads and which leaves the eye tokens of a pair untouched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.core import InputError
from mien.models._network import NetworkOutput, check_positive, group_by_presence, reverse_gradient

STREAMS = ("eeg", "eye")
EXPERT = {"eeg": "text", "eye": "imag"}
EPS = 1e-6


class MultiViewEmbedding(nn.Module):
    """Tokens ``BN((W1 x) * sigmoid(W2 x)_h)``, h = 1 … tokens; (B, size) → (B, tokens, width)."""

    def __init__(self, size: int, width: int, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.transform1 = nn.Linear(size, width)
        self.transform2 = nn.Linear(size, width * tokens)
        self.bn = nn.BatchNorm1d(width)

    def forward(self, x: Tensor) -> Tensor:
        views = self.transform2(x).unflatten(1, (self.tokens, -1)).sigmoid()
        return self.bn((self.transform1(x).unsqueeze(1) * views).transpose(1, 2)).transpose(1, 2)


class Attention(nn.Module):
    """Self-attention with biases for queries and values, none for keys."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        bias = torch.cat([self.q_bias, torch.zeros_like(self.v_bias), self.v_bias])
        qkv = F.linear(x, self.qkv.weight, bias)
        q, k, v = qkv.unflatten(2, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        weights = ((q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """Linear, GELU, linear."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    """Pre-norm block with an expert per stream and, in the later blocks, one for both together."""

    def __init__(
        self, width: int, num_heads: int, hidden: int, *, layer_scale: float, both: bool, prompt_len: int
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.attn = Attention(width, num_heads)
        for kind in ("text", "imag", *(["vl"] if both else [])):
            self.add_module(f"norm2_{kind}", nn.LayerNorm(width, eps=EPS))
            self.add_module(f"mlp_{kind}", Mlp(width, hidden))
        self.gamma_1 = nn.Parameter(torch.full((width,), layer_scale))
        self.gamma_2 = nn.Parameter(torch.full((width,), layer_scale))
        self.both, self.prompt_len = both, prompt_len
        if prompt_len:
            for stream in STREAMS:
                self.register_parameter(
                    f"{stream}_prompt", nn.Parameter(torch.randn(1, prompt_len, width) * 0.02)
                )

    def _expert(self, x: Tensor, kind: str) -> Tensor:
        hidden = self.get_submodule(f"norm2_{kind}")(x)
        return x + self.gamma_2 * self.get_submodule(f"mlp_{kind}")(hidden)

    def forward(self, x: Tensor, streams: tuple[str, ...], lengths: list[int]) -> Tensor:
        n_tokens = x.shape[1]
        if len(streams) == 1 and self.prompt_len:
            prompt = self.get_parameter(f"{streams[0]}_prompt")
            x = torch.cat([x, prompt.expand(len(x), -1, -1)], 1)
        x = x + self.gamma_1 * self.attn(self.norm1(x))
        if len(streams) == 1:
            return self._expert(x, EXPERT[streams[0]])[:, :n_tokens]
        if self.both:
            return self._expert(x, "vl")
        pieces = zip(x.split(lengths, 1), streams, strict=True)
        return torch.cat([self._expert(piece, EXPERT[stream]) for piece, stream in pieces], 1)


class MAETReleased(nn.Module):
    """The released network; see :func:`create` for its options."""

    kind = "network"

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = config
        c = config
        self.sizes: dict[str, int] = dict(c["sizes"])
        self.lengths = {"eeg": c["eeg_seq_len"] + 1, "eye": c["eye_seq_len"] + 1}
        width = c["embed_dim"]
        for stream, size in self.sizes.items():
            n_tokens = self.lengths[stream]
            self.add_module(f"{stream}_transform", MultiViewEmbedding(size, width, n_tokens - 1))
            for name, length in (("cls_token", 1), ("pos_embed", n_tokens), ("type_embed", 1)):
                value = nn.Parameter(torch.randn(1, length, width) * 0.02)
                self.register_parameter(f"{stream}_{name}", value)
        self.blocks = nn.ModuleList(
            Block(
                width,
                c["num_heads"],
                c["hidden"],
                layer_scale=c["layer_scale"],
                both=index >= c["mixffn_start_layer_index"],
                prompt_len=c["prompt_len"],
            )
            for index in range(c["depth"])
        )
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.fusion = nn.ParameterDict({"weight": nn.Parameter(torch.randn(width, 1) * 0.02)})
        self.head = nn.Linear(width, c["n_classes"])
        self.head_eeg = nn.Linear(width, c["n_classes"])
        self.head_eye = nn.Linear(width, c["n_classes"])
        self.domain_classifier = (
            nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, c["n_domains"]))
            if c["n_domains"]
            else None
        )

    def _embed(self, stream: str, x: Tensor) -> Tensor:
        tokens = self.get_submodule(f"{stream}_transform")(x)
        cls = self.get_parameter(f"{stream}_cls_token").expand(len(x), -1, -1)
        place = self.get_parameter(f"{stream}_pos_embed") + self.get_parameter(f"{stream}_type_embed")
        return torch.cat([cls, tokens], 1) + place

    def _run(self, tokens: list[Tensor], streams: tuple[str, ...]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Class scores, token 0, what the class head reads, and the gate of one group of samples."""
        lengths = [self.lengths[stream] for stream in streams]
        x = torch.cat(tokens, 1)
        for block in self.blocks:
            x = block(x, streams, lengths)
        x = self.norm(x)
        gate = x.new_zeros(len(x), len(STREAMS))
        if len(streams) == 1:
            pooled = x[:, 1:].mean(1)
            gate[:, STREAMS.index(streams[0])] = 1.0
            return self.get_submodule(f"head_{streams[0]}")(pooled), x[:, 0], pooled, gate
        cls = torch.stack([x[:, 0], x[:, lengths[0]]], 1)
        gate = (cls @ self.fusion["weight"]).squeeze(2).softmax(1)
        pooled = (gate.unsqueeze(2) * cls).sum(1)
        return self.head(pooled), x[:, 0], pooled, gate

    def forward(
        self,
        inputs: Mapping[str, Tensor],
        present: Mapping[str, Tensor] | None = None,
        alpha: float = 0.0,
    ) -> NetworkOutput:
        """Class scores of a batch; arguments as for :class:`mien.models.maet.MAET`."""
        groups = group_by_presence(inputs, present, sizes=self.sizes)
        tokens = {stream: self._embed(stream, x) for stream, x in groups.streams.items()}
        used = dict.fromkeys(tokens, 0)
        results = []
        for streams, count in groups.parts:
            pieces = [tokens[s].narrow(0, used[s], count) for s in streams]
            used.update({s: used[s] + count for s in streams})
            results.append(self._run(pieces, streams))
        logits, first, pooled, gate = (torch.cat(part) for part in zip(*results, strict=True))
        if groups.undo is not None:
            logits, first, pooled, gate = (part[groups.undo] for part in (logits, first, pooled, gate))
        domain = None
        if self.domain_classifier is not None:
            domain = self.domain_classifier(reverse_gradient(first, alpha=alpha))
        return NetworkOutput(logits=logits, domain_logits=domain, representation=pooled, gate=gate)


def create(
    *,
    sizes: Mapping[str, int] | None = None,
    n_classes: int = 7,
    embed_dim: int = 32,
    eeg_seq_len: int = 5,
    eye_seq_len: int = 5,
    depth: int = 3,
    num_heads: int = 4,
    mixffn_start_layer_index: int = 2,
    hidden: int | None = None,
    layer_scale: float = 0.1,
    n_domains: int = 0,
    prompt_len: int = 0,
    seed: int = 0,
) -> MAETReleased:
    """The released network with fresh weights.

    ``sizes`` must name ``eeg`` and ``eye`` (default 310 and 33 values), ``hidden`` is the width of the
    feed-forward layers (default four times ``embed_dim``); the other options carry their published names.
    """
    sizes = {"eeg": 310, "eye": 33} if sizes is None else {s: int(sizes[s]) for s in STREAMS if s in sizes}
    if set(sizes) != set(STREAMS):
        raise InputError(f"released MAET was asked for streams {sorted(sizes)}", expected="'eeg' and 'eye'")
    hidden = 4 * embed_dim if hidden is None else hidden
    check_positive(
        "released MAET", n_classes=n_classes, embed_dim=embed_dim, eeg_seq_len=eeg_seq_len,
        eye_seq_len=eye_seq_len, depth=depth, num_heads=num_heads, hidden=hidden, **sizes,
    )  # fmt: skip
    if embed_dim % num_heads:
        raise InputError(f"num_heads = {num_heads}", expected=f"a divisor of the width {embed_dim}")
    config = {
        "sizes": sizes,
        "n_classes": n_classes,
        "embed_dim": embed_dim,
        "eeg_seq_len": eeg_seq_len,
        "eye_seq_len": eye_seq_len,
        "depth": depth,
        "num_heads": num_heads,
        "mixffn_start_layer_index": mixffn_start_layer_index,
        "hidden": hidden,
        "layer_scale": layer_scale,
        "n_domains": n_domains,
        "prompt_len": prompt_len,
        "seed": seed,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MAETReleased(config)


def _infer(shapes: Mapping[str, tuple[int, ...]], num_heads: int) -> dict[str, Any]:
    """Options of the network that a state dict belongs to."""
    needed = {
        "eeg_transform.transform1.weight": 2,
        "eye_transform.transform1.weight": 2,
        "eeg_pos_embed": 3,
        "eye_pos_embed": 3,
        "blocks.0.mlp_text.fc1.weight": 2,
        "head.weight": 2,
    }
    missing = [k for k in needed if k not in shapes]
    wrong = [f"{k} {shapes[k]}" for k, ndim in needed.items() if k in shapes and len(shapes[k]) != ndim]
    if missing or wrong:
        raise _mismatch(missing, [], wrong)
    indices = [int(k.split(".")[1]) for k in shapes if k.startswith("blocks.") and k.split(".")[1].isdigit()]
    depth = max(indices) + 1
    both = [i for i in range(depth) if f"blocks.{i}.mlp_vl.fc1.weight" in shapes]
    domain = shapes.get("domain_classifier.2.weight", (0,))
    prompt = shapes.get("blocks.0.eeg_prompt", (1, 0, 0))
    return {
        "sizes": {s: shapes[f"{s}_transform.transform1.weight"][1] for s in STREAMS},
        "n_classes": shapes["head.weight"][0],
        "embed_dim": shapes["eeg_transform.transform1.weight"][0],
        "eeg_seq_len": shapes["eeg_pos_embed"][1] - 1,
        "eye_seq_len": shapes["eye_pos_embed"][1] - 1,
        "depth": depth,
        "num_heads": num_heads,
        "mixffn_start_layer_index": min(both, default=depth),
        "hidden": shapes["blocks.0.mlp_text.fc1.weight"][0],
        "n_domains": domain[0] if domain else 0,
        "prompt_len": prompt[1] if len(prompt) == 3 else 0,
    }


def _mismatch(missing: list[str], unexpected: list[str], wrong: list[str]) -> InputError:
    parts = {"missing": missing, "unexpected": unexpected, "of the wrong shape": wrong}
    text = "; ".join(f"{len(keys)} {what}: {', '.join(keys)}" for what, keys in parts.items() if keys)
    return InputError(
        f"state dict does not fit released MAET: {text}",
        remedy="give the state dict of the published network, names unchanged",
    )


def load(state_dict: Mapping[str, Any], *, num_heads: int, recipe: str = "released") -> nn.Module:
    """See :func:`mien.models.load_released`."""
    state = {}
    for key, value in state_dict.items():
        tensor = value if isinstance(value, Tensor) else torch.from_numpy(np.array(value))
        state[key] = tensor.detach().clone()
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    network = create(**_infer(shapes, num_heads))
    expected = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    missing = sorted(expected.keys() - shapes.keys())
    unexpected = sorted(shapes.keys() - expected.keys())
    wrong = [
        f"{key} {shapes[key]} instead of {shape}"
        for key, shape in expected.items()
        if key in shapes and shapes[key] != shape
    ]
    if missing or unexpected or wrong:
        raise _mismatch(missing, unexpected, wrong)
    network.load_state_dict(state)
    return (network if recipe == "released" else to_corrected(network)).eval()


def to_corrected(network: MAETReleased) -> nn.Module:
    """Our network with the weights of a released one; same class scores, whichever streams are present.

    The domain head comes along, but reads what is classified instead of token 0.
    """
    from mien.models.maet import MAET

    c = network.config
    if c["eeg_seq_len"] != c["eye_seq_len"]:
        raise InputError(
            f"the streams have {c['eeg_seq_len']} and {c['eye_seq_len']} tokens",
            expected="the same number for a corrected network",
            remedy='use recipe="released"',
        )
    ours = MAET(
        sizes=c["sizes"],
        n_classes=c["n_classes"],
        embed_dim=c["embed_dim"],
        tokens=c["eeg_seq_len"],
        depth=c["depth"],
        num_heads=c["num_heads"],
        expert_blocks=min(c["mixffn_start_layer_index"], c["depth"]),
        mlp_ratio=c["hidden"] / c["embed_dim"],
        layer_scale=c["layer_scale"],
        embed_dropout=0.0,
        n_domains=c["n_domains"],
        prompt_length=c["prompt_len"],
        seed=c["seed"],
    )
    theirs = network.state_dict()
    state = {}
    for key, value in ours.state_dict().items():
        parts = [theirs[name] for name in _published_names(key)]
        state[key] = torch.cat(parts).reshape(value.shape) if value.ndim else parts[0]
    ours.load_state_dict(state)
    return ours


def _published_names(key: str) -> list[str]:
    """Published names of the tensors that one of ours is made of, stacked in this order."""
    head, *rest = key.split(".")
    tail = ".".join(rest)
    if head == "embed":
        stream, what = tail.split(".", 1)
        own = {"cls": "cls_token", "position": "pos_embed", "sign": "type_embed"}
        if what in own:
            return [f"{stream}_{own[what]}"]
        if what.startswith("views."):
            leaf = what.removeprefix("views.")
            return [f"{stream}_transform.transform1.{leaf}", f"{stream}_transform.transform2.{leaf}"]
        return [f"{stream}_transform.bn.{what.removeprefix('norm.')}"]
    if head == "blocks":
        index, part, *inner = rest
        start = f"blocks.{index}"
        if part in ("experts", "joint"):
            kind = "vl" if part == "joint" else EXPERT[inner.pop(0)]
            layer = f"norm2_{kind}" if inner[0] == "norm" else f"mlp_{kind}.{inner[0]}"
            return [f"{start}.{layer}.{inner[1]}"]
        if part == "prompts":
            return [f"{start}.{inner[0]}_prompt"]
        inside = {
            "qkv": "attn.qkv",
            "proj": "attn.proj",
            "norm": "norm1",
            "q_bias": "attn.q_bias",
            "v_bias": "attn.v_bias",
        }
        return [".".join([start, inside.get(part, part), *inner])]
    if head == "heads":
        return [f"head_{tail}"]
    if head == "gate":
        return ["fusion.weight"]
    if head == "joint_head":
        return [f"head.{tail}"]
    if head == "domain_head":
        return [f"domain_classifier.{tail}"]
    return [key]
