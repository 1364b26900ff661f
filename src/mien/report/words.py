"""What the numbers of a run mean, in sentences made from the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mien.report.drawing import modality_label
from mien.report.panels import Story, spoken
from mien.report.rows import paired_difference

THING = {"subject": "subject", "stimulus": "clip", "session": "session", "trial": "trial", "event": "event"}

SPOKEN = {"eye": "eye movements", "me": "the moving face (ME)"}


def percent(share: float | None) -> str:
    """``0.4273`` as ``"42.7"``."""
    return "–" if share is None else f"{100 * share:.1f}"


def signed(difference: float) -> str:
    """A difference of shares in points: ``-0.051`` as ``"−5.1"``."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def span(score: Mapping[str, Any]) -> str:
    """The interval of a score: ``"35.1 to 50.2"``."""
    return f"{percent(score['low'])} to {percent(score['high'])}"


def claims(proven: Iterable[str]) -> list[str]:
    """The words a page may use for what the audit proved.

    ``"cross-subject"``, else ``"cross-session"``, ``"cross-trial"`` or ``"cross-event"`` (each holds out the
    later ones too), and ``"cross-stimulus"`` (new clips; new trials go without saying).
    """
    proven = set(proven)
    nested = next((w for w in ("subject", "session", "trial", "event") if w in proven), None)
    if "stimulus" in proven and nested in ("trial", "event"):
        nested = None
    return [f"cross-{w}" for w in (nested, "stimulus" if "stimulus" in proven else None) if w]


def held_out(proven: Iterable[str]) -> str:
    """``"no test subject and no test clip in training"``, or that nothing was proved."""
    things = [THING[c.removeprefix("cross-")] for c in claims(proven)]
    return " and ".join(f"no test {t}" for t in things) + " in training" if things else "nothing proved"


