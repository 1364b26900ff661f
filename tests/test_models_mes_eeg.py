"""MEs-EEG as corrected: branches, spatial transformer, cross-attention, any subset of streams, learning."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mien import models, train
from mien.core import Batch, InputError
from mien.models._spatial_transformer import SpatialTransformer
from mien.models._tcn import NormedConv, residual_blocks
from mien.models._transformer import CrossFusion

SHAPES = {"eeg": (5, 6, 2), "me": (4, 16, 16)}
SMALL = {"shapes": SHAPES, "embed_dim": 8, "side": 16, "grid": 4}


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors only suffer from more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def toy(n, seed, *, gaps=False):
    """Three unequal classes. EEG tells the first from the others, the face the last: neither tells all."""
    rng = np.random.default_rng(seed)
    label = rng.choice(3, n, p=[0.5, 0.25, 0.25])
    eeg = rng.normal(size=(n, *SHAPES["eeg"]))
    eeg[..., 0] += np.where(label == 0, 0.6, -0.6)[:, None, None]
    me = rng.normal(size=(n, *SHAPES["me"]))
    me[:, 1, :8] += np.where(label == 2, 0.6, -0.2)[:, None, None]
    present = {s: np.ones(n, bool) for s in SHAPES}
    if gaps:
        present["eeg"][::5] = False
        present["me"][1::5] = False
    inputs = {"eeg": eeg.reshape(n, -1), "me": me.reshape(n, -1)}
    return Batch(
        ids=tuple(f"{seed}-{i}" for i in range(n)),
        inputs={s: (x * present[s][:, None]).astype(np.float32) for s, x in inputs.items()},
        present=present,
        label=label,
        domain=np.full(n, -1),
        weight=np.ones(n, np.float32),
    )


def recall(network, batch, **options):
    said = train.predict(network, batch, **options).argmax(1)
    return float(np.mean([(said[batch.label == c] == c).mean() for c in range(3)]))


def moved(network, scale=0.1):
    """The network with every parameter moved: some start at zero and would hide what lies before them."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(scale * torch.randn(p.shape, generator=generator))
    return network


def tensors(batch):
    return {s: torch.from_numpy(x) for s, x in batch.inputs.items()}


def test_one_trained_network_serves_every_subset_and_both_say_more_than_either():
    network = models.create("mes_eeg", **SMALL)
    options = {"epochs": 15, "batch_size": 64, "lr": 5e-3, "device": "cpu"}
    train.fit(network, toy(200, 1, gaps=True), toy(60, 2), train.TrainConfig(**options))
    test = toy(400, 3)
    eeg, me, both = (recall(network, test, streams=s) for s in (["eeg"], ["me"], ["eeg", "me"]))
    # a stream that tells one class from two gets at most 2/3; one standard error is 0.03
    assert 0.5 < eeg < 0.75
    assert 0.5 < me < 0.75
    assert both > max(eeg, me) + 0.1


@pytest.mark.parametrize("stream", SHAPES)
def test_a_network_can_be_made_for_one_stream(stream):
    network = models.create("mes_eeg", **SMALL | {"shapes": {stream: SHAPES[stream]}})
    batch = toy(6, 1)
    assert network({stream: torch.from_numpy(batch.inputs[stream])}).logits.shape == (6, 3)
    with pytest.raises(InputError, match="are not among those"):
        network(tensors(batch))
    assert not any("fusion" in n for n, _ in network.named_parameters())


def test_flat_and_shaped_inputs_are_the_same_and_sizes_tell_default_shapes():
    network = moved(models.create("mes_eeg", **SMALL)).eval()
    batch = toy(6, 1)
    shaped = {s: x.reshape(-1, *SHAPES[s]) for s, x in tensors(batch).items()}
    assert torch.equal(network(shaped).logits, network(tensors(batch)).logits)
    assert models.create("mes_eeg", sizes={"eeg": 2170, "me": 4096}).shapes == {
        "eeg": (7, 62, 5),
        "me": (4, 32, 32),
    }
    with pytest.raises(InputError, match="'me' has 4097 values a sample; expected 4 square maps"):
        models.create("mes_eeg", sizes={"me": 4097})
    with pytest.raises(InputError, match="'eeg' has 300 values a sample; expected a multiple of 310"):
        models.create("mes_eeg", sizes={"eeg": 300})
    with pytest.raises(InputError, match=r"'me' has 4096 values and the shape \(4, 16, 16\)"):
        models.create("mes_eeg", sizes={"me": 4096}, shapes={"me": (4, 16, 16)})
    with pytest.raises(InputError, match=r"'me' has the shape \(4, 64\); expected maps, height, width"):
        models.create("mes_eeg", shapes={"me": (4, 64)})
    with pytest.raises(InputError, match=r"asked for streams \['eye'\]"):
        models.create("mes_eeg", sizes={"eye": 33})
    with pytest.raises(InputError, match="num_heads = 3; expected a divisor"):
        models.create("mes_eeg", num_heads=3)


