import dataclasses
import io
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from benchmarks.common.words import say
from benchmarks.pipeline.rows import SeedRun
from benchmarks.report.facts import FactRow, fact_counts, fact_rows
from benchmarks.report.funnel import STEP_NAMES, Funnel, FunnelStep
from benchmarks.report.method_rows import Failure, MethodRow, method_rows
from benchmarks.report.stored import facts_of
from benchmarks.report.terminal import (
    Report,
    dropped_words,
    fact_table,
    funnel_table,
    score_table,
    show,
    write_json,
)
from benchmarks.store.store import Stage, Store
from domino.records import Outcome, Provenance, Score, Synthetic, Verdict
from tests.stages.small import SmallSuite

PASSED, WRONG = Outcome.PASSED, Outcome.WRONG


def score(value: float = 0.5) -> Score:
    return Score(
        metric="pass@1", value=value, low=0.4, high=0.6, problems=128, samples=1, seeds=(0,)
    )


def no_funnel(name: str) -> Funnel:
    steps = [FunnelStep(name=step, incoming=0, kept=0, dropped={}) for step in STEP_NAMES]
    return Funnel(method=name, asked=0, refused={}, steps=tuple(steps))


def method_row(name: str, **changes: object) -> MethodRow:
    row = MethodRow(
        method=name, synthesizes=True, scores=(score(),), base_scores=(score(),), drawn=20, kept=10,
        dropped={"duplicate": 6, "no agreement": 4}, seconds=61.4, tokens=12345,
        evaluation_tokens=99, outcomes={"passed": 64, "wrong": 64}, untrained_seeds=(),
        stages={"0": ("synthesize-1",)}, funnel=no_funnel(name),
    )  # fmt: skip
    return dataclasses.replace(row, **changes)


def report(*rows: MethodRow, **changes: object) -> Report:
    about = {
        "suite": "housestyle", "variant": "domain ledger, track compositions", "split": "test",
        "template": "instruction", "suite_digest": "a" * 64, "model": "m", "model_digest": "b" * 64,
        "model_licence": "Apache-2.0",
        "engine": "transformers",
        "responder": "plain", "references": 32, "seeds": [0], "pairs": 10, "draws": 20,
    }  # fmt: skip
    values = Report(
        about=about, rows=rows, facts=(), stored=Path("/runs"), seconds=70.0, reused=0, stages=8
    )
    return dataclasses.replace(values, **changes)


def printed(shown: Report, width: int = 140) -> str:
    stream = io.StringIO()
    show(shown, Console(file=stream, width=width))
    return stream.getvalue()


def cells(text: str, method: str) -> list[str]:
    """Return the cells of the first line that is about a method."""
    line = next(line for line in text.splitlines() if line.startswith(f"{method}  "))
    return re.split(r" {2,}", line.strip())


def test_the_table_has_a_line_for_each_method_with_all_its_numbers() -> None:
    text = printed(report(method_row("domino"), method_row("few-shot", kept=7)))
    assert cells(text, "domino") == [
        "domino", "50.0", "40.0 to 60.0", "128 × 1", "10", "61", "12,345",
    ]  # fmt: skip
    assert "domino dropped 10: 6 duplicate, 4 no agreement" in text
    assert "housestyle (domain ledger, track compositions): Pass@1" in text


def test_what_could_be_misread_is_said() -> None:
    text = printed(
        report(
            method_row("no-data", kept=0, untrained_seeds=(0,), synthesizes=False),
            method_row("domino", kept=7),
            method_row("few-shot", scores=(score(0.0),), outcomes={"wrong": 100, "timeout": 28}),
            method_row("references-only", kept=3, synthesizes=False),
        )
    )
    assert "no-data: no pair to train on (seed 0); the score is the backbone's." in text
    assert "domino: 7 of 10 pairs were kept." in text
    assert "few-shot: no program passed (100 wrong, 28 timeout)." in text
    assert "references-only:" not in text, "a method that adds nothing is short of nothing"
    assert "one seed does not show the variation between seeds" in text
    for part in ("Responses: plain", "References: 32 (instruction)", "from 20 samples", "a" * 12,
                 "Stored in /runs", "8 stages in 70 s, 0 of them reused.",
                 "Licence of generated text: Apache-2.0.",
                 "Timeouts rerun without contention: 0."):  # fmt: skip
        assert part in text


