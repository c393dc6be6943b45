from __future__ import annotations

from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from harness.observation import Stage
from harness.report.markdown import render_markdown
from harness.report.table import Table
from harness.verdict import (
    LoaderJudgement,
    Reason,
    TrainingJudgement,
    TrainingState,
    Verdict,
)
from tests.support.tables import causes_rows, declared, ran, sweep_rows, sweep_table

EXPECTED = Path(__file__).parent / "expected"

HOSTILE = (
    "a | b ` c `` d <img src=x> [x](http://x.invalid) ![y](z) **e** _f_ \\| &lt; $g$\n# h\n| i |"
)


def parsed(text: str) -> str:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)


def hostile_table() -> Table:
    row = ran(
        declared("2.20.0", "3.13", note=HOSTILE),
        Verdict.FAILED,
        stage=Stage.LOAD,
        reason=Reason(code=HOSTILE, message=HOSTILE, evidence=HOSTILE, remedy=HOSTILE),
        versions=(HOSTILE, HOSTILE, HOSTILE),
        warnings=(HOSTILE,),
        others=(
            LoaderJudgement(
                name=HOSTILE,
                verdict=Verdict.UNKNOWN,
                reason=Reason(code=HOSTILE, message=HOSTILE, remedy=HOSTILE),
                training=TrainingJudgement(state=TrainingState.LOST, message=HOSTILE),
            ),
        ),
    )
    return sweep_table((row,), engine_description=HOSTILE, recommendation=(None, HOSTILE))


def test_the_whole_page() -> None:
    assert render_markdown(sweep_table()) == (EXPECTED / "table.md").read_text()


def test_the_whole_page_of_a_model_with_all_there_can_be_to_say() -> None:
    page = render_markdown(sweep_table(causes_rows()))
    assert page == (EXPECTED / "causes.md").read_text()


def test_a_reader_sees_one_row_for_each_cell() -> None:
    page = parsed(render_markdown(sweep_table()))
    rows = page[page.index("<tbody>") : page.index("</tbody>")].split("<tr>")[1:]
    columns = page[page.index("<thead>") : page.index("</thead>")].count("<th")
    assert len(rows) == len(sweep_rows())
    assert {row.count("<td") for row in rows} == {columns - 1}  # <thead> begins so too


@pytest.mark.parametrize("tag", ["<img", "<a ", "<em>", "<hr", "<del>"])
def test_text_from_elsewhere_makes_no_markup(tag: str) -> None:
    assert tag not in parsed(render_markdown(hostile_table()))


def test_text_from_elsewhere_adds_no_table_row_and_no_heading() -> None:
    page = parsed(render_markdown(hostile_table()))
    assert page.count("<tr>") == 2
    assert page.count("<h1>") == 1
    assert page.count("<td") == page.count("<th") - 1


def test_text_from_elsewhere_is_shown_as_it_is() -> None:
    page = parsed(render_markdown(hostile_table()))
    shown = (
        "a | b ` c `` d &lt;img src=x&gt; [x](http://x.invalid) ![y](z) **e** _f_ \\| &amp;lt; $g$"
    )
    assert f"<strong>failed at load</strong>: {shown} # h | i | (" in page
    assert f"remedy: {shown} # h | i |</li>" in page