def test_scores_of_both_begin_as_the_sum_of_the_scores_of_each():
    network = moved(models.create("mes_eeg", **SMALL)).eval()
    torch.nn.init.zeros_(network.together[-1].weight)
    torch.nn.init.zeros_(network.together[-1].bias)
    inputs = tensors(toy(6, 1))
    alone = [network({s: x}).logits for s, x in inputs.items()]
    out = network(inputs)
    torch.testing.assert_close(out.logits, sum(alone))
    for (stream, scores), own in zip(out.auxiliary_logits.items(), alone, strict=True):
        torch.testing.assert_close(scores, own, msg=stream)


def test_single_scores_and_features_are_zero_where_a_stream_is_absent():
    network = moved(models.create("mes_eeg", **SMALL)).eval()
    batch = toy(10, 1, gaps=True)
    present = {s: torch.from_numpy(m) for s, m in batch.present.items()}
    out = network(tensors(batch), present)
    for part in (out.auxiliary_logits, out.stream_features):
        for stream, rows in part.items():
            np.testing.assert_array_equal((rows != 0).any(1).numpy(), batch.present[stream])


def test_a_network_with_gaps_answers_as_sample_by_sample():
    network = moved(models.create("mes_eeg", **SMALL)).eval()
    batch = toy(10, 1, gaps=True)
    inputs = tensors(batch)
    mixed = network(inputs, {s: torch.from_numpy(m) for s, m in batch.present.items()}).logits
    for i in range(10):
        alone = network({s: x[i : i + 1] for s, x in inputs.items() if batch.present[s][i]}).logits[0]
        torch.testing.assert_close(mixed[i], alone, rtol=1e-5, atol=1e-5)  # sums over other numbers of rows


# The spatial transformer


@pytest.mark.parametrize("size", [(8, 8), (32, 32), (17, 40), (224, 224)])
def test_the_transform_begins_as_the_identity_for_maps_of_any_size(size):
    network = SpatialTransformer(3)
    x = torch.randn(2, 4, *size)
    assert torch.equal(network.transform(x), torch.eye(2, 3).expand(2, 2, 3))
    # float32 coordinates are off by some 1e-7 of the side, which is how far a neighbour comes in
    torch.testing.assert_close(network(x), x, rtol=0, atol=2e-6 * max(size))


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_the_transform_never_leaves_its_bounds(seed):
    torch.manual_seed(seed)
    network = SpatialTransformer(3, limit=0.2)
    torch.nn.init.normal_(network.last.weight, std=10.0)
    theta = network.transform(10 * torch.randn(3, 3, 16, 16))
    assert (theta - torch.eye(2, 3)).abs().max() <= 0.2 + 1e-6


def test_the_sampler_looks_where_the_transform_says():
    network = SpatialTransformer(3, limit=0.5)
    x = torch.randn(1, 3, 16, 16)
    with torch.no_grad():
        network.last.bias[2] = np.arctanh(0.25 / 0.5)  # a quarter of half the width: two pixels
    torch.testing.assert_close(network(x)[..., :14], x[..., 2:], rtol=0, atol=1e-4)


def test_a_jitter_comes_on_top_of_the_transform():
    network = SpatialTransformer(3)
    x = torch.randn(1, 3, 16, 16)
    mirror = torch.tensor([[[-1.0, 0, 0], [0, 1.0, 0]]])
    torch.testing.assert_close(network(x, mirror), x.flip(3), rtol=0, atol=1e-4)


def test_the_localisation_learns_and_looks_at_flow_only():
    network = SpatialTransformer(3)
    torch.nn.init.normal_(network.last.weight, std=0.5)
    x = torch.randn(2, 4, 16, 16)
    network(x)[:, 3].square().sum().backward()  # from the apex map to the localisation
    assert all(p.grad is not None for p in network.parameters())
    other = x.clone()
    other[:, 3] = 0
    assert torch.equal(network.transform(x), network.transform(other))


def test_a_mirrored_face_moves_the_other_way():
    network = models.create("mes_eeg", **SMALL)
    branch = network.branches["me"]
    x = torch.randn(64, *SHAPES["me"])
    changed, theta = branch._jitter(x)
    sign = theta[:, 0, 0].sign()
    assert 0 < (sign < 0).sum() < 64
    torch.testing.assert_close(changed[:, 0], x[:, 0] * sign[:, None, None])
    assert torch.equal(changed[:, 1:], x[:, 1:])
    straight = models.create("mes_eeg", **SMALL | {"mirror": False, "jitter": 0.0}).branches["me"]
    changed, theta = straight._jitter(x)
    assert torch.equal(changed, x)
    assert torch.equal(theta, torch.eye(2, 3).expand(64, 2, 3))


# Convolutions over time


