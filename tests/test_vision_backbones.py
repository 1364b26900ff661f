"""Backbones: what all of them keep to, fixed gradients with known answers, and bounded memory."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from _real import asset
from mien.core import InputError, UnknownNameError, assets
from mien.vision import backbones

REAL = {
    "mobilenet_v2": "mobilenet_v2-b0353104.pth",
    "efficientnet_lite0": "efficientnet-lite0-57934424.pth",
}
"""Files of published weights."""


@pytest.fixture(scope="module")
def made():
    """Each backbone once, with random weights."""
    return {name: backbones.create(name, random=True).eval() for name in backbones.names()}


def faces(n, side=40, seed=0):
    """Smooth made-up pictures."""
    coarse = torch.rand((n, 3, 5, 5), generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(coarse, (side, side), mode="bilinear", align_corners=False)


def test_names_loads_nothing_heavy():
    check = (
        "import sys, mien.vision.backbones as b; assert 'gradients' in b.names()\n"
        "print([m for m in ('torch', 'transformers', 'cv2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unknown_name():
    with pytest.raises(UnknownNameError, match="unknown backbone 'gradient'; did you mean 'gradients'"):
        backbones.create("gradient")


@pytest.mark.parametrize("name", backbones.names())
def test_contract(name, made):
    network = made[name]
    images = faces(2)
    with torch.no_grad():
        tokens = network(images)
        assert tokens.shape == (2, network.n_tokens, network.dim)
        assert tokens.dtype == torch.float32
        assert torch.isfinite(tokens).all()
        # another batch, another blocking of the same sums: float32 rounding
        torch.testing.assert_close(network(images[1:]), tokens[1:], rtol=1e-4, atol=1e-4)
        assert network(faces(1, side=300)).shape == tokens[:1].shape
        assert not torch.equal(tokens[0], tokens[1])
    assert len(network.mean) == len(network.std) == 3
    assert round(network.n_tokens**0.5) ** 2 == network.n_tokens


@pytest.mark.parametrize("name", backbones.names())
def test_random_weights_come_from_the_seed_alone(name, made):
    state = torch.get_rng_state()
    again = backbones.create(name, random=True)
    assert torch.equal(torch.get_rng_state(), state)
    for (key, one), two in zip(made[name].state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(one, two), key
    parameters = list(backbones.create(name, random=True, seed=1).parameters())
    assert not parameters or any(
        not torch.equal(one, two) for one, two in zip(parameters, again.parameters(), strict=True)
    )


@pytest.mark.parametrize("name", backbones.names())
@pytest.mark.parametrize("size", [0, 45, True, 33.0])
def test_sizes_that_cannot_be(name, size):
    with pytest.raises(InputError, match=r"image_size .*expected a multiple of \d+.*, such as \d+"):
        backbones.create(name, random=True, image_size=size)


def test_weights_and_random():
    with pytest.raises(InputError, match=r"with weights and random=True\. Leave one of them out"):
        backbones.create("gradients", weights="here", random=True)
    with pytest.raises(InputError, match="'gradients' was given weights 'here'; expected none"):
        backbones.create("gradients", weights="here")


# ---- gradients


def cells(image):
    """Tokens (7, 7, 24) of one grey picture (112, 112)."""
    network = backbones.create("gradients")
    return network(image.expand(1, 3, 112, 112)).reshape(7, 7, 24)


@pytest.mark.parametrize(("direction", "dx", "dy"), [(0, 1, 0), (2, 0, 1), (4, -1, 0), (6, 0, -1), (1, 1, 1)])
def test_edges_of_a_ramp(direction, dx, dy):
    y, x = torch.meshgrid(torch.arange(112.0), torch.arange(112.0), indexing="ij")
    ramp = 0.5 + (dx * x + dy * y) / 500
    slope = float(np.hypot(dx, dy)) / 500 / ramp.std() * 16  # by cell, which is 16 pixels wide
    edges = cells(ramp)[1:-1, 1:-1, :16].unflatten(-1, (2, 8))
    expected = torch.tensor([max(np.cos(2 * np.pi * (k - direction) / 8), 0) for k in range(8)]) * slope
    # inside, away from the repeated border, the derivative is exact but for float32 rounding
    torch.testing.assert_close(edges, expected.float().expand_as(edges), rtol=1e-4, atol=1e-4)


def test_shading_is_the_projection_on_polynomials():
    y, x = torch.meshgrid(torch.arange(112.0), torch.arange(112.0), indexing="ij")
    at_x, at_y = (x % 16 + 0.5) / 8 - 1, (y % 16 + 0.5) / 8 - 1
    scale = torch.tensor(
        1 - 1 / 256
    ).sqrt()  # 16 points instead of the integral: mean square of x is (1-1/16²)/3
    slope = at_x * np.sqrt(3) / scale
    shading = cells(0.5 + 0.1 * slope)[..., 16:22]
    contrast = (0.1 * slope).std()
    expected = torch.tensor([0.0, 1, 0, 0, 0, 0]) * 0.1 / contrast
    torch.testing.assert_close(shading, expected.expand_as(shading), rtol=1e-4, atol=1e-4)
    product = cells(0.5 + 0.1 * at_x * at_y)[..., 16:22]
    assert (product[..., 4] > 0.9).all()
    assert product[..., [0, 1, 2, 3, 5]].abs().max() < 1e-4


def test_colour():
    red = torch.tensor([0.9, 0.3, 0.3])[:, None, None].expand(3, 112, 112).clone()
    red[:, :, :56] = torch.tensor(0.3)
    tokens = backbones.create("gradients")(red[None]).reshape(7, 7, 24)
    assert (tokens[:, 4:, 22] > 1).all()  # redder than grey
    assert (tokens[:, 4:, 23] < 0).all()  # less blue than grey
    torch.testing.assert_close(tokens[:, :3, 22:], torch.zeros(7, 3, 2), rtol=0, atol=1e-4)


def test_light_and_contrast_do_not_matter():
    network, images = backbones.create("gradients"), faces(3)
    # the sums are of other float32 numbers
    torch.testing.assert_close(network(0.2 + 0.5 * images), network(images), rtol=1e-3, atol=1e-3)


def test_a_flat_picture_is_no_fault():
    assert torch.equal(backbones.create("gradients")(torch.zeros(1, 3, 96, 96)), torch.zeros(1, 49, 24))


def test_mirrored_picture():
    """Left and right change places in the grid, in the directions, and in the sign of what is odd in x."""
    network, images = backbones.create("gradients"), faces(2)
    tokens = network(images).reshape(2, 7, 7, 24).flip(2)
    order = [(4 - k) % 8 + 8 * scale for scale in range(2) for k in range(8)]
    sign = torch.ones(24)
    sign[[17, 20]] = -1
    mirrored = tokens[..., [*order, *range(16, 24)]] * sign
    torch.testing.assert_close(network(images.flip(3)).reshape(2, 7, 7, 24), mirrored, rtol=1e-3, atol=1e-3)


# ---- tokens_of


class Counted(nn.Module):
    """A backbone that counts pictures by call; dropout tells training from evaluation."""

    n_tokens, dim = 4, 8

    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.drop = nn.Dropout(0.5)
        self.calls = []

    def forward(self, images):
        self.calls.append(len(images))
        maps = nn.functional.adaptive_avg_pool2d(self.drop(self.body(images).tanh()), 2)
        return maps.flatten(2).transpose(1, 2)


@pytest.fixture
def counted():
    torch.manual_seed(0)
    return Counted()


def test_tokens_of_gives_the_same_either_way(counted):
    counted.eval()
    images = faces(7)
    whole = backbones.tokens_of(counted, images)
    assert whole.shape == (7, 4, 8)
    for micro, checkpoint, frozen in [
        (3, False, False),
        (3, True, False),
        (None, True, False),
        (2, False, True),
    ]:
        found = backbones.tokens_of(counted, images, micro_batch=micro, checkpoint=checkpoint, frozen=frozen)
        torch.testing.assert_close(found, whole, rtol=1e-5, atol=1e-6)  # float32 in another blocking
        assert found.requires_grad is not frozen


def test_micro_batches(counted):
    backbones.tokens_of(counted, faces(7), micro_batch=3)
    assert counted.calls == [3, 3, 1]


def test_checkpoints_give_the_same_gradients_with_dropout(counted):
    images, gradients = faces(6), []
    for checkpoint in (False, True):
        counted.zero_grad()
        counted.calls.clear()
        torch.manual_seed(3)
        tokens = backbones.tokens_of(counted, images, micro_batch=3, checkpoint=checkpoint)
        tokens.square().sum().backward()
        gradients.append(counted.body.weight.grad.clone())
        assert counted.calls == [3, 3] * (2 if checkpoint else 1)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-5, atol=1e-6)  # order of sums


def test_checkpoints_keep_less(counted):
    """What the graph holds on to between forward and backward is the pictures, not the activations."""

    def held(checkpoint):
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
            backbones.tokens_of(counted, faces(4), checkpoint=checkpoint)
        return sum(sizes)

    assert held(True) < held(False) / 2


def test_frozen_is_in_evaluation_mode_and_leaves_the_mode(counted):
    counted.train()
    images = faces(2)
    one = backbones.tokens_of(counted, images, frozen=True)
    assert torch.equal(one, backbones.tokens_of(counted, images, frozen=True))
    assert counted.training
    assert counted.drop.training
    assert not one.requires_grad


def test_frozen_tokens_serve_a_layer_that_learns(counted):
    layer = nn.Linear(8, 1)
    layer(backbones.tokens_of(counted, faces(2), frozen=True)).sum().backward()
    assert layer.weight.grad is not None
    assert counted.body.weight.grad is None


def test_bytes_are_scaled(counted):
    counted.eval()
    images = (faces(2) * 255).to(torch.uint8)
    assert torch.equal(
        backbones.tokens_of(counted, images), backbones.tokens_of(counted, images.float() / 255)
    )


def test_no_pictures(counted):
    assert backbones.tokens_of(counted, torch.zeros(0, 3, 40, 40)).shape == (0, 4, 8)
    assert counted.calls == []


@pytest.mark.parametrize("shape", [(3, 40, 40), (2, 1, 40, 40), (2, 40, 40, 3)])
def test_not_pictures(counted, shape):
    with pytest.raises(InputError, match=r"pictures of shape .*expected \(n, 3, height, width\)"):
        backbones.tokens_of(counted, torch.zeros(shape))


def test_micro_batch_of_none(counted):
    with pytest.raises(InputError, match="micro_batch 0; expected 1 or more"):
        backbones.tokens_of(counted, faces(2), micro_batch=0)


# ---- networks with weights


@pytest.mark.parametrize(
    ("name", "tokens", "dim", "parameters"),
    [
        ("gradients", 49, 24, 0),
        ("small_cnn", 49, 64, 46_832),
        # 28,288,354 of the paper's Swin-T less 768 * 1000 + 1000 of the classifier
        ("swin_t", 49, 768, 27_519_354),
        # 3,504,872 of torchvision's and 4,652,008 of Google's network, less 1280 * 1000 + 1000
        ("mobilenet_v2", 49, 1280, 2_223_872),
        ("efficientnet_lite0", 49, 1280, 3_371_008),
    ],
)
def test_sizes_of_the_networks(name, tokens, dim, parameters, made):
    network = made[name]
    assert (network.n_tokens, network.dim) == (tokens, dim)
    assert sum(p.numel() for p in network.parameters()) == parameters


@pytest.mark.parametrize("name", [n for n in backbones.names() if n != "gradients"])
def test_every_parameter_learns(name):
    network = backbones.create(name, random=True, image_size=None if name == "swin_t" else 64).train()
    tokens = network(faces(2, side=64))
    (tokens * torch.randn(tokens.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    still = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    # stochastic depth may have skipped both pictures in some blocks of Swin-T
    assert not still or (name == "swin_t" and len(still) < 60)


@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_lite0"])
def test_normalisation_keeps_its_statistics(name, made):
    network = backbones.create(name, random=True, image_size=64).train()
    before = {k: v.clone() for k, v in network.named_buffers()}
    images = faces(3, side=64)
    whole = network(images)
    # no sum over the batch: the rest is float32 in another blocking
    torch.testing.assert_close(network(images[:1]), whole[:1], rtol=1e-4, atol=1e-4)
    assert all(torch.equal(v, before[k]) for k, v in network.named_buffers())


def test_small_cnn_reads_what_was_learnt(tmp_path, made):
    learnt = backbones.create("small_cnn", random=True, seed=5)
    save_file(learnt.state_dict(), tmp_path / "w.safetensors")
    torch.save(learnt.state_dict(), tmp_path / "w.pt")
    for file in ("w.safetensors", "w.pt"):
        again = backbones.create("small_cnn", weights=tmp_path / file)
        assert torch.equal(again(faces(1)), learnt(faces(1)))
        assert backbones.weight_files("small_cnn", tmp_path / file) == (tmp_path / file,)
    assert backbones.weight_files("small_cnn") == ()


class Trap:
    """A pickle that would write a file if it were opened."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["small_cnn", "mobilenet_v2", "efficientnet_lite0"])
