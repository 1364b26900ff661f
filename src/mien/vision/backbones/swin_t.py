"""Swin-T, the backbone of Milmer: 49 tokens of 768 from pictures of 224 x 224.

Liu et al., "Swin Transformer: Hierarchical vision transformer using shifted windows", ICCV 2021
(arXiv:2103.14030), as transformers has it. No package brings weights: they are files of yours.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from mien.core import InputError, MissingPackageError, registered
from mien.vision.backbones._base import Backbone, side_of
from mien.vision.backbones._weights import read_safetensors

SIDE, DIM = 224, 768
GEOMETRY: dict[str, Any] = {
    "patch_size": 4,
    "num_channels": 3,
    "embed_dim": 96,
    "depths": [2, 2, 6, 2],
    "num_heads": [3, 6, 12, 24],
    "window_size": 7,
    "mlp_ratio": 4.0,
    "qkv_bias": True,
    "hidden_act": "gelu",
    "use_absolute_embeddings": False,
}
"""What makes a Swin Transformer a Swin-T, in the words of ``config.json``."""
_CONFIG, _WEIGHTS = "config.json", "model.safetensors"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


@registered
class SwinT(Backbone):
    """Swin-T without its classifier: the normalised output of the last stage, 27,519,354 parameters."""

    def __init__(
        self, *, weights: str | Path | None = None, image_size: int | None = None, random: bool = False
    ) -> None:
        try:
            from transformers import SwinConfig, SwinModel
        except ImportError as fault:
            raise MissingPackageError("transformers", "the backbone 'swin_t'") from fault

        side = side_of(image_size, default=SIDE, multiple=32, least=SIDE)
        super().__init__(dim=DIM, n_tokens=(side // 32) ** 2, image_size=side)
        config = SwinConfig(image_size=SIDE, **GEOMETRY)
        if random:
            self.body = SwinModel(config, add_pooling_layer=False)
        else:
            self.body = _loaded(config, find_weights(weights)[-1])

    def tokens(self, images: Tensor) -> Tensor:
        """Tokens (n, (image_size / 32)², 768) of prepared pictures."""
        found: Tensor = self.body(images).last_hidden_state
        return found


def find_weights(weights: str | Path | None) -> tuple[Path, ...]:
    """The files of weights, those of the network last.

    Parameters
    ----------
    weights
        A folder with ``config.json`` and ``model.safetensors``, a ``.safetensors`` file, or the name of a
        model of the Hugging Face hub that was downloaded before.

    Raises
    ------
    InputError
        They are not there, are pickled, or ``config.json`` is of another network.
    """
    wanted = (
        "a folder with config.json and model.safetensors, a .safetensors file, or a downloaded model's name"
    )
    if weights is None:
        raise InputError(
            "'swin_t' has no weights of its own",
            expected=f"weights: {wanted}",
            remedy="give weights, or random=True to create() for a fresh network",
        )
    path = Path(weights)
    if path.is_dir():
        return _checked(path / _CONFIG, path / _WEIGHTS)
    if path.is_file():
        if path.suffix != ".safetensors":
            raise InputError("is not a .safetensors file", file=path, expected=wanted, remedy=_CONVERT)
        return (path,)
    if not _HUB_NAME.fullmatch(str(weights)):
        raise InputError("is not there", file=path, expected=wanted)
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError as fault:
        raise MissingPackageError("transformers", "the backbone 'swin_t'") from fault
    found = [try_to_load_from_cache(str(weights), name) for name in (_CONFIG, _WEIGHTS)]
    if not all(isinstance(file, str) for file in found):
        raise InputError(
            f"no file or folder and no downloaded model is called {str(weights)!r}",
            expected=wanted,
            remedy=f"to download it run: hf download {weights} {_CONFIG} {_WEIGHTS}",
        )
    return _checked(*(Path(str(file)) for file in found))


_CONVERT = (
    "pickled weights can run code and are not opened; docs/models/backbones.md says how to convert them"
)


def _checked(config: Path, weights: Path) -> tuple[Path, ...]:
    for file in (config, weights):
        if not file.is_file():
            pickled = sorted(
                p.name for ending in ("bin", "pt", "pth") for p in config.parent.glob(f"*.{ending}")
            )
            what = f"has no {file.name}" + (f" but {pickled[0]}" if pickled else "")
            raise InputError(what, file=config.parent, remedy=_CONVERT if pickled else None)
    try:
        said = json.loads(config.read_text(encoding="utf-8"))
        kind = said.get("model_type")
    except (ValueError, AttributeError) as fault:
        raise InputError("cannot be read as JSON settings", file=config) from fault
    wrong = [] if kind == "swin" else [f"model_type {kind!r} instead of 'swin'"]
    wrong += [f"{key} {said[key]!r} instead of {v!r}" for key, v in GEOMETRY.items() if said.get(key, v) != v]
    if wrong:
        raise InputError(", ".join(wrong), file=config, expected="the settings of Swin-T")
    return config, weights


def _loaded(config: Any, file: Path) -> Any:
    """The network with a file's weights; transformers knows the names that older versions gave them."""
    from transformers import SwinModel

    stored = {
        key: value for key, value in read_safetensors(file).items() if not key.startswith("classifier.")
    }
    load: Any = SwinModel.from_pretrained
    with _quietly():
        body, report = load(
            None,
            config=config,
            state_dict=stored,
            add_pooling_layer=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    missing = sorted(report["missing_keys"])
    strange = sorted(report["mismatched_keys"])
    if missing or strange:
        first = missing[0] if missing else strange[0]
        raise InputError(
            f"lacks {len(missing)} tensors of Swin-T and has {len(strange)} of another shape, first {first}",
            file=file,
            expected="the weights of a Swin-T in the names of transformers",
        )
    return body


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """No progress bar and no report by transformers: what is missing is said by an error."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()