def test_texts_that_were_cut_off_or_undecodable_are_counted_by_method() -> None:
    cut, odd = method_row("domino", truncated=3), method_row("few-shot", undecodable=1)
    text = printed(report(cut, odd, method_row("no-data")))
    assert "Solutions cut off at the maximum length: domino 3." in text
    assert "Generated texts with undecodable characters (U+FFFD): few-shot 1." in text
    assert "cut off" not in printed(report(method_row("domino")))


def test_a_terminal_of_80_columns_shows_every_cell_whole() -> None:
    counts = (3000, 2900, 2800, 2700, 2600, 2500, 1500)
    steps = tuple(
        FunnelStep(name=name, incoming=before, kept=kept, dropped={"x": before - kept})
        for name, before, kept in zip(STEP_NAMES, (3000, *counts), counts, strict=False)
    )
    lossy = Funnel(method="references-only", asked=3000, refused={"x": 1055}, steps=steps)
    names = ("drawn valid", "drawn in domain", "drawn copy", "drawn coverage", "kept valid",
             "kept aligned", "kept coverage")  # fmt: skip
    shown = report(
        method_row("references-only", kept=1500, seconds=5452.0, tokens=1_239_421, funnel=lossy),
        facts=[FactRow(method="references-only", shares=dict.fromkeys(names, 1.0))],
    )
    for table in (score_table(shown), fact_table(shown.facts)):
        assert lines(table, 80) == lines(table, 200)
    assert [row for row in lines(funnel_table(shown), 100) if "…" in row] == []


def test_what_is_said_wraps_between_words_on_a_terminal_and_is_one_line_elsewhere() -> None:
    text = "domino is equivalent to " + ", ".join(f"method-{n} (+1.0)" for n in range(9))
    for terminal in (True, False):
        stream = io.StringIO()
        say(Console(file=stream, width=60, force_terminal=terminal, color_system=None), text)
        found = stream.getvalue().splitlines()
        assert " ".join(line.strip() for line in found) == text
        assert (len(found) > 1) is terminal


def lines(table: Table, width: int) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width).print(table)
    return [line.strip() for line in stream.getvalue().splitlines()]


def test_steps_at_which_no_method_lost_a_record_are_named_in_one_line() -> None:
    steps = [FunnelStep(name=name, incoming=9, kept=9, dropped={}) for name in STEP_NAMES]
    steps[-1] = dataclasses.replace(steps[-1], kept=8, dropped={"over budget": 1})
    whole = Funnel(method="domino", asked=9, refused={}, steps=tuple(steps))
    text = printed(report(method_row("domino", funnel=whole)))
    assert f"Steps that dropped no records: {', '.join(STEP_NAMES[:-1])}." in text
    funnel = text[text.index("Records kept") : text.index("Steps that dropped no records")]
    assert cells(funnel, "domino") == ["domino", "9", "8", "0"]


def test_a_table_of_zeros_says_that_it_compares_nothing() -> None:
    zero, other = method_row("a", scores=(score(0.0),)), method_row("b", scores=(score(0.0),))
    words = "The backbone solves none of the 128 problems"
    assert words in printed(report(zero, other))
    assert words not in printed(report(zero, method_row("b")))


def test_a_method_that_failed_has_a_row_with_its_reason_and_no_score() -> None:
    failures = (Failure(seed=0, stage="synthesize", reason="no chat template"),)
    failed = method_row("few-shot", scores=(), base_scores=(), failures=failures)
    shown = report(failed, method_row("domino"))
    text = printed(shown)
    assert shown.failed
    assert not report(method_row("domino")).failed
    assert cells(text, "few-shot")[:4] == ["few-shot", "failed", "-", "-"]
    assert "FAILED few-shot, seed 0 failed in synthesize: no chat template" in text
    assert "few-shot: no program passed" not in text
    columns = shown.columns()
    assert columns["pass@1"] == [None, 0.5]
    assert columns["failed"] == ["seed 0 failed in synthesize: no chat template", ""]