def listed(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else "".join(words)


def capital(text: str) -> str:
    """With a capital at its beginning."""
    return text[:1].upper() + text[1:]


def names(found: Iterable[str]) -> list[str]:
    """Names as code, for :func:`mien.report.blocks.prose`."""
    return [f"`{name}`" for name in found]


def headline(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The score of a row that its chance interval and oracle are about: accuracy, or UAR."""
    score: Mapping[str, Any] = row["metrics"][row["controls"]["permuted"]["metric"]]
    return score


def inside_chance(row: Mapping[str, Any]) -> bool:
    """Whether the score is no larger than permuted labels give (97.5th percentile)."""
    value, high = headline(row)["value"], row["controls"]["permuted"]["high"]
    return bool(value is None or high is None or value <= high)


def way_to_oracle(row: Mapping[str, Any]) -> float | None:
    """Share of the way from uniform chance to the oracle, or None."""
    if not row["oracle"] or row["oracle"]["value"] <= row["chance"]["uniform"]:
        return None
    chance = row["chance"]["uniform"]
    return float((headline(row)["value"] - chance) / (row["oracle"]["value"] - chance))


def study_sentence(story: Story) -> str:
    """The study in one sentence."""
    run = story.run
    first = story.plain[0]
    signals = listed([SPOKEN.get(m, modality_label(m)) for m in story.modalities[0].split("+")])
    made_up = "made-up " if run.record["dataset"].get("simulated") else ""
    what = f"{len(run.classes)} classes ({', '.join(run.classes)})"
    seeds = len(run.record["seeds"])
    return (
        f"`{story.model}` and {len(story.models) - 1} other models learn" if len(story.models) > 2
        else f"{listed(names(story.models))} learn{'s' if len(story.models) == 1 else ''}"
    ) + (
        f" to tell {what} apart from {signals} "
        f"{_in_events(first)}of {first['n_subjects']} "
        f"{made_up}subject{'s' if first['n_subjects'] != 1 else ''} who each met up to "
        f"{first['n_stimuli']} clips, tested under {listed(names(story.protocols))} with {seeds} "
        f"seed{'s' if seeds != 1 else ''}."
    )  # fmt: skip


def _in_events(row: Mapping[str, Any]) -> str:
    return f"in {row['n']:,} events " if row["level"] == "event" else ""


def verdict(story: Story) -> tuple[str, str]:
    """Headline and sentence on the audit."""
    audit = story.run.audit
    leaks = [f for f in audit["findings"] if f.get("severity", "leak") == "leak"]
    cautions = len(audit["findings"]) - len(leaks)
    note = (
        f" {cautions} caution{'s' if cautions != 1 else ''} for the reader: see the audit."
        if cautions
        else ""
    )
    proofs = "; ".join(f"`{p}`: {held_out(audit['proven'].get(p, ()))}" for p in story.protocols)
    if audit["verdict"] == "leaks":
        where = listed(sorted({str(f["where"]) for f in leaks}))
        meant = [p for p in story.protocols if story.leaky(p)]
        why = f" {listed(names(meant))}: leaky on purpose, for comparison." if meant else ""
        return "This run leaks", f"Leaks in {where}.{why} Proved – {proofs}.{note}"
    return "The audit found no leak", f"Proved from the ids of every fold – {proofs}.{note}"


def meaning(story: Story) -> list[tuple[str, list[str]]]:
    """Headings with paragraphs: what the page's model's numbers by trial say, and what they do not."""
    parts = [
        ("Is there anything beyond chance?", _beyond_chance(story)),
        ("A clip that was seen in training gives the label away", _strict_and_lax(story)),
        ("Splits that leak by design", _leaky(story)),
        ("How the features were scaled", _normalisation(story)),
        (f"One signal or {'both' if _n_signals(story) == 2 else 'several'}", _modalities(story)),
        ("Answers that depend on the other samples of the batch", _coupling(story)),
        ("How good could it get", _oracle(story)),
    ]
    return [(heading, text) for heading, text in parts if text]


def _beyond_chance(story: Story) -> list[str]:
    texts = []
    for protocol in story.protocols:
        rows = _rows(story, protocol)
        if not rows:
            continue
        row = rows[0]
        score, chance = headline(row), row["controls"]["permuted"]
        text = (
            f"Under `{protocol}` ({held_out(row['held_out'])}) `{story.model}` with "
            f"{modality_label(row['modalities'])}, `normalise = {row['normalise']}`, "
        )
        if story.metric == "accuracy":
            text += f"gets {percent(score['value'])} % of {row['n']} {story.level}s right "
        else:
            right = row["metrics"]["accuracy"]["value"]
            text += (
                f"gets {percent(right)} % of {row['n']} {story.level}s right, where always naming the "
                f"commonest class gets {percent(row['chance']['majority'])} %. Its {spoken(story.metric)}, "
                f"in which every class counts alike, is {percent(score['value'])} % "
            )
        text += (
            f"(95 % interval {span(score)}). "
            f"Guessing gives {percent(row['chance']['uniform'])} %{_commonest(story, row)}, and with labels "
            f"permuted over clips these same answers score {span(chance)} %. "
        )
        if inside_chance(row):
            text += "The score is inside its chance interval: nothing was shown to be recognised."
        elif story.leaky(protocol) or not row["held_out"]:
            text += "The score is above chance, but with nothing proved it says nothing about new data."
        elif "stimulus" not in row["held_out"]:
            text += (
                "The score is above its chance interval. The clips themselves were seen in training, so "
                "this shows that something about the clip is recognised, not yet that the emotion is."
            )
        else:
            text += "The score is above its chance interval, on clips that were never shown in training."
        texts.append(text)
    return texts


def _commonest(story: Story, row: Mapping[str, Any]) -> str:
    """What naming the commonest class gets, where that is far above a guess and not yet said."""
    uniform, majority = row["chance"]["uniform"], row["chance"]["majority"]
    if story.metric != "accuracy" or majority < 1.25 * uniform:
        return ""
    return f", always naming the commonest class {percent(majority)} %"


def _strict_and_lax(story: Story) -> list[str]:
    pair = story.pair()
    if pair is None:
        lax = [p for p in story.protocols if "stimulus" not in story.declared(p) and not story.leaky(p)]
        return [
            f"{listed(names(lax))} shows the test clips in training, so a model may know a clip by "
            "something other than its emotion (length, light, sound). Only a protocol that holds out "
            "clips as well, such as `loso_stimulus`, tells the two apart; this run has none."
        ] if lax and not any("stimulus" in story.declared(p) for p in story.protocols) else []  # fmt: skip
    strict, lax_name = pair
    texts = []
    for normalise in story.normalise:
        for modalities in story.modalities[:1]:
            a, b = story.find(lax_name, normalise, modalities), story.find(strict, normalise, modalities)
            if a is None or b is None:
                continue
            gap = paired_difference(story.predictions(a), story.predictions(b), story.metric)
            text = (
                f"{modality_label(modalities)}, `normalise = {normalise}`: {_measure(story)}"
                f"{percent(headline(a)['value'])} % under `{lax_name}`, "
                f"{percent(headline(b)['value'])} % under `{strict}`"
            )
            if gap:
                text += (
                    f"; the difference on the same {gap['n']} {story.level}s is {signed(gap['value'])} "
                    f"points (95 % interval {signed(gap['low'])} to {signed(gap['high'])})"
                )
            texts.append(text + ". " + _gap_meaning(a, b, gap, lax=lax_name, strict=strict))
            if not {"subject", "stimulus"} <= set(b["held_out"]):
                texts.append(
                    f"The audit did not prove what `{strict}` declares, so this comparison does not count."
                )
    if texts:
        texts.append(
            f"Why they differ: all subjects see the same clips. Under `{lax_name}` the test subject is "
            "new but every test clip was seen in training through the other subjects, so a model can "
            f"recognise the clip (its length, light, sound, pace) and answer with its label. `{strict}` "
            "holds out the subject and the clip together; only its number speaks about a new person who "
            f"watches something new. A part of the difference can also come from `{strict}` training on "
            "fewer clips."
        )
    return texts


def _gap_meaning(
    lax_row: Mapping[str, Any],
    strict_row: Mapping[str, Any],
    gap: Mapping[str, Any] | None,
    *,
    lax: str,
    strict: str,
) -> str:
    if inside_chance(strict_row) and not inside_chance(lax_row):
        return (
            f"`{lax}` is above its chance interval and `{strict}` is inside it: what `{lax}` shows here "
            "is the clip being recognised, not the emotion."
        )
    if inside_chance(strict_row):
        return "Both are inside their chance intervals."
    if gap and gap["low"] > 0:
        return (
            f"Knowing the clips is worth that much here; quote the lower number for new clips, not `{lax}`."
        )
    return "Here the difference could be due to chance."


def _leaky(story: Story) -> list[str]:
    texts = []
    for protocol in story.protocols:
        rows = _rows(story, protocol)
        if story.leaky(protocol) and rows:
            score = percent(headline(rows[0])["value"])
            texts.append(
                f"`{protocol}` is leaky on purpose: windows of one trial stand in training and in test, "
                f"so that neighbours of every test window were learnt with their label. Its {score} % is "
                "there as a warning, to be compared with the rows above, and must not be quoted as a "
                "result. Others measured what cutting inside trials is worth: about 37 points on DEAP "
                "valence (published by eeg-emotion-audit, not ours)."
            )
    return texts


def _normalisation(story: Story) -> list[str]:
    if "subject" not in story.normalise:
        return []
    texts = [
        "`normalise = subject` scales each subject by that subject's own unlabelled trials, test trials "
        "included. It is transductive: unlabelled test data are used. It describes a system that first "
        "watches a new person for a while; `normalise = train` describes one that meets a person cold."
    ]
    for protocol in story.protocols:
        rows = {row["normalise"]: row for row in _rows(story, protocol)}
        if {"train", "subject"} <= set(rows):
            a, b = (headline(rows[n])["value"] for n in ("train", "subject"))
            texts.append(
                f"`{protocol}`: {_measure(story)}{percent(a)} % with train, {percent(b)} % with subject "
                f"({signed(b - a)} points)."
            )
    return texts


def _n_signals(story: Story) -> int:
    return len(story.modalities[0].split("+"))


def _modalities(story: Story) -> list[str]:
    """All signals against the best single one, and, of three or more, against all but one."""
    every = story.modalities[0]
    singles = [m for m in story.modalities[1:] if "+" not in m]
    if "+" not in every or not singles:
        return []
    best_of = "better" if _n_signals(story) == 2 else "best"
    texts = []
    for protocol in story.protocols:
        if story.leaky(protocol):
            continue
        for normalise in story.normalise:
            whole = story.find(protocol, normalise, every)
            alone = [row for m in singles if (row := story.find(protocol, normalise, m))]
            if whole is None or not alone:
                continue
            best = max(alone, key=lambda r: headline(r)["value"])
            texts.append(
                f"`{protocol}`, `normalise = {normalise}`: {_measure(story)}"
                f"{percent(headline(whole)['value'])} % with {modality_label(every)}, "
                f"{percent(headline(best)['value'])} % with the {best_of} single one "
                f"({modality_label(best['modalities'])}){_apart(story, whole, best)}."
                f"{_without_one(story, whole)}"
            )
    return texts


def _without_one(story: Story, whole: Mapping[str, Any]) -> str:
    """What is lost with each single one of three or more signals, where that was scored."""
    signals = whole["modalities"]
    rows = [
        (gone, story.find(whole["protocol"], whole["normalise"], "+".join(s for s in signals if s != gone)))
        for gone in signals
    ]
    told = [
        f"{modality_label([gone])} {percent(headline(row)['value'])} %{_apart(story, whole, row)}"
        for gone, row in rows
        if row is not None
    ]
    return f" Without {'; without '.join(told)}." if len(signals) > 2 and told else ""


def _apart(story: Story, whole: Mapping[str, Any], part: Mapping[str, Any]) -> str:
    """By how much the same samples are answered better with more signals, with its interval."""
    gap = paired_difference(story.predictions(whole), story.predictions(part), story.metric)
    if not gap:
        return ""
    sure = gap["low"] > 0 or gap["high"] < 0
    unsure = "" if sure else ", not told apart by these data"
    return (
        f" (difference {signed(gap['value'])} points, {signed(gap['low'])} to {signed(gap['high'])}{unsure})"
    )


def _coupling(story: Story) -> list[str]:
    rows = [r for r in story.plain if story.coupled(r)]
    if not rows:
        return []
    why = " (attention across the batch, as in the published code)"
    released = why if any(r["recipe"] == "released" for r in rows) else ""
    return [
        f"{listed(names(sorted({r['model'] for r in rows})))}: what is answered about one {story.level} "
        f"depends on the others that stand beside it in the batch{released}. On other {story.level}s, or one "
        "at a time, the same model gives other answers, and a batch in the order of the classes would tell "
        "it the class. Its rows are marked, and no result of its own."
    ]


def _oracle(story: Story) -> list[str]:
    texts = []
    for protocol in story.protocols:
        for row in _rows(story, protocol):
            way = way_to_oracle(row)
            if way is not None and "stimulus" in row["held_out"]:
                texts.append(
                    f"`{protocol}`, `normalise = {row['normalise']}`: the `{row['oracle']['kind']}` "
                    f"oracle gets {_measure(story)}{percent(row['oracle']['value'])} % (± "
                    f"{percent(row['oracle']['se'])} standard error) by {story.level}; the model is "
                    f"{100 * way:.0f} % of the way from chance to it."
                )
    if texts:
        texts.append(
            "The oracle is the Bayes classifier of the made-up data: it knows how they were made (class "
            "patterns, noise, the distributions of subject offsets and clip fingerprints). `inductive` "
            "does not know the test subject's offset and is the match for `normalise = train`; "
            "`subject_known` does and is the match for `normalise = subject`. Neither knows the clips, "
            "so they are no bar for a protocol that shows the clips in training: that can pass them."
        )
    return texts


def _measure(story: Story) -> str:
    """What a percentage is, where that is not the share of right answers."""
    return "" if story.metric == "accuracy" else f"{spoken(story.metric)} "


def _rows(story: Story, protocol: str) -> list[dict[str, Any]]:
    """Rows of the page's model with all modalities, one per normalisation."""
    found = (story.find(protocol, n, story.modalities[0]) for n in story.normalise)
    return [row for row in found if row]
