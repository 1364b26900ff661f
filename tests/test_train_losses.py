"""The losses: focal against its formula and its limits, the released sum term by term, auxiliary scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from mien import models, train
from mien.core import Batch, InputError, UnknownNameError
from mien.train import _losses as losses


def scores(n=9, classes=4, seed=0, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    return (
        scale * torch.randn(n, classes, generator=generator),
        torch.randint(0, classes, (n,), generator=generator),
    )


@given(st.integers(0, 1000), st.floats(0, 0.5))
def test_focal_with_gamma_zero_is_the_cross_entropy(seed, smoothing):
    logits, label = scores(seed=seed)
    expected = F.cross_entropy(logits, label, reduction="none", label_smoothing=smoothing)
    found = losses.focal(logits, label, gamma=0.0, smoothing=smoothing)
    # float32 sums in another order; scores reach 10
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_focal_is_its_formula_and_never_more_than_the_cross_entropy():
    logits, label = scores()
    p = logits.double().softmax(1)[torch.arange(9), label]
    for gamma in (0.5, 2.0, 5.0):
        expected = -((1 - p) ** gamma) * p.log()
        found = losses.focal(logits, label, gamma=gamma)
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-6)  # float32
        assert (found <= F.cross_entropy(logits, label, reduction="none") + 1e-6).all()


def test_focal_has_finite_slopes_where_the_network_is_sure():
    for gamma in (0.5, 2.0):
        logits = torch.tensor([[200.0, 0.0], [0.0, 200.0]], requires_grad=True)
        losses.focal(logits, torch.tensor([0, 0]), gamma=gamma).sum().backward()
        assert torch.isfinite(logits.grad).all()
        assert logits.grad[0].abs().max() < 1e-3
        torch.testing.assert_close(logits.grad[1], torch.tensor([-1.0, 1.0]))


def test_contrastive_takes_the_class_number_for_whether_a_pair_belongs_together():
    first = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    second = torch.tensor([[0.6, 0.0], [0.6, 0.0], [0.6, 0.0], [3.0, 4.0]])
    found = losses.contrastive(first, second, torch.tensor([0, 1, 2, 0]))
    # (1 - d)² ; d² ; 2 d² - (1 - d)² ; 0 beyond the margin; torch adds 1e-6 to every difference
    torch.testing.assert_close(found, torch.tensor([0.16, 0.36, 0.56, 0.0]), rtol=0, atol=1e-5)


def test_the_released_loss_is_the_sum_of_three_terms_for_whoever_has_the_streams():
    logits, label = scores(n=4, classes=3)
    generator = torch.Generator().manual_seed(1)
    features = {s: torch.randn(4, 5, generator=generator) for s in ("eeg", "me")}
    centres = torch.randn(3, 5, generator=generator)
    present = {
        "eeg": torch.tensor([True, True, False, True]),
        "me": torch.tensor([True, False, True, True]),
    }
    options = {"features": features, "centres": centres, "smoothing": 0.0}
    ce = F.cross_entropy(logits, label, reduction="none")
    centre = ((features["eeg"] - centres[label]) ** 2).sum(1)
    pair = losses.contrastive(features["eeg"], features["me"], label)
    torch.testing.assert_close(losses.released(logits, label, present=None, **options), ce + centre + pair)
    both = torch.tensor([1.0, 0.0, 0.0, 1.0])
    torch.testing.assert_close(
        losses.released(logits, label, present=present, **options),
        ce + centre * torch.tensor([1.0, 1.0, 0.0, 1.0]) + pair * both,
    )
    with pytest.raises(InputError, match="does not tell the features of its streams"):
        losses.released(logits, label, present=None, features=None, centres=None, smoothing=0.0)


def test_auxiliary_losses_count_only_streams_that_are_there():
    logits, label = scores(n=5)
    mask = torch.tensor([True, False, True, False, True])
    found = losses.auxiliary(
        {"eeg": logits, "me": logits}, label, present={"me": mask}, gamma=0.0, smoothing=0.1
    )
    each = F.cross_entropy(logits, label, reduction="none", label_smoothing=0.1)
    torch.testing.assert_close(found, each * (1 + mask.float()))


def toy(n, seed):
    """Three classes; both streams tell a part."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, n)
    centres = np.random.default_rng(7)
    inputs = {
        "eeg": centres.standard_normal((3, 3 * 6))[label] * 0.6 + rng.standard_normal((n, 18)),
        "me": centres.standard_normal((3, 4 * 64))[label] * 0.3 + rng.standard_normal((n, 256)),
    }
    present = {s: np.ones(n, bool) for s in inputs}
    present["me"][::6] = False
    return Batch(
        ids=tuple(map(str, range(n))),
        inputs={s: (x * present[s][:, None]).astype(np.float32) for s, x in inputs.items()},
        present=present,
        label=label,
        domain=np.full(n, -1),
        weight=np.ones(n, np.float32),
    )


def network(**config):
    shapes = {"eeg": (3, 6), "me": (4, 8, 8)}
    return models.create("mes_eeg", shapes=shapes, embed_dim=4, grid=4, **config)


def config(**options):
    return train.TrainConfig(**{"epochs": 3, "batch_size": 32, "lr": 5e-3, "device": "cpu"} | options)