def test_a_run_that_recomputed_nothing_says_so() -> None:
    text = printed(report(method_row("domino"), reused=8))
    assert "8 stages in 70 s, 8 of them reused; nothing recomputed." in text


def test_other_ks_have_their_own_columns() -> None:
    five = dataclasses.replace(score(0.75), metric="pass@5")
    text = printed(report(method_row("domino", scores=(score(), five))))
    assert "pass@5" in text
    assert "75.0" in text


def test_facts_are_shown_in_one_order_however_they_were_stored() -> None:
    stored = {"drawn copy": 0.1, "drawn valid": 1.0, "kept aligned": 0.5, "kept valid": 1.0}
    invocation = SimpleNamespace(facts={"domino": stored}, config={"methods": ["domino"]})
    run: Any = SimpleNamespace(invocation=invocation, shown=lambda method: method)
    assert list(facts_of(run)["domino"]) == [
        "drawn valid", "drawn copy", "kept valid", "kept aligned",
    ]  # fmt: skip


def test_facts_stand_apart_from_the_scores() -> None:
    facts = [
        FactRow(method="domino", shares={"drawn valid": 0.5, "kept aligned": 1.0}),
        FactRow(method="few-shot", shares={"drawn valid": 0.25}),
    ]
    text = printed(report(method_row("domino"), facts=facts))
    first, second = text.split("Synthetic pairs by exact oracle")
    assert not re.search(r"50\.0 +100\.0", first)
    assert [line for line in second.splitlines() if "few-shot" in line and "25.0" in line
            and "-" in line.split("few-shot")[1]]  # fmt: skip


@pytest.mark.parametrize(
    ("dropped", "words"),
    [
        ({}, "0"),
        ({"duplicate": 3}, "3: 3 duplicate"),
        ({"a": 5, "b": 4, "c": 3, "d": 2, "e": 1, "f": 1}, "16: 5 a, 4 b, 3 c, 2 d, 2 other"),
    ],
)
def test_drops_are_told_by_reason_and_add_up(dropped: dict[str, int], words: str) -> None:
    assert dropped_words(dropped) == words


def test_the_json_has_every_field_of_every_row(tmp_path: Path) -> None:
    made = report(method_row("domino"), facts=[FactRow(method="domino", shares={"x": 0.5})])
    write_json(made, tmp_path / "table.json")
    values = json.loads((tmp_path / "table.json").read_text())
    assert set(values) == {
        "version", "about", "methods", "facts", "comparisons", "name", "stored", "seconds",
        "stages", "reused",
    }  # fmt: skip
    (row,) = values["methods"]
    assert set(row) == {field.name for field in dataclasses.fields(MethodRow)}
    assert row["scores"][0] == {
        "metric": "pass@1", "value": 0.5, "low": 0.4, "high": 0.6, "problems": 128, "samples": 1,
        "seeds": [0],
    }  # fmt: skip
    assert values["facts"] == [{"method": "domino", "shares": {"x": 0.5}}]


def finished(root: Path, name: str, summary: dict, **files: list) -> Stage:
    stage = Store(root).stage(name, config=summary, inputs=[], code=str(root))
    with stage.writing():
        for file, records in files.items():
            for record in records:
                stage.append(f"{file}.jsonl", record)
        stage.finish(summary)
    return stage


def pair(number: int, instruction: str = "Add.") -> Synthetic:
    provenance = Provenance(method="m", seed=0)
    return Synthetic(id=str(number), instruction=instruction, response="r", provenance=provenance)


