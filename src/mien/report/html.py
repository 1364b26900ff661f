"""``report.html``: one page that needs nothing but itself."""

from __future__ import annotations

from html import escape
from pathlib import Path

from mien.report import (
    section_association,
    section_background,
    section_bags,
    section_clocks,
    section_events,
    section_figures,
    section_protocols,
    section_runs,
    section_saliency,
    section_scores,
    section_tasks,
    words,
)
from mien.report.blocks import page, prose
from mien.report.panels import Story
from mien.report.rows import report_content, write_json, write_text
from mien.report.run_folder import read_run

FOOTER = "Made by `mien report` from the run folder alone. Intervals are 95 %."


def write_report(folder: str | Path, *others: str | Path) -> Path:
    """Write ``report.html`` and ``report.json`` into a run folder.

    Parameters
    ----------
    folder
        The run the page is about; the page is written here.
    others
        Further run folders to compare it with.

    Returns
    -------
    Path
        ``folder/report.html``: self-contained, no script, no network request.

    Raises
    ------
    InputError
        A file of a run folder is missing or not what the format says.
    """
    story = Story.of(read_run(folder))
    rest = [Story.of(read_run(other)) for other in others]
    stories = [story, *rest]
    write_json(story.run.path / "report.json", report_content(story.run, story.rows))
    sections = [
        ("summary", "Summary", section_scores.summary(story)),
        ("meaning", "What these numbers mean", section_scores.meaning(story)),
        ("compared", "Runs compared", section_runs.compared(story, rest) if rest else ""),
        ("tasks", section_tasks.heading(stories), section_tasks.tasks(stories)),
        ("protocols", "Protocols side by side", section_protocols.protocols(story, rest)),
        ("modalities", "Protocols and modalities", section_figures.comparison(story)),
        ("subjects", "Every subject", section_figures.drawn(story, "subjects")),
        ("confusion", "What is taken for what", section_figures.drawn(story, "confusion")),
        ("curves", "Learning curves", section_figures.drawn(story, "curves")),
        (
            "bands",
            "Informative bands",
            section_figures.drawn(story, "bands") + section_saliency.course(story),
        ),
        ("saliency", "What the model looks at", section_saliency.saliency(story)),
        ("bags", "Which instances were chosen", section_bags.bags(story)),
        ("calibration", "Calibration", section_figures.drawn(story, "calibration")),
        ("controls", "Controls and oracle", section_background.controls(story)),
        ("audit", "Leakage audit", section_background.audit(story)),
        ("events", "Events", section_events.events(story)),
        (
            "association",
            "What brain and body do around expressions",
            section_association.association(story.run.path),
        ),
        ("clocks", "Clocks", section_clocks.clocks(story.run.path)),
        ("dropped", "What was left out, and why", section_background.dropped(story)),
        ("published", "Published numbers", section_background.published(story)),
        ("cleaning", "Cleaning", section_background.cleaning(story)),
        ("setup", "Data, features, models", section_background.setup(story)),
        ("repeat", "Time, versions, how to repeat and cite", section_background.repeat(story)),
    ]
    title = f"mien report: {story.run.path.resolve().name}"
    return write_text(
        story.run.path / "report.html",
        page(title=title, header=_header(story), sections=sections, footer=FOOTER),
    )


def _header(story: Story) -> str:
    run = story.run
    data = run.record["dataset"]
    title = f"{story.model} on {data.get('name', 'unnamed data')}"
    title += " (made-up data)" if data.get("simulated") else ""
    headline, sentence = words.verdict(story)
    kind = "leaks" if run.audit["verdict"] == "leaks" else "clean"
    banner = (
        '<div class="banner" role="note">Made-up data: these numbers say nothing about people.</div>'
        if data.get("simulated")
        else ""
    )
    return (
        f'<p class="kicker">mien report · {escape(run.path.resolve().name)}</p>\n'
        f"<h1>{escape(title)}</h1>\n"
        f'<p class="lead">{prose(words.study_sentence(story))}</p>\n{banner}\n'
        f'<div class="verdict {kind}" role="status"><strong>{escape(headline)}.</strong>'
        f"<p>{prose(sentence)}</p></div>"
    )