@pytest.mark.parametrize("loss", ["cross_entropy", "focal", "released"])
def test_every_loss_trains_and_gives_the_same_bytes_again(loss, tmp_path):
    def run(**options):
        return train.fit(network(), toy(90, 1), toy(30, 2), config(loss=loss), **options)

    a, b = run(), run(checkpoint=tmp_path / "c")
    assert a.history == b.history
    assert all(torch.equal(a.state[k], b.state[k]) for k in a.state)
    assert a.history["train_loss"][-1] < a.history["train_loss"][0]
    # what the network knows of single streams is part of the loss
    other = train.fit(network(), toy(90, 1), toy(30, 2), config(loss=loss, auxiliary_weight=0.0))
    assert other.history["train_loss"] != a.history["train_loss"]


def test_a_network_without_single_scores_trains_as_it_did():
    net = [models.create("mes_eeg_tcn", shapes={"eeg": (3, 6)}, embed_dim=4) for _ in range(2)]
    batch = toy(60, 1)
    only = Batch(
        ids=batch.ids, inputs={"eeg": batch.inputs["eeg"]}, present={"eeg": batch.present["eeg"]},
        label=batch.label, domain=batch.domain, weight=batch.weight,
    )  # fmt: skip
    a, b = (
        train.fit(n, only, None, config(auxiliary_weight=w)) for n, w in zip(net, (0.0, 0.5), strict=True)
    )
    assert a.history == b.history


def test_a_loss_that_the_network_cannot_have_and_words_that_nobody_knows_are_refused():
    batch = toy(40, 1)
    only = Batch(
        ids=batch.ids, inputs={"me": batch.inputs["me"]}, present={"me": np.ones(40, bool)},
        label=batch.label, domain=batch.domain, weight=batch.weight,
    )  # fmt: skip
    net = models.create("ststnet", shapes={"me": (4, 8, 8)})
    with pytest.raises(InputError, match="does not tell the features of its streams"):
        train.fit(net, only, None, config(loss="released"))
    with pytest.raises(UnknownNameError, match="did you mean 'focal'"):
        train.TrainConfig(loss="vocal")
    with pytest.raises(InputError, match="focal_gamma = -1"):
        train.TrainConfig(focal_gamma=-1)


def test_the_last_epoch_can_be_taken_whatever_the_validation_says():
    taken = {
        monitor: train.fit(network(), toy(60, 1), toy(12, 2), config(epochs=4, lr=5e-2, monitor=monitor))
        for monitor in ("last", "val_loss")
    }
    assert taken["last"].best_epoch == 4
    best = int(np.argmin(taken["val_loss"].history["val_loss"])) + 1
    assert taken["val_loss"].best_epoch == best
    assert taken["last"].history == taken["val_loss"].history
    assert taken["last"].temperature != 1.0


def unit_features(n=8, width=4, seed=0, streams=("eeg", "me", "body")):
    generator = torch.Generator().manual_seed(seed)
    return {s: torch.randn(n, width, generator=generator, requires_grad=True) for s in streams}


def test_alignment_is_its_formula_pair_by_pair():
    features, label = unit_features(), torch.tensor([0, 1, 2, 0, 1, 2, 0, 3])
    found = losses.alignment(features, label, present=None, temperature=0.5)
    z = {s: F.normalize(x, dim=1).detach().numpy() for s, x in features.items()}
    pairs = [(a, b) for a in z for b in z if a != b]
    for i in range(8):
        terms = []
        for a, b in pairs:
            similarity = z[a][i] @ z[b].T / 0.5
            log_p = similarity - np.log(np.exp(similarity).sum())
            terms.append(-log_p[label.numpy() == int(label[i])].mean())
        assert found[i].item() == pytest.approx(np.mean(terms), rel=1e-5)  # float32


def test_alignment_falls_as_the_streams_of_a_class_meet():
    label = torch.tensor([0, 0, 1, 1])
    apart = {"a": torch.eye(4), "b": torch.eye(4).roll(2, 0)}
    met = {"a": torch.eye(4)[label], "b": torch.eye(4)[label]}
    losses_of = [losses.alignment(f, label, present=None, temperature=0.1).mean() for f in (apart, met)]
    assert losses_of[1] < losses_of[0]
    # two of four share the direction of the anchor: log 2 is the least there is
    assert losses_of[1].item() == pytest.approx(np.log(2), abs=1e-3)  # e^-10 of the others is left


def test_alignment_leaves_absent_streams_alone():
    features, label = unit_features(streams=("a", "b")), torch.tensor([0, 1, 2, 0, 1, 2, 0, 3])
    there = {"b": torch.tensor([True] * 6 + [False] * 2)}
    found = losses.alignment(features, label, present=there, temperature=0.1)
    moved = {"a": features["a"], "b": torch.cat([features["b"][:6], 100 * torch.ones(2, 4)])}
    torch.testing.assert_close(losses.alignment(moved, label, present=there, temperature=0.1), found)
    assert found[7] == 0  # no other sample of its class has the stream b
    found.sum().backward()
    assert all(torch.isfinite(x.grad).all() for x in features.values())
    assert (features["b"].grad[6:] == 0).all()
    none = {"b": torch.zeros(8, dtype=torch.bool)}
    assert (losses.alignment(features, label, present=none, temperature=0.1) == 0).all()
    assert (losses.alignment({"a": features["a"]}, label, present=None, temperature=0.1) == 0).all()
