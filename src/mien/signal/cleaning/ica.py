"""Independent components, named by a trained network, and those of eyes, muscle and heart taken off."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core import InputError
from mien.signal.cleaning._chain import Chain
from mien.signal.cleaning._work import Array, CleaningWarning, Outcome, Work, mix, spread_segments
from mien.signal.cleaning.eyes import EYES
from mien.signal.cleaning.filters import HighPass
from mien.signal.cleaning.montage import montage

LABELS = ("brain", "muscle", "eye", "heart", "line", "channel", "other")
"""What a component can be, in the order of the network's outputs."""
REMOVE: Mapping[str, float] = MappingProxyType({"eye": 0.8, "muscle": 0.8, "heart": 0.8, "channel": 0.9})
SEGMENT_SECONDS = 10.0
_LEAST_TILT, _LEAST_FOLLOWING = -10.0, 0.15
_RANK_TOLERANCE = 1e-10
"""Share of the largest eigenvalue below which a direction holds but rounding (samples are float32)."""


@dataclass(frozen=True)
class ICA:
    """Take off components that are not brain.

    Components are fitted by Picard with the extended likelihood (Ablin, Cardoso and Gramfort 2018,
    doi:10.1109/TSP.2018.2844203: what extended infomax finds, sooner) on a copy high-passed at
    ``fit_high_pass`` Hz, in ``fit_seconds`` seconds of segments spread over the recording, from its
    ``components`` strongest principal components; the weaker ones stay as they are. ICLabel
    (Pion-Tonachini, Kreutz-Delgado and Makeig 2019, doi:10.1016/j.neuroimage.2019.05.026) gives each a
    probability for every one of :data:`LABELS`; with extras, a component that follows an eye or heart channel
    by ``extra_correlation`` or more counts as ``eye`` or ``heart`` too. What is at least as probable as
    ``remove`` says is taken off the recording itself, whatever it was high-passed at, unless ``confirm`` is
    on and a measurement speaks against the label:

    * ``muscle``: the component has at least -10 dB at 55-85 Hz relative to 25-45 Hz (muscle is flat there,
      brain falls), where the data reach that far;
    * ``eye``, ``heart``: it correlates by at least 0.15 with an eye (heart) channel, where there is one.

    Attributes
    ----------
    remove
        Label to the least probability. Labels that are absent stay.
    components
        How many there are at most; never more than the rank.
    seed
        Of the start of the fit: the same seed, data and versions give the same components.
    """

    remove: Mapping[str, float] = field(default_factory=lambda: dict(REMOVE))
    fit_high_pass: float = 1.0
    fit_seconds: float = 120.0
    components: int = 32
    extra_correlation: float = 0.6
    confirm: bool = True
    seed: int = 0
    max_iterations: int = 300
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        unknown = set(self.remove) - set(LABELS)
        if unknown:
            raise ValueError(f"unknown labels {', '.join(sorted(unknown))}; known: {', '.join(LABELS)}")
        if not all(0 < p <= 1 for p in self.remove.values()):
            raise ValueError("the probabilities of remove must be in (0, 1]")
        for name in ("fit_high_pass", "fit_seconds", "components", "max_iterations", "tolerance"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)!r}")

    def run(self, work: Work) -> Outcome:
        """Fit, label, take off."""
        raw, extra, seconds = self._fit_copy(work)
        rank = min(work.rank, _numeric_rank(raw.get_data()))
        if rank < 2:
            raise InputError(
                f"the recording has rank {rank}",
                expected="two independent channels or more",
                remedy="leave ICA out of the steps",
            )
        n = min(rank, self.components)
        ica, converged = self._fit(raw, n)
        notes = self._outside(work, seconds, n, converged)
        probability = _probabilities(raw, ica)
        sources = ica.get_sources(raw).get_data()
        pictures = _pictures(sources, work.rate)
        follows = _following(sources, extra, work.extra_channels)
        tilt = _tilt(pictures["component_frequency"], pictures["component_db"], work.high or work.rate / 2)
        removed, why = self._choose(probability, follows, tilt)
        matrix = _taking_off(ica, raw.info, removed)
        before, after = _powers(work, matrix)
        mix(work.data, matrix, work.rate)
        maps, share = _maps(raw.get_data(), sources)
        components = [
            {
                "number": i,
                "label": LABELS[int(probability[i].argmax())],
                "probability": round(float(probability[i].max()), 4),
                "removed": i in removed,
                "why": why.get(i, ""),
                "variance_percent": round(float(share[i]), 3),
            }
            for i in range(n)
        ]
        found = {
            "components": components,
            "n_components": n,
            "removed": list(removed),
            "iterations": int(ica.n_iter_),
            "converged": converged,
            "fit_seconds": round(seconds, 3),
        }
        order = np.asarray(list(removed), dtype=int)
        return Outcome(
            work=replace(work, rank=work.rank - len(order)),
            found=found,
            percent=float(100 * (1 - after / before)) if before else 0.0,
            arrays={
                "maps": maps.T,
                "probabilities": probability,
                "variance_percent": share,
                "removed": np.isin(np.arange(n), order),
                **pictures,
            },
            notes=notes,
        )

    def _fit_copy(self, work: Work) -> tuple[Any, Array, float]:
        """The samples that are fitted, as an MNE recording; the extras beside them; their seconds."""
        import mne

        parts = spread_segments(
            work.n_times, work.rate, seconds=SEGMENT_SECONDS, most=self.fit_seconds, valid=work.valid
        )
        n = sum(part.stop - part.start for part in parts)
        eeg = np.empty((len(work.channels), n))
        extra = np.empty((len(work.extra_channels), n))
        chain = Chain.of([HighPass(self.fit_high_pass)], rate=work.rate, n_in=work.n_times)
        for source, copy in ((work.data, eeg), (work.extra, extra)):
            for row in range(len(copy)):
                whole = np.concatenate([y for _, y in chain.run(_reader(source[row]), block=work.n_times)], 1)
                copy[row] = np.concatenate([whole[0, part] for part in parts])
        info = mne.create_info(list(work.channels), work.rate, "eeg")
        raw = mne.io.RawArray(eeg, info, verbose="error")
        raw.set_montage(montage(work.channels), verbose="error")
        if work.reference == "average":
            raw.set_eeg_reference(projection=False, verbose="error")
        with raw.info._unlock():
            raw.info["highpass"], raw.info["lowpass"] = self.fit_high_pass, work.high or work.rate / 2
        return raw, extra, n / work.rate

    def _fit(self, raw: Any, n: int) -> tuple[Any, bool]:
        import mne

        ica = mne.preprocessing.ICA(
            n_components=n,
            method="picard",
            fit_params={"ortho": False, "extended": True, "tol": self.tolerance},
            max_iter=self.max_iterations,
            random_state=self.seed,
            verbose="error",
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ica.fit(raw, verbose="error")
        return ica, bool(ica.n_iter_ < self.max_iterations)

    def _outside(self, work: Work, seconds: float, n: int, converged: bool) -> tuple[str, ...]:
        """What ICLabel, or the fit, was not made for; warned of as well."""
        notes = []
        if self.fit_high_pass > 1.0 + 1e-9 or (work.low or 0.0) > 1.0 + 1e-9:
            notes.append("ICLabel wants 1-100 Hz; the data were high-passed above 1 Hz")
        high = min(work.high or np.inf, work.rate / 2)
        if high < 80:
            notes.append(f"ICLabel wants 1-100 Hz; the data end at {high:g} Hz, where it tells muscle apart")
        if work.reference != "average":
            notes.append(f"ICLabel wants the average reference; the data's is: {work.reference}")
        if set(work.bad) - set(work.interpolated):
            notes.append("bad channels were neither interpolated nor left out before ICA")
        wanted = 20 * n**2 / work.rate
        if seconds < wanted:
            notes.append(
                f"ICA had {seconds:.0f} s for {n} components; 20 samples per weight are {wanted:.0f} s"
            )
        if not converged:
            notes.append(f"the fit did not converge within {self.max_iterations} iterations")
        for note in notes:
            warnings.warn(note, CleaningWarning, stacklevel=2)
        return tuple(notes)

    def _choose(
        self, probability: Array, follows: Mapping[str, Array], tilt: Array | None
    ) -> tuple[tuple[int, ...], dict[int, str]]:
        """Components to take off, and for each that was considered, why it is or is not."""
        removed: set[int] = set()
        why: dict[int, str] = {}
        for label, least in self.remove.items():
            for i in map(int, np.flatnonzero(probability[:, LABELS.index(label)] >= least)):
                against = self._against(label, i, follows, tilt)
                why[i] = f"{label} {probability[i, LABELS.index(label)]:.2f}{against}"
                if not against:
                    removed.add(i)
            for i in map(int, np.flatnonzero(follows.get(label, np.empty(0)) >= self.extra_correlation)):
                if i not in removed:
                    removed.add(i)
                    why[i] = f"follows the {label} channel, r = {follows[label][i]:.2f}"
        return tuple(sorted(removed)), why

    def _against(self, label: str, i: int, follows: Mapping[str, Array], tilt: Array | None) -> str:
        if not self.confirm:
            return ""
        if label == "muscle" and tilt is not None and tilt[i] < _LEAST_TILT:
            return f", but {tilt[i]:.0f} dB at 55-85 Hz"
        if label in follows and follows[label][i] < _LEAST_FOLLOWING:
            return f", but r = {follows[label][i]:.2f} with the {label} channel"
        return ""


def _reader(row: Array) -> Any:
    return lambda start, stop: row[None, start:stop]


def _numeric_rank(data: Array) -> int:
    scaled = data / np.maximum(data.std(axis=1, keepdims=True), 1e-30)
    values = np.linalg.eigvalsh(scaled @ scaled.T / data.shape[1])
    return int((values > _RANK_TOLERANCE * values.max()).sum())


def _probabilities(raw: Any, ica: Any) -> NDArray[np.float64]:
    """(components, labels) by ICLabel's network, whose weights are inside the package."""
    from mne_icalabel.iclabel import iclabel_label_components

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is outside its domain is said by us
        out = iclabel_label_components(raw, ica, inplace=False, backend="onnx")
    return np.asarray(out, dtype=np.float64)


HEART = ("ECG", "EKG")
"""What the names of heart channels among the extras contain."""


def _following(sources: Array, extra: Array, names: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
    """Largest absolute correlation of each component with the eye and the heart channels."""
    out = {}
    for label, words in (("eye", EYES), ("heart", HEART)):
        rows = [i for i, name in enumerate(names) if any(word in name.upper() for word in words)]
        rows = [i for i in rows if extra[i].std() > 0]
        if rows:
            r = np.corrcoef(sources, extra[rows])[: len(sources), len(sources) :]
            out[label] = np.abs(np.nan_to_num(r)).max(axis=1)
    return out


def _taking_off(ica: Any, info: Any, removed: tuple[int, ...]) -> NDArray[np.float64]:
    """(channels, channels): what the recording is multiplied by to be without some components."""
    import mne

    n = len(info["ch_names"])
    if not removed:
        return np.eye(n)
    # taking off is affine: its matrix is what it makes of the identity, less what it makes of zeros
    raw = mne.io.RawArray(np.hstack([np.eye(n), np.zeros((n, 1))]), info, verbose="error")
    out = ica.apply(raw, exclude=list(removed), verbose="error").get_data()
    return np.asarray(out[:, :n] - out[:, n:])


def _powers(work: Work, matrix: Array) -> tuple[float, float]:
    before = after = 0.0
    for part in spread_segments(work.n_times, work.rate, seconds=SEGMENT_SECONDS, most=600.0):
        x = work.data[:, part].astype(np.float64)
        x -= x.mean(axis=1, keepdims=True)
        before += float((x**2).sum())
        after += float(((matrix @ x) ** 2).sum())
    return before, after


def _maps(data: Array, sources: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Volts at each channel per unit of a component (channels, components); percent of the variance it makes.

    By regression on all components together; with what was not fitted they are not correlated.
    """
    maps = np.linalg.lstsq(sources @ sources.T, sources @ data.T, rcond=None)[0].T
    power = (maps**2).sum(axis=0) * sources.var(axis=1)
    return maps, np.asarray(100 * power / data.var(axis=1).sum())


def _tilt(frequency: Array, db: Array, high: float) -> NDArray[np.float64] | None:
    """How much louder each component is at 55-85 Hz than at 25-45 Hz, in dB; None if data end below 70 Hz."""
    if high < 70:
        return None
    low, fast = (frequency >= 25) & (frequency <= 45), (frequency >= 55) & (frequency <= min(85, high))
    return np.asarray(np.median(db[:, fast], axis=1) - np.median(db[:, low], axis=1))


def _pictures(sources: Array, rate: float) -> dict[str, Array]:
    """For the page: each component's spectrum, in dB."""
    from scipy.signal import welch

    frequency, density = welch(sources, fs=rate, nperseg=min(int(2 * rate), sources.shape[1]), axis=1)
    return {"component_frequency": frequency, "component_db": 10 * np.log10(np.maximum(density, 1e-30))}