def test_a_weight_is_its_direction_times_its_length():
    conv = NormedConv(3, 5, kernel=2, dilation=1)
    x = torch.randn(2, 3, 9)
    before = conv(x)
    with torch.no_grad():
        conv.weight_v *= torch.rand(5, 1, 1) + 0.5
    torch.testing.assert_close(conv(x), before)
    with torch.no_grad():
        conv.weight_g *= 2
    torch.testing.assert_close(conv(x), 2 * before - conv.bias[:, None])


@pytest.mark.parametrize("levels", [1, 2, 4])
@pytest.mark.parametrize("kernel", [2, 3])
def test_a_second_sees_as_far_back_as_the_dilations_reach_and_never_ahead(levels, kernel):
    blocks = residual_blocks(2, 4, levels=levels, kernel=kernel, dropout=0.0)
    x = torch.randn(256, 2, 80, requires_grad=True)  # a ReLU that is shut in one sample is open in another
    blocks(x)[:, :, 60].sum().backward()
    reach = 2 * (kernel - 1) * (2**levels - 1)
    seen = x.grad.abs().sum((0, 1)) > 0
    expected = (np.arange(80) <= 60) & (np.arange(80) >= 60 - reach)
    np.testing.assert_array_equal(seen.numpy(), expected)


# Fusion


def fusion(**options):
    torch.manual_seed(1)
    sizes = {"width": 8, "depth": 1, "num_heads": 2, "dropout": 0.0} | options
    return CrossFusion({"eeg": (5, 3), "me": (4, 6)}, **sizes).eval()


def test_queries_are_one_streams_and_keys_and_values_the_others():
    network = fusion()
    block = network.cross["eeg"][0]
    calls = []
    block.attention.register_forward_hook(lambda module, args, out: calls.append(args))
    network({"eeg": torch.randn(2, 5, 3), "me": torch.randn(2, 4, 6)})
    ((asked, answered),) = calls
    assert (asked.shape[1], answered.shape[1]) == (5, 4)


def test_what_a_stream_becomes_depends_on_the_other_only_through_cross_attention():
    network = fusion()
    eeg, me = torch.randn(2, 5, 3), torch.randn(2, 4, 6)
    one, other = network({"eeg": eeg, "me": me}), network({"eeg": eeg, "me": me + 1})
    assert not torch.allclose(one["eeg"], other["eeg"])
    for parts in network.cross.values():
        for block in parts:
            torch.nn.init.zeros_(block.gamma_1)
    one, other = network({"eeg": eeg, "me": me}), network({"eeg": eeg, "me": me + 1})
    assert torch.equal(one["eeg"], other["eeg"])
    assert not torch.allclose(one["me"], other["me"])


def test_tokens_have_a_place():
    network = fusion()
    eeg = torch.randn(1, 5, 3)
    turned = network({"eeg": eeg.flip(1)})["eeg"]
    assert not torch.allclose(network({"eeg": eeg})["eeg"], turned)
    for place in network.position.values():
        torch.nn.init.zeros_(place)
    # without places their order means nothing: sums in another order
    again = network({"eeg": eeg.flip(1)})["eeg"]
    torch.testing.assert_close(network({"eeg": eeg})["eeg"], again, rtol=1e-4, atol=1e-5)


def test_the_fusion_network_learns_from_tokens_with_gaps():
    shapes = {"eeg": (5, 12), "me": (16, 64)}
    network = models.create("mes_eeg_fusion", shapes=shapes, embed_dim=8)
    options = {"epochs": 20, "batch_size": 64, "lr": 1e-2, "device": "cpu"}
    train.fit(network, toy(200, 1, gaps=True), toy(60, 2), train.TrainConfig(**options))
    test = toy(300, 3)
    # chance 1/3, at most 2/3 from one stream; one standard error is 0.03
    assert recall(network, test, streams=["eeg"]) > 0.45
    assert recall(network, test) > 0.55


def test_saliency_has_the_shape_of_the_input_and_finds_where_the_face_moves():
    network = models.create("mes_eeg", **SMALL)
    options = {"epochs": 15, "batch_size": 64, "lr": 5e-3, "device": "cpu"}
    train.fit(network, toy(200, 1), None, train.TrainConfig(**options))
    test = toy(100, 3)
    inputs = {s: torch.tensor(x, requires_grad=True) for s, x in test.inputs.items()}
    logits = network(inputs).logits
    logits[torch.arange(100), torch.from_numpy(test.label)].sum().backward()
    shown = (inputs["me"].grad * inputs["me"]).abs().mean(0).reshape(SHAPES["me"]).detach()
    assert shown[1, :8].mean() > 1.3 * shown[0].mean()  # v above the middle tells, u does not


def test_focal_loss_and_released_loss_train_the_whole_network():
    for loss in ("focal", "released"):
        network = models.create("mes_eeg", **SMALL)
        options = {"epochs": 2, "batch_size": 64, "device": "cpu", "loss": loss}
        result = train.fit(network, toy(80, 1, gaps=True), None, train.TrainConfig(**options))
        assert np.isfinite(result.history["train_loss"]).all()
