"""Words for units, as recording programs write them, and what they are in SI."""

from __future__ import annotations

_SI: dict[str, tuple[str, float, float]] = {
    "v": ("V", 1.0, 0.0),
    "volt": ("V", 1.0, 0.0),
    "mv": ("V", 1e-3, 0.0),
    "millivolt": ("V", 1e-3, 0.0),
    "uv": ("V", 1e-6, 0.0),
    "microvolt": ("V", 1e-6, 0.0),
    "nv": ("V", 1e-9, 0.0),
    "s": ("s", 1.0, 0.0),
    "sec": ("s", 1.0, 0.0),
    "second": ("s", 1.0, 0.0),
    "ms": ("s", 1e-3, 0.0),
    "msec": ("s", 1e-3, 0.0),
    "millisecond": ("s", 1e-3, 0.0),
    "siemen": ("S", 1.0, 0.0),
    "mho": ("S", 1.0, 0.0),
    "us": ("S", 1e-6, 0.0),
    "usiemen": ("S", 1e-6, 0.0),
    "microsiemen": ("S", 1e-6, 0.0),
    "umho": ("S", 1e-6, 0.0),
    "micromho": ("S", 1e-6, 0.0),
    "delta microsiemen": ("S", 1e-6, 0.0),
    "ohm": ("ohm", 1.0, 0.0),
    "kohm": ("ohm", 1e3, 0.0),
    "k": ("K", 1.0, 0.0),
    "c": ("K", 1.0, 273.15),
    "f": ("K", 5 / 9, 273.15 - 32 * 5 / 9),
    "hz": ("Hz", 1.0, 0.0),
    "bpm": ("Hz", 1 / 60, 0.0),
    "pa": ("Pa", 1.0, 0.0),
    "mmhg": ("Pa", 133.322387415, 0.0),
    "cmh2o": ("Pa", 98.0665, 0.0),
    "%": ("1", 1e-2, 0.0),
}
"""Word in small letters, without its plural, to SI unit, factor and what is added after the factor.

``s`` is a second; siemens are told in full, or as ``µS``. Degrees become kelvin."""


def to_si(word: str) -> tuple[str, float, float] | None:
    """SI unit, factor and offset of a unit's word: ``SI value = word's value * factor + offset``.

    None where the word is not known. Case does not count, but for ``S`` alone, which is siemens.
    """
    text = " ".join(word.replace("\u00b5", "u").replace("\u03bc", "u").split())
    if text == "S":
        return _SI["siemen"]
    text = text.lower().replace("degrees", "deg").replace("degree", "deg").rstrip(".")
    for mark in ("deg. ", "deg ", "deg", "\u00b0"):
        if text.startswith(mark):
            text = text.removeprefix(mark).strip()
            break
    text = {"celsius": "c", "fahrenheit": "f"}.get(text, text)
    return _SI.get(text) or (_SI.get(text[:-1]) if len(text) > 3 and text.endswith("s") else None)
