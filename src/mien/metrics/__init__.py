"""Every score, its interval and its test."""

from __future__ import annotations

from mien.metrics.calibration import brier, ece, nll
from mien.metrics.intervals import Interval, bootstrap_interval, paired_interval, permutation_interval
from mien.metrics.scores import (
    accuracy,
    by_subject,
    confusion,
    kappa,
    score_names,
    scores,
    scores_of,
    uar,
    uf1,
    weighted_f1,
    window_to_trial,
)
from mien.metrics.spotting import spotting_scores

__all__ = [
    "Interval",
    "accuracy",
    "bootstrap_interval",
    "brier",
    "by_subject",
    "confusion",
    "ece",
    "kappa",
    "nll",
    "paired_interval",
    "permutation_interval",
    "score_names",
    "scores",
    "scores_of",
    "spotting_scores",
    "uar",
    "uf1",
    "weighted_f1",
    "window_to_trial",
]
