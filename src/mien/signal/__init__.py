"""Numeric kernels on arrays: no files, no labels, nothing learnt."""

from mien.signal.lds import lds_smooth
from mien.signal.spectrum import band_power, differential_entropy, flat

__all__ = ["band_power", "differential_entropy", "flat", "lds_smooth"]
