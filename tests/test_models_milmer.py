"""The corrected network of Milmer: subsets, instances, selectors, ablations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mien import models, train
from mien.core import Batch, InputError, UnknownNameError
from mien.models._milmer_selection import Selector, hard_rows, rest_of
from mien.models._milmer_tokens import LogSpectrum, UnitSize, channel_axis

SHAPES = {"eeg": (4, 32), "face": (10, 5, 6), "body": (8, 3)}
AXES = {"eeg": ("band", "channel"), "body": ("channel", "statistic")}
LEARNING = ("gated", "straight_through", "perturbed")


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors only suffer from more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def made(**options):
    return stirred(models.create("milmer", **{"shapes": SHAPES, "axes": AXES} | options))


def stirred(network):
    """The network with all weights moved from their start, where some are zero."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=generator))
    return network.eval()


def sample(n=6, shapes=SHAPES, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {s: torch.randn(n, *shape, generator=generator) for s, shape in shapes.items()}


def bags(n, seed, *, n_classes=4, tokens=4, dim=24, show=3, strength=1.0):
    """Bags of 10 instances of which 3 show the class's pattern, with what they show.

    Pattern, offset of the bag and noise of an instance's token have one standard deviation.
    """
    pattern = np.random.default_rng(99).standard_normal((n_classes, tokens, dim)) * strength
    rng = np.random.default_rng(seed)
    label = rng.integers(0, n_classes, n)
    shown = rng.random((n, 10)).argsort(1) < show
    x = rng.standard_normal((n, 1, tokens, dim)) * strength
    x = x + shown[:, :, None, None] * pattern[label][:, None] + rng.standard_normal((n, 10, tokens, dim))
    batch = Batch(
        ids=tuple(map(str, range(n))),
        inputs={"face": x.reshape(n, -1).astype(np.float32)},
        present={"face": np.ones(n, bool)},
        label=label.astype(np.int64),
        domain=np.zeros(n, np.int64),
        weight=np.ones(n, np.float32),
    )
    return batch, shown


def recall(selected, shown):
    """Share of the instances that show something among those chosen."""
    return float(np.take_along_axis(shown, np.asarray(selected), 1).sum() / shown.sum())


@pytest.mark.parametrize("selection", ["none", *LEARNING])
@pytest.mark.parametrize("fusion", ["cross_attention", "mlp", "none"])
def test_every_subset_of_streams_is_answered_by_one_network(selection, fusion):
    network = made(selection=selection, fusion=fusion)
    x = sample()
    for names in (["eeg"], ["face"], ["body"], ["eeg", "face"], ["face", "body"], list(SHAPES)):
        out = network({s: x[s] for s in names})
        assert out.logits.shape == (6, 4)
        assert torch.isfinite(out.logits).all()
        assert sorted(out.auxiliary_logits) == sorted(names)
        assert (out.attention is None) == (out.selected is None) == ("face" not in names)


@pytest.mark.parametrize("selection", ["none", *LEARNING])
def test_samples_never_influence_each_other(selection):
    network = made(selection=selection)
    x = sample(16)
    x["face"][3, 4:] = 0
    present = {s: torch.rand(16, generator=torch.Generator().manual_seed(i)) < 0.7 for i, s in enumerate(x)}
    present["eeg"] |= ~(present["face"] | present["body"])
    batch = Batch(
        ids=tuple(map(str, range(16))),
        inputs={s: v.flatten(1).numpy() for s, v in x.items()},
        present={s: v.numpy() for s, v in present.items()},
        label=np.arange(16) % 4,
        domain=np.zeros(16, np.int64),
        weight=np.ones(16, np.float32),
    )
    # rounding of float32 sums over other numbers of rows
    assert train.coupling(network, batch) <= 1e-6


@pytest.mark.parametrize("selection", ["none", *LEARNING])
def test_an_absent_instance_is_not_looked_at_whether_masked_or_zero(selection):
    network = made(selection=selection)
    x = sample()
    mask = torch.ones(6, 10, dtype=torch.bool)
    mask[0, 2:] = False
    mask[1, [0, 5]] = False
    mask[2] = False
    odd = {**x, "face": torch.where(mask[:, :, None, None], x["face"], torch.tensor(7.0))}
    zeros = {**x, "face": x["face"] * mask[:, :, None, None]}
    masked, zeroed = network(odd, {"face": mask}), network(zeros)
    assert torch.equal(masked.logits, zeroed.logits)
    assert (masked.attention[~mask] == 0).all()
    # rows of a softmax: float32 rounding
    torch.testing.assert_close(masked.attention.sum(1), mask.any(1).float())
    if selection != "none":
        assert (masked.selected[0, 2:] == -1).all()
        assert set(masked.selected[0, :2].tolist()) == {0, 1}
        assert not {0, 5} & set(masked.selected[1].tolist())
    assert (masked.selected[2] == -1).all()
    # without any instance it is as if there were no face
    without = network({s: v[2:3] for s, v in x.items() if s != "face"})
    torch.testing.assert_close(masked.logits[2:3], without.logits, rtol=1e-5, atol=1e-6)


def test_an_empty_bag_with_nothing_beside_it_is_still_answered():
    network = made()
    out = network({"face": torch.zeros(2, 10, 5, 6)})
    assert torch.isfinite(out.logits).all()
    with pytest.raises(InputError, match="2 samples of the batch have none"):
        network({"face": torch.zeros(2, 10, 5, 6)}, {"face": torch.zeros(2, 10, dtype=torch.bool)})


@pytest.mark.parametrize("selection", LEARNING)
@pytest.mark.parametrize("relative", [True, False])
def test_every_parameter_of_a_corrected_selector_gets_a_gradient(selection, relative):
    network = made(selection=selection, relative=relative).train()
    torch.manual_seed(0)
    out = network(sample(32))
    torch.nn.functional.cross_entropy(out.logits, torch.arange(32) % 4).backward()
    scorer = dict(network.branches["face"].selector.named_parameters())
    assert len(scorer) == (6 if relative else 5)
    assert all(float(p.grad.abs().max()) > 0 for p in scorer.values())
    assert not [n for n, p in network.named_parameters() if p.grad is None]


def test_what_a_bag_rests_at_is_not_moved_by_the_few_that_show_something():
    generator = torch.Generator().manual_seed(0)
    rest = torch.randn(4, 1, 5, 6, generator=generator)
    x = rest + 0.01 * torch.randn(4, 10, 5, 6, generator=generator)
    x[:, 3:6] += 2.0
    mask = torch.ones(4, 10, dtype=torch.bool)
    found = rest_of(x, mask)
    # the mean is off by 3/10 of 2; the median by the noise of 0.01 and what five steps leave
    assert float((found - rest[:, 0]).abs().max()) < 0.1
    mask[:, 7:] = False  # three of seven
    other = x.clone()
    other[:, 7:] = 50.0
    torch.testing.assert_close(rest_of(other, mask), rest_of(x[:, :7], mask[:, :7]))
    one = torch.zeros(4, 10, dtype=torch.bool)
    one[:, 2] = True
    torch.testing.assert_close(rest_of(x, one), x[:, 2])


def test_the_unit_of_a_summary_is_learnt_in_training_and_then_fixed():
    unit = UnitSize()
    x = 0.1 * torch.randn(64, 50, generator=torch.Generator().manual_seed(0))
    for _ in range(5):
        out = unit.train()(x)
    torch.testing.assert_close(out.square().mean(), torch.tensor(1.0))
    unit.eval()
    torch.testing.assert_close(unit(10 * x), 10 * out)
    torch.testing.assert_close(unit(x[:1]), out[:1])


def test_a_scorer_has_well_under_a_million_parameters_at_the_published_width():
    network = models.create("milmer", shapes={"face": (10, 49, 768)})
    assert sum(p.numel() for p in network.branches["face"].selector.parameters()) < 200_000
    assert sum(p.numel() for p in network.parameters()) < 1_000_000


def test_straight_through_hands_on_instances_and_the_gradient_of_the_softmax():
    selector = Selector(1, 6, selection="straight_through", n_selected=3, hidden=4, relative=True)
    x, mask = torch.randn(5, 10, 1, 6), torch.ones(5, 10, dtype=torch.bool)
    rows, attention, index = selector(x, mask)
    assert torch.equal(rows.detach().round(), hard_rows(attention.detach(), 3))
    assert torch.equal(rows.detach().argmax(2).sort(1).values, index.sort(1).values)
    weight = torch.randn(10)
    (by_rows,) = torch.autograd.grad((rows @ weight).mean(1).sum(), selector.scorer.weight.weight)
    _, attention, _ = selector(x, mask)
    (by_softmax,) = torch.autograd.grad((attention @ weight).sum(), selector.scorer.weight.weight)
    torch.testing.assert_close(by_rows, by_softmax)


def test_perturbed_rows_are_indicators_in_expectation_and_exact_without_noise():
    selector = Selector(1, 6, selection="perturbed", n_selected=3, hidden=4, relative=True)
    x, mask = torch.randn(5, 10, 1, 6), torch.ones(5, 10, dtype=torch.bool)
    mask[0, 4:] = False
    torch.manual_seed(0)
    rows = selector.train()(x, mask).rows
    torch.testing.assert_close(rows.sum(2), torch.ones(5, 3))
    assert (rows[0, :, 4:] == 0).all()
    assert ((rows > 0) & (rows < 1)).any()
    still = selector.eval()(x, mask).rows
    assert set(still.unique().tolist()) == {0.0, 1.0}


def test_the_derivative_of_the_perturbed_choice_is_that_of_its_mean():
    from mien.models._milmer_selection import _PerturbedTopK

    scores = torch.tensor([[0.3, -0.2, 0.1, 0.0]], requires_grad=True)
    weight = torch.tensor([1.0, -2.0, 0.5, 3.0])

    def mean(s):
        torch.manual_seed(1)
        return (_PerturbedTopK.apply(s, 2, 0.5, 200_000) @ weight).sum()

    (slope,) = torch.autograd.grad(mean(scores), scores)
    step = 0.1
    expected = torch.tensor(
        [
            float(mean(scores.detach() + step * e) - mean(scores.detach() - step * e)) / (2 * step)
            for e in torch.eye(4)
        ]
    )
    # 200,000 draws of terms of size about 3 * 3 / 0.5: standard error 0.04; the finite step adds less
    torch.testing.assert_close(slope[0], expected, rtol=0, atol=0.2)
    assert expected.abs().max() > 1


def test_the_front_end_finds_the_band_of_an_oscillation_and_forgets_its_size():
    front = LogSpectrum(384)
    time = torch.arange(384) / 128
    x = torch.stack([torch.sin(2 * math.pi * f * time) for f in (3.0, 10.0, 30.0)])[None]
    out = front(x)
    assert out.shape == (1, 3, front.n_bands)
    peaks = out[0].argmax(1)
    assert peaks[0] < peaks[1] < peaks[2]
    torch.testing.assert_close(front(1e-6 * x), out, rtol=1e-3, atol=1e-3)
    assert torch.isfinite(front(torch.zeros(1, 3, 384))).all()


def test_which_axis_is_that_of_the_channels():
    assert channel_axis("eeg", (4, 32), ("band", "channel")) == 1
    assert channel_axis("eeg", (32, 4), ("channel", "band")) == 0
    assert channel_axis("eeg", (32, 384), None) == 0
    assert channel_axis("eeg", (4, 32), None) == 1
    assert channel_axis("body", (8, 6), None) == 0
    with pytest.raises(InputError, match=r"axes .*'channel'"):
        channel_axis("eeg", (4, 32), ("band", "place"))
    with pytest.raises(InputError, match="two axes"):
        channel_axis("eeg", (128,), None)


def test_the_encoder_is_told_the_channels_only_with_their_embedding():
    for told in (True, False):
        network = made(shapes={"eeg": (4, 32)}, linear=False, channel_embedding=told)
        x = torch.randn(3, 4, 32)
        same = torch.allclose(network({"eeg": x}).logits, network({"eeg": x.flip(2)}).logits, atol=1e-5)
        assert same != told


def test_pixels_go_through_a_backbone_as_one_batch_and_absent_ones_do_not():
    options = {"shapes": {"face": (4, 3, 28, 28)}, "backbone": "gradients", "frozen": True}
    network = models.create("milmer", **options, image_size=28)
    stirred(network)
    seen = []
    network.branches["face"].backbone.register_forward_pre_hook(lambda _, x: seen.append(len(x[0])))
    x = torch.randint(1, 256, (3, 4, 3, 28, 28)).float()
    x[1, 2:] = 0
    out = network({"face": x})
    assert seen == [10]
    assert (out.attention[1, 2:] == 0).all()
    parts = stirred(models.create("milmer", **options, image_size=28, micro_batch=3))
    # rounding of float32 sums over other numbers of rows
    torch.testing.assert_close(parts({"face": x}).logits, out.logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_backbone_is_frozen_or_trained(frozen):
    network = models.create(
        "milmer", shapes={"face": (2, 3, 32, 32)}, n_selected=2, backbone="small_cnn",
        random_backbone=True, frozen=frozen,
    )  # fmt: skip
    stirred(network).train()
    network({"face": 255 * torch.rand(3, 2, 3, 32, 32)}).logits.square().sum().backward()
    got = [p.grad is not None for p in network.branches["face"].backbone.parameters()]
    assert got
    assert all(got) if not frozen else not any(got)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("selection", "none"), ("fusion", "mlp"), ("fusion", "none"), ("depth", 2), ("relative", False),
        ("channel_embedding", False), ("instance_embedding", False), ("type_embedding", False),
        ("linear", False), ("local", False),
    ],
)  # fmt: skip
def test_each_ablation_is_one_key_that_changes_the_network(option, value):
    base, other = made(), made(**{option: value})
    keys = {k: tuple(v.shape) for k, v in base.state_dict().items()}
    assert {k: tuple(v.shape) for k, v in other.state_dict().items()} != keys
    assert torch.isfinite(other(sample()).logits).all()


