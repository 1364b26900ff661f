"""From features to model input: pairing streams, presence masks, fold transforms, batches.

This is the only place where something is fitted on more than one trial before a model sees it, and what it
may be fitted on is handed in as rows of a :class:`Table`.
"""

from mien.batches.events import pair_events
from mien.batches.scale import Scaler, fit_scaler
from mien.batches.table import Allocate, Table, make_batch, pair

__all__ = ["Allocate", "Scaler", "Table", "fit_scaler", "make_batch", "pair", "pair_events"]
