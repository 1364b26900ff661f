"""Label policies: every rating has one class, or none by the policy's own word."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core import POLICIES, InputError, LabelPolicy

rating = st.one_of(st.floats(1, 9), st.sampled_from([1.0, 5.0, 9.0]))
boundary = st.sampled_from(["high", "low", "drop"])


def test_classes_are_numbered_as_in_the_public_code() -> None:
    assert POLICIES["quadrant"].classes == ("HVHA", "HVLA", "LVLA", "LVHA")
    assert POLICIES["released"].classes == POLICIES["quadrant"].classes
    assert POLICIES["valence"].classes == ("low", "high")


@pytest.mark.parametrize(
    ("valence", "arousal", "released", "high", "low"),
    [
        (6, 6, "HVHA", "HVHA", "HVHA"),
        (6, 4, "HVLA", "HVLA", "HVLA"),
        (4, 4, "LVLA", "LVLA", "LVLA"),
        (4, 6, "LVHA", "LVHA", "LVHA"),
        (5, 4, "HVLA", "HVLA", "LVLA"),
        (5, 5, "LVHA", "HVHA", "LVLA"),
        (5, 6, "LVHA", "HVHA", "LVHA"),
        (4, 5, "LVHA", "LVHA", "LVLA"),
        (6, 5, "LVHA", "HVHA", "HVLA"),
    ],
)
def test_every_kind_of_rating(valence: float, arousal: float, released: str, high: str, low: str) -> None:
    ratings = {"valence": valence, "arousal": arousal}
    assert POLICIES["released"].word(ratings) == released
    assert LabelPolicy(name="q", boundary="high").word(ratings) == high
    assert LabelPolicy(name="q", boundary="low").word(ratings) == low
    dropped = LabelPolicy(name="q", boundary="drop").word(ratings)
    assert dropped == (None if 5 in (valence, arousal) else high)


@given(valence=rating, arousal=rating, how=boundary)
def test_a_trial_has_a_class_or_is_left_out_at_the_boundary(valence: float, arousal: float, how: str) -> None:
    policy = LabelPolicy(name="q", boundary=how)  # type: ignore[arg-type]
    ratings = {"valence": valence, "arousal": arousal}
    assert policy.touches(ratings) == (valence == 5 or arousal == 5)
    word = policy.word(ratings)
    assert (word is None) == (how == "drop" and policy.touches(ratings))
    if word is not None and not policy.touches(ratings):
        assert (word[0] == "H") == (valence > 5)
        assert (word[2] == "H") == (arousal > 5)


def test_one_dimension_and_its_truncation() -> None:
    # public code cuts 5.9 to 5 and calls it low; here it is high
    assert POLICIES["valence"].word({"valence": 5.9}) == "high"
    assert POLICIES["valence"].word({"valence": 4.99}) == "low"
    assert LabelPolicy(name="v", dimensions=("valence",), threshold=6).word({"valence": 5.9}) == "low"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"boundary": "up"}, "boundary 'up'; expected 'high' or 'low' or 'drop'"),
        ({"rater": "nobody"}, "rater 'nobody'"),
        ({"rule": "x"}, "rule 'x'"),
        ({"dimensions": ()}, "dimensions"),
        ({"dimensions": ("valence", "valence")}, "two different ones"),
        ({"threshold": math.nan}, "threshold nan"),
        ({"rule": "milmer", "dimensions": ("valence",)}, "two dimensions"),
        ({"name": ""}, "no name"),
    ],
)
def test_impossible_policies(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        LabelPolicy(**{"name": "q", **options})


@pytest.mark.parametrize("ratings", [{"valence": 5.0}, {"valence": 5.0, "arousal": math.nan}])
def test_a_missing_rating_is_an_error_and_not_low(ratings: dict[str, float]) -> None:
    with pytest.raises(InputError, match="no rating of arousal"):
        POLICIES["quadrant"].word(ratings)


def test_reports_are_told_what_happens_at_the_boundary() -> None:
    assert "exactly that counts as high" in POLICIES["quadrant"].describe()
    assert "leaves the trial out" in LabelPolicy(name="q", boundary="drop").describe()
    assert "is LVHA" in POLICIES["released"].describe()
    assert LabelPolicy(name="s", rater="stimulus").needed == ("valence_stimulus", "arousal_stimulus")