def test_impossible_options_are_named():
    for options, message in (
        ({"selection": "amil"}, "selection 'amil'"),
        ({"fusion": "sum"}, "fusion 'sum'"),
        ({"eeg_front": "wavelet"}, "eeg_front 'wavelet'"),
    ):
        with pytest.raises(UnknownNameError, match=message):
            made(**options)
    for options, message in (
        ({"n_selected": 11}, "n_selected = 11; expected at most 10"),
        ({"num_heads": 3}, "num_heads = 3; expected a divisor of 16"),
        ({"shapes": {"eye": (3, 2)}}, r"streams \['eye'\]; expected any of"),
        ({"shapes": {"face": (10, 5)}}, "instances, tokens, values"),
        ({"shapes": {"face": (2, 2, 2), "face_tokens": (2, 2, 2)}}, "expected one of them"),
        ({"sizes": {"face": 30}, "shapes": None}, "Say which shape"),
        ({"sizes": {"eeg": 100}, "shapes": {"eeg": (4, 32)}}, "100 values and the shape"),
    ):
        with pytest.raises(InputError, match=message):
            made(**options)


def fitted(selection, seed, **options):
    network = models.create("milmer", shapes={"face": (10, 4, 24)}, selection=selection, seed=seed, **options)
    config = train.TrainConfig(epochs=30, batch_size=32, lr=5e-3, seed=seed)
    train.fit(network, bags(400, seed)[0], bags(100, seed + 1)[0], config)
    return network


def chosen(network, batch):
    with torch.no_grad():
        return network.eval()({"face": torch.from_numpy(batch.inputs["face"])}).selected.numpy()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [50101, 50202, 50303])
@pytest.mark.parametrize("selection", LEARNING)
def test_a_corrected_selector_finds_the_instances_that_show_something(selection, seed):
    batch, shown = bags(300, seed + 2)
    assert recall(chosen(fitted(selection, seed), batch), shown) >= 0.8


def test_the_released_scorer_does_not_find_them():
    batch, shown = bags(100, 5)
    x = torch.from_numpy(batch.inputs["face"]).unflatten(1, (10, 4, 24))
    found = []
    for seed in range(10):
        network = models.create(
            "milmer", recipe="released", selection="attention_weighted_topk", seed=seed,
            shapes={"eeg": (32, 384), "face_tokens": (10, 4, 24)},
        )  # fmt: skip
        with torch.no_grad():
            found.append(recall(network.select(x)[1], shown))
    # three of ten by chance: 0.3
    assert 0.2 <= np.mean(found) <= 0.4