def test_files_that_are_no_weights(name, tmp_path, made):
    with pytest.raises(InputError, match=r"gone\.pth: is not there; expected a file of weights"):
        backbones.create(name, weights=tmp_path / "gone.pth")
    torch.save(made[name].state_dict(), tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    files = {
        "empty.pth": b"",
        "cut.pth": whole[: len(whole) // 2],
        "text.pth": b"no weights at all",
        "empty.safetensors": b"",
        "renamed.safetensors": whole,
    }
    for file, content in files.items():
        (tmp_path / file).write_bytes(content)
        with pytest.raises(InputError, match=rf"{file}: cannot be read as (weights|safetensors)"):
            backbones.create(name, weights=tmp_path / file)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(InputError, match=r"list\.pth: holds something else than named tensors"):
        backbones.create(name, weights=tmp_path / "list.pth")
    torch.save({"w": Trap(tmp_path / "sprung")}, tmp_path / "trap.pth")
    with pytest.raises(InputError, match=r"trap\.pth: cannot be read as weights"):
        backbones.create(name, weights=tmp_path / "trap.pth")
    assert not (tmp_path / "sprung").exists()


def test_weights_of_another_network(tmp_path, made):
    state = made["small_cnn"].state_dict()
    first = next(iter(state))
    for change, says in [
        (lambda s: s.pop(first), f"{first} is missing"),
        (lambda s: s.update(more=torch.zeros(1)), "more is unknown"),
        (
            lambda s: s.update({first: torch.zeros(2)}),
            rf"{first} has the shape \(2,\) instead of \(16, 3, 3, 3\)",
        ),
    ]:
        wrong = dict(state)
        change(wrong)
        torch.save(wrong, tmp_path / "wrong.pt")
        with pytest.raises(InputError, match=rf"wrong\.pt: are not the weights of this network: {says}"):
            backbones.create("small_cnn", weights=tmp_path / "wrong.pt")
    with pytest.raises(InputError, match=r"are not the weights of this network: .* and \d+ more"):
        backbones.create("mobilenet_v2", weights=tmp_path / "wrong.pt")


@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_lite0"])
def test_weights_that_were_not_fetched(name, tmp_path, monkeypatch):
    monkeypatch.setattr(assets, "DEFAULT", tmp_path)
    monkeypatch.delenv(assets.VARIABLE, raising=False)
    monkeypatch.setattr(assets, "_installed", lambda about: None)
    with pytest.raises(InputError, match=rf"is not there.*python scripts/assets\.py --only {name}"):
        backbones.create(name)


@pytest.mark.parametrize(("name", "head"), [("mobilenet_v2", "classifier.1"), ("efficientnet_lite0", "_fc")])
@pytest.mark.parametrize(("picture", "label"), [("chelsea", 285), ("coffee", 967)])
def test_real_weights_know_a_cat_and_a_coffee(name, head, picture, label):
    """ImageNet's 285 is Egyptian cat, 967 espresso. What the classifier that comes with the weights says."""
    import cv2

    (file,) = backbones.weight_files(name, asset(f"{name}/{REAL[name]}"))
    bgr = cv2.imread(str(asset(f"photographs/{picture}.png")))
    side = min(bgr.shape[:2])
    top, left = ((n - side) // 2 for n in bgr.shape[:2])
    rgb = np.ascontiguousarray(bgr[top : top + side, left : left + side, ::-1].transpose(2, 0, 1))
    network = backbones.create(name, weights=file).eval()
    tokens = backbones.tokens_of(network, torch.from_numpy(rgb)[None], frozen=True)
    stored = torch.load(file, weights_only=True)
    scores = tokens.mean(1) @ stored[f"{head}.weight"].T + stored[f"{head}.bias"]
    assert int(scores.argmax()) == label


# ---- Swin-T


@pytest.fixture(scope="module")
def swin(tmp_path_factory, made):
    """A folder as a hub's classifier of faces: the names of transformers 4, another head."""
    folder = tmp_path_factory.mktemp("swin")
    older = [
        ("attention.q_proj", "attention.self.query"),
        ("attention.k_proj", "attention.self.key"),
        ("attention.v_proj", "attention.self.value"),
        ("attention.o_proj", "attention.output.dense"),
        ("attention.relative_position_bias.", "attention.self."),
        ("mlp.fc1", "intermediate.dense"),
        ("mlp.fc2", "output.dense"),
    ]
    stored = {"classifier.weight": torch.zeros(7, 768), "classifier.bias": torch.zeros(7)}
    for name, value in made["swin_t"].body.state_dict().items():
        for new, old in older:
            name = name.replace(new, old)
        stored[f"swin.{name}"] = value.contiguous()
    save_file(stored, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "swin", "embed_dim": 96, "num_labels": 7}))
    return folder


@pytest.fixture
def linked(swin, tmp_path):
    """The same folder, whose files can be changed."""
    (tmp_path / "model.safetensors").symlink_to(swin / "model.safetensors")
    (tmp_path / "config.json").write_bytes((swin / "config.json").read_bytes())
    return tmp_path


def test_swin_of_a_folder_and_of_a_file(swin, made, capfd):
    images = faces(1)
    with torch.no_grad():
        expected = made["swin_t"](images)
        for weights in (swin, str(swin), swin / "model.safetensors"):
            assert torch.equal(backbones.create("swin_t", weights=weights).eval()(images), expected)
    assert capfd.readouterr() == ("", "")
    assert backbones.weight_files("swin_t", swin) == (swin / "config.json", swin / "model.safetensors")


def test_swin_is_the_last_hidden_state_of_scaled_pictures(made):
    network, images = made["swin_t"], faces(1, side=224)
    scaled = (images - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor(
        [0.229, 0.224, 0.225]
    )[:, None, None]
    with torch.no_grad():
        direct = network.body(pixel_values=scaled).last_hidden_state
        torch.testing.assert_close(network(images), direct, rtol=0, atol=0)


def test_swin_of_larger_pictures(made):
    network = backbones.create("swin_t", random=True, image_size=256).eval()
    with torch.no_grad():
        assert network(faces(1)).shape == (1, 64, 768)
    with pytest.raises(InputError, match="image_size 192; expected a multiple of 32 from 224 on"):
        backbones.create("swin_t", random=True, image_size=192)


def test_swin_needs_weights():
    with pytest.raises(InputError, match=r"'swin_t' has no weights of its own.*or random=True"):
        backbones.create("swin_t")


def test_swin_of_the_hub_is_never_downloaded(swin, monkeypatch, tmp_path):
    import huggingface_hub

    with pytest.raises(InputError, match=r"run: hf download some/model config\.json model\.safetensors"):
        backbones.create("swin_t", weights="some/model")
    cached = {name: str(swin / name) for name in ("config.json", "model.safetensors")}
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda repo, name: cached.get(name))
    assert backbones.weight_files("swin_t", "some/model")[-1] == swin / "model.safetensors"
    cached.pop("model.safetensors")
    with pytest.raises(InputError, match="no downloaded model is called 'some/model'"):
        backbones.weight_files("swin_t", "some/model")


def test_swin_of_another_size(linked):
    config = linked / "config.json"
    config.write_text(json.dumps({"model_type": "swin", "embed_dim": 128, "window_size": 12}))
    with pytest.raises(
        InputError,
        match=r"config\.json: embed_dim 128 instead of 96, window_size 12 instead of 7; expected the",
    ):
        backbones.create("swin_t", weights=linked)
    config.write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(InputError, match="model_type 'vit' instead of 'swin'"):
        backbones.create("swin_t", weights=linked)
    for content in ("", "[1]", "{"):
        config.write_text(content)
        with pytest.raises(InputError, match=r"config\.json: cannot be read as JSON settings"):
            backbones.create("swin_t", weights=linked)


def test_swin_of_pickled_weights(linked):
    (linked / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"has no model\.safetensors$"):
        backbones.create("swin_t", weights=linked)
    (linked / "pytorch_model.bin").write_bytes(b"pickled")
    with pytest.raises(InputError, match=r"no model\.safetensors but pytorch_model\.bin.*can run code"):
        backbones.create("swin_t", weights=linked)
    with pytest.raises(InputError, match=r"pytorch_model\.bin: is not a \.safetensors file.*can run code"):
        backbones.create("swin_t", weights=linked / "pytorch_model.bin")
    with pytest.raises(InputError, match="nowhere: is not there; expected a folder"):
        backbones.create("swin_t", weights="nowhere")


def test_swin_of_broken_weights(swin, linked):
    weights = linked / "model.safetensors"
    weights.unlink()
    for content in (b"", (swin / "model.safetensors").read_bytes()[:100_000]):
        weights.write_bytes(content)
        with pytest.raises(InputError, match=r"model\.safetensors: cannot be read as safetensors"):
            backbones.create("swin_t", weights=linked)
    save_file({"swin.layernorm.bias": torch.zeros(3)}, weights)
    with pytest.raises(InputError, match=r"lacks \d+ tensors of Swin-T and has 1 of another shape"):
        backbones.create("swin_t", weights=linked)