def row(root: Path, seed: int, passes: list[tuple[bool, bool]], method: str = "m") -> SeedRun:
    """One row whose two samples of problems p0, p1, ... pass (base, plus) as given."""
    verdicts = [
        Verdict(
            program_id=f"p{n // 2}/{n % 2}", problem_id=f"p{n // 2}",
            base=PASSED if base else WRONG, plus=PASSED if plus else WRONG,
        )
        for n, (base, plus) in enumerate(passes)
    ]  # fmt: skip
    root = root / f"{method}{seed}"
    return SeedRun(
        method=method,
        seed=seed,
        synthesized=finished(
            root, "synthesize",
            {"drawn": 8, "missing": 2, "tokens": 100, "synthesizes": True, "refused": {"x": 3}},
            synthetic=[pair(1, "Add 1 to x."), pair(2, "no number")],
        ),
        filtered=finished(root, "filter-instructions", {"kept": 7, "dropped": {"duplicate": 1}}),
        responded=finished(root, "respond", {"tokens": 50, "kept": 7, "dropped": {}}),
        agreed=finished(root, "filter-responses", {"kept": 5, "dropped": {"no agreement": 2}}),
        pairs=finished(
            root, "decontaminate", {"kept": 4, "dropped": {"duplicate": 1}}, kept=[pair(1)]
        ),
        tuned=finished(root, "finetune", {"kept": 4, "dropped": {}, "adapter": seed != 9}),
        evaluated=finished(
            root, "evaluate",
            {"tokens": 30, "outcomes": {"passed": 1}, "retried_timeouts": 2, "truncated": 1,
             "undecodable": 1},
            verdicts=verdicts,
        ),
    )  # fmt: skip


def test_rows_add_up_over_seeds(tmp_path: Path) -> None:
    yes, half, no = (True, True), (True, False), (False, False)
    rows = [row(tmp_path, 9, [yes, no, no, no]), row(tmp_path, 0, [yes, yes, half, half])]
    (result,) = method_rows(rows, ks=(1, 2))
    one, two = result.scores
    assert one.value == pytest.approx((0.5 + 0 + 1 + 0) / 4)
    assert two.value == pytest.approx((1 + 0 + 1 + 0) / 4)
    assert result.base_scores[0].value == pytest.approx((0.5 + 0 + 1 + 1) / 4)
    assert (one.problems, one.samples, one.seeds) == (2, 2, (0, 9))
    assert one.low < one.value < one.high
    assert result.drawn == 16
    assert result.kept == 8
    assert result.dropped == {"duplicate": 4, "never drawn": 4, "no agreement": 4}
    assert (result.tokens, result.evaluation_tokens) == (300, 60)
    assert result.untrained_seeds == (9,)
    assert result.retried_timeouts == 4
    assert (result.truncated, result.undecodable) == (2, 2)
    assert set(result.stages) == {"0", "9"}


def test_methods_keep_the_order_of_the_run(tmp_path: Path) -> None:
    rows = [row(tmp_path, s, [(True, True)] * 2, m) for s in (0, 1) for m in ("b", "a")]
    assert [result.method for result in method_rows(rows, ks=(1,))] == ["b", "a"]


class KnownSuite(SmallSuite):
    def oracle(self, instruction, response, references=None):
        valid = "Add" in instruction
        return {"valid": valid, "in_domain": False, "copy": valid, "aligned": response == "r"}

    def support_coverage(self, instructions):
        return len(instructions) / 10


def test_facts_are_shares_of_what_was_drawn_and_of_what_was_kept(tmp_path: Path) -> None:
    counts = fact_counts(row(tmp_path, 0, [(True, True)] * 2), KnownSuite())
    (result,) = fact_rows([("m", counts)])
    assert result.shares == {
        "drawn valid": 0.5, "drawn in domain": 0.0, "drawn copy": 0.5, "drawn coverage": 0.2,
        "kept valid": 1.0, "kept aligned": 1.0, "kept coverage": 0.1,
    }  # fmt: skip


def test_a_suite_without_an_oracle_has_no_facts(tmp_path: Path) -> None:
    counts = fact_counts(row(tmp_path, 0, [(True, True)] * 2), SmallSuite())
    assert fact_rows([("m", counts)]) == []


def test_shares_are_over_the_pairs_of_all_seeds_and_coverage_is_their_mean() -> None:
    def drawn(pairs: int, valid: int, coverage: float) -> dict[str, dict[str, float]]:
        counts = {"pairs": pairs, "valid": valid, "in_domain": 0, "copy": 0, "coverage": coverage}
        return {"drawn": counts}

    (result,) = fact_rows([("m", drawn(1, 1, 0.2)), ("m", {}), ("m", drawn(9, 0, 0.6))])
    assert result.shares["drawn valid"] == 0.1
    assert result.shares["drawn coverage"] == pytest.approx(0.4)
