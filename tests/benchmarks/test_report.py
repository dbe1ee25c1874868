"""A report is made of stored records alone, is one page, and says what it cannot compare."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.common.fields import ConfigError
from benchmarks.common.files import StoreError
from benchmarks.config.run_config import RunConfig
from benchmarks.report import COLUMNS, load
from benchmarks.report.__main__ import main
from benchmarks.report.compared_runs import combine
from benchmarks.report.figures import DrawnFigure
from benchmarks.report.page import make_report
from benchmarks.report.stored import load_run
from benchmarks.report.sweeps import recorded_options
from benchmarks.report.terminal import Report

ROOT = Path(__file__).resolve().parents[2]
Whole = tuple[RunConfig, Report]
Copy = Callable[..., str]


def page(*names: str, force: bool = False) -> str:
    return make_report(combine([load_run(name) for name in names], force=force)).html


@pytest.fixture
def stored(whole: Whole) -> str:
    """The file of the whole run."""
    config, report = whole
    return str(config.output / "invocations" / f"{report.name}.json")


@pytest.fixture
def copy(whole: Whole, stored: str, tmp_path: Path) -> Copy:
    """Makes another invocation of the same stages; a function may change its values."""

    def make(change: Callable[[dict[str, Any]], None], name: str = "copy-1") -> str:
        values = json.loads(Path(stored).read_text())
        values["name"] = name
        change(values)
        (tmp_path / "invocations").mkdir(exist_ok=True)
        if not (tmp_path / "stages").exists():
            (tmp_path / "stages").symlink_to(whole[0].output / "stages")
        path = tmp_path / "invocations" / f"{name}.json"
        path.write_text(json.dumps(values))
        return str(path)

    return make


def test_the_same_records_give_the_same_bytes(stored: str, tmp_path: Path) -> None:
    make_report(combine([load_run(stored)])).write(tmp_path / "a")
    subprocess.run(
        [sys.executable, "-m", "benchmarks.report", stored, "--to", str(tmp_path / "b")],
        cwd=ROOT, check=True, env={**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"},
    )  # fmt: skip
    one, other = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "a", tmp_path / "b")
    )
    assert one == other
    assert {Path("report.html"), Path("report.md"), Path("figures/pass_at_1.png")} <= set(one)
    for name in ("pass_at_1.md", "pass_at_1.tex", "scores.csv", "programs.csv"):
        assert Path("tables", name) in one


class Reader(HTMLParser):
    """Collects what a page asks the network for, its headings, and its tables' heads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_asks_for_nothing_and_can_be_used_by_keyboard(stored: str) -> None:
    text = page(stored)
    tags = Reader(text).tags
    assert not {tag for tag, _ in tags} & {"script", "img", "iframe", "object"}
    wanted = [a.get("href") or a.get("src") for _, a in tags if "href" in a or "src" in a]
    assert wanted
    assert all(str(target).startswith(("#", "data:,", "changes/")) for target in wanted)
    assert "url(" not in text.replace("url(#", "")
    assert "@import" not in text
    places = {a["id"] for _, a in tags if "id" in a}
    assert {str(target)[1:] for target in wanted if str(target).startswith("#")} <= places
    assert all(a.get("tabindex") == "0" for _, a in tags if a.get("class") == "scroll")
    assert all("scope" in a for tag, a in tags if tag == "th")
    assert ("html", {"lang": "en"}) in tags
    assert "prefers-color-scheme: dark" in text
    assert "width=device-width" in text


def test_what_a_row_gained_has_a_page_with_both_programs_and_the_first_failing_test(
    stored: str, tmp_path: Path
) -> None:
    report = make_report(combine([load_run(stored)]))
    files = {f"changes/{m}-{s}.html" for m in ("counting", "repeating") for s in (0, 1)}
    assert set(report.pages) == files
    assert set(re.findall(r'href="(changes/[^"]+)"', report.html)) == files
    page = report.pages["changes/counting-0.html"]
    assert "Gained: 3" in page
    assert "Lost: 0" in page
    assert "Add 1 to the given number." in page
    assert "<h3>counting: passes</h3><pre>def f(x):\n    return x + 1" in page
    assert "<h3>no-data: wrong</h3><pre>def f(x):\n    return x + 2" in page
    assert "base input 0: got 2, expected 1" in page
    assert "td>0</td><td>3</td><td>0</td>" in report.html
    report.write(tmp_path / "out")
    assert (tmp_path / "out" / "changes" / "counting-0.html").read_text() == page


def test_what_a_row_lost_is_shown_the_other_way_round(copy: Copy) -> None:
    def exchange(values: dict[str, Any]) -> None:
        names = {"no-data": "counting", "counting": "no-data"}
        for row in values["rows"]:
            row["method"] = names.get(row["method"], row["method"])

    page = make_report(combine([load_run(copy(exchange))])).pages["changes/counting-0.html"]
    assert "Lost: 3" in page
    assert "<h3>no-data: passes</h3><pre>def f(x):\n    return x + 1" in page
    assert "<h3>counting: wrong</h3><pre>def f(x):\n    return x + 2" in page


def test_the_verdicts_come_first(stored: str) -> None:
    text = page(stored)
    sections = [a["id"] for tag, a in Reader(text).tags if tag == "section"]
    assert sections == [
        "verdicts", "scores", "changes", "funnel", "data", "samples", "cost", "made"
    ]  # fmt: skip
    first = "Estimates of 2 seeds × 3 problems and no verdict: comparing methods takes at least 4"
    assert text.index(first) < text.index('id="scores"')
    assert '<th scope="row">counting</th><td>no-data</td><td>+100.0</td>' in text


def test_settings_versions_digests_and_costs_are_on_the_page(stored: str, whole: Whole) -> None:
    config, report = whole
    text = page(stored)
    assert report.name in text
    assert f"<dd>{report.about['suite_digest']}</dd>" in text
    assert "<dt>finetune.steps</dt><dd>2</dd>" in text
    assert "<dt>version.torch</dt>" in text
    assert all(name in text for row in report.rows for name in row.stages["0"])
    assert str(config.output) not in text, "results do not contain their path"


def test_frames_are_found_by_name_and_show_what_they_hold(stored: str, whole: Whole) -> None:
    config, report = whole
    frames = load(report.name, output=str(config.output))
    assert repr(frames) == repr(load(stored))
    assert f"  scores: {len(frames.scores)} lines, method, metric, value," in repr(frames)


def test_the_frames_hold_the_numbers_of_the_table(stored: str, whole: Whole) -> None:
    _, report = whole
    frames = load(stored)
    scores = frames.scores[frames.scores["metric"] == "pass@1"].set_index("method")
    for row in report.rows:
        assert scores.loc[row.method, "value"] == row.scores[0].value
        assert scores.loc[row.method, "low"] == row.scores[0].low
    passed = frames.programs.groupby("method")["passed"].mean()
    assert dict(passed) == {row.method: row.scores[0].value for row in report.rows}
    trained = frames.samples[frames.samples["fate"] == "fine-tuned on"].groupby("method").size()
    assert dict(trained) == {row.method: row.kept for row in report.rows if row.kept}
    assert len(frames.samples) == sum(row.drawn for row in report.rows)
    assert set(frames.samples["fate"]) == {"fine-tuned on", "over budget"}
    assert (frames.funnel["incoming"] == frames.funnel["kept"] + frames.funnel["dropped"]).all()
    assert frames.costs.groupby("method")["seconds"].sum()["counting"] == pytest.approx(
        report.rows[2].seconds, abs=0.1
    )
    assert report.comparisons is not None
    assert list(frames.verdicts["verdict"]) == [p.verdict for p in report.comparisons.pairs]
    assert set(frames.verdicts["verdict"]) == {"not compared"}


def test_what_the_data_is_like_stands_beside_its_size(stored: str) -> None:
    lines = load(stored).character.set_index(["method", "seed", "against", "measure"])["value"]
    assert lines["repeating", 0, "references", "exact copies"] == 1.0
    assert lines["counting", 1, "references", "exact copies"] == 0.0
    assert lines["counting", 0, "", "distinct tasks"] == 10
    text = page(stored)
    assert '<th scope="row">counting</th><td>10 × 2</td>' in text
    assert '<th scope="row">the references</th><td>4 × 1</td>' in text
    assert '<th scope="row">no-data</th><td>0 × 2</td>' in text


def drawn(*names: str) -> dict[str, DrawnFigure]:
    figures = make_report(combine([load_run(name) for name in names])).figures
    return {figure.name: figure for figure in figures}


def test_figures_say_in_words_what_they_show(stored: str) -> None:
    figures = drawn(stored)
    assert set(figures) == {
        "pass_at_1", "cost_seconds", "cost_tokens", "embedding_map", "growth"
    }  # fmt: skip
    assert "Pass@1 by processor seconds per seed" in figures["cost_seconds"].alternative
    assert "no-data 0.0 % for 0; repeating 100.0 % for" in figures["cost_tokens"].alternative
    assert "counting 100.0 %" in figures["pass_at_1"].alternative
    growth = figures["growth"].alternative
    assert "counting 10 of 10" in growth
    assert "the references have 4" in growth
    assert "counting (n = 20)" in figures["embedding_map"].svg
    for figure in figures.values():
        assert figure.png.startswith(b"\x89PNG")
        assert "<dc:date>" not in figure.svg
        assert f'aria-label="{figure.alternative}"' in page(stored)


def test_runs_of_different_references_are_a_figure(copy: Copy, stored: str) -> None:
    def fewer(values: dict[str, Any]) -> None:
        values["about"]["references"] = values["config"]["references"] = 2

    figures = drawn(stored, copy(fewer))
    assert "counting: 100.0 % with 2, 100.0 % with 4" in figures["reference_fraction"].alternative
    assert {"growth_1", "growth_2", "embedding_map_1", "embedding_map_2"} <= set(figures)
    assert "reference_fraction" not in drawn(stored, copy(lambda values: None))


def test_runs_of_other_counts_of_pairs_are_a_figure(copy: Copy, stored: str) -> None:
    def fewer(values: dict[str, Any]) -> None:
        values["about"]["pairs"] = values["config"]["pairs"] = 2

    figures = drawn(stored, copy(fewer))
    assert "counting: 100.0 % with 2, 100.0 % with 5" in figures["pairs"].alternative
    assert "reference_fraction" not in figures

    def both(values: dict[str, Any]) -> None:
        fewer(values)
        values["about"]["references"] = 2

    words = drawn(stored, copy(fewer), copy(both, "copy-2"))["pairs"].alternative
    assert "counting, 4 references: 100.0 % with 2, 100.0 % with 5" in words
    assert "counting, 2 references: 100.0 % with 2" in words


def option(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(values: dict[str, Any]) -> None:
        values["config"]["method_options"].setdefault("counting", {})[name] = value

    return change


def test_runs_of_other_numbers_of_a_method_are_a_sweep(copy: Copy) -> None:
    runs = [copy(option("supply", value), f"copy-{value}") for value in (8, 2, 0.5)]
    figures = drawn(*runs)
    assert "supply 0.5: 100.0 %, copies 0.0 %; supply 2: " in figures["sweep_counting"].alternative
    assert not {name for name in figures if name.startswith("sweep_")} - {"sweep_counting"}
    assert 'aria-label="counting, Pass@1 and near copies' in page(*runs)
    shown = {row.method for row in combine([load_run(name) for name in runs]).method_rows()}
    assert "counting (counting.supply 0.5)" in shown


@pytest.mark.parametrize("file", ["domino.json", "method.json"])
def test_an_option_that_a_run_left_alone_is_read_where_the_method_wrote_it(
    tmp_path: Path, file: str
) -> None:
    assert recorded_options(tmp_path) == {}
    (tmp_path / file).write_text('{"config": {"w_contrastive": 1.0}}')
    assert recorded_options(tmp_path) == {"w_contrastive": 1.0}


def test_two_numbers_are_lines_and_what_is_no_number_or_too_much_is_no_sweep(copy: Copy) -> None:
    def both(one: float, two: float) -> str:
        def change(values: dict[str, Any]) -> None:
            option("a", one)(values)
            option("b", two)(values)

        return copy(change, f"copy-{one}-{two}")

    grid = drawn(*[both(one, two) for one in (1, 2) for two in (3, 4)])
    assert "a 2, b 4: 100.0 %" in grid["sweep_counting"].alternative
    assert "b 3" in grid["sweep_counting"].svg
    words = [copy(option("a", value), f"copy-{value}") for value in ("x", "y")]
    assert "sweep_counting" not in drawn(*words)


def test_every_column_has_a_meaning(stored: str) -> None:
    frames = load(stored)
    assert {name: list(frame.columns) for name, frame in frames.items()} == {
        name: list(columns) for name, columns in COLUMNS.items()
    }
    assert all(meaning for columns in COLUMNS.values() for meaning in columns.values())


def test_a_failed_method_and_a_missing_seed_are_shown_as_such(copy: Copy) -> None:
    def fail(values: dict[str, Any]) -> None:
        for row in values["rows"]:
            if row["method"] == "repeating" or (row["method"], row["seed"]) == ("counting", 1):
                row.update(stages=row["stages"][:1], asked=10, failed_in="respond", reason="a <b>")

    name = copy(fail)
    text = page(name)
    assert '<th scope="row">repeating</th><td class="failed">failed</td>' in text
    assert "<td>1 of 2 (missing 1)</td>" in text
    assert "FAILED repeating, seed 0 failed in respond: a &lt;b&gt;" in text
    assert "1 method could be scored with" not in text
    scores = load(name).scores.set_index(["method", "metric"])
    assert scores.loc[("counting", "pass@1"), "missing"] == "1"
    assert pd.isna(scores.loc[("repeating", "pass@1"), "value"])
    assert "row failed in respond" in set(load(name).samples["fate"])


@pytest.mark.parametrize(
    ("place", "key", "value", "said"),
    [
        ("about", "suite_digest", "f" * 64, "suite_digest is"),
        ("about", "split", "development", "split is test in"),
        ("about", "model_digest", "e" * 64, "model_digest is"),
        ("versions", "version.torch", "1.0", "torch version is"),
    ],
)
def test_runs_of_different_data_or_versions_are_refused_by_name(
    copy: Copy, stored: str, place: str, key: str, value: str, said: str,
    capsys: pytest.CaptureFixture[str], tmp_path: Path,
) -> None:  # fmt: skip
    other = copy(lambda values: values[place].__setitem__(key, value))
    assert main([stored, other, "--to", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert f"{value[:12]} in copy-1" in line
    assert not (tmp_path / "out").exists()
    assert main([stored, other, "--to", str(tmp_path / "out"), "--force"]) == 0
    text = (tmp_path / "out" / "report.html").read_text()
    assert "Not comparable." in text
    assert said in text
    pairs = load(stored, other, force=True).verdicts
    assert len(pairs) == 2 * 3, "of each run alone"


def test_runs_that_are_alike_are_compared_with_one_another(copy: Copy, stored: str) -> None:
    other = copy(lambda values: values["config"].__setitem__("references", 2))
    text = page(stored, other)
    assert "Not comparable" not in text
    verdicts = load(stored, other).verdicts
    assert len(verdicts) == 6 * 5 / 2
    primary = verdicts[verdicts["family"] == "primary"]
    assert sorted(zip(primary["first"], primary["second"], strict=True)) == [
        (f"{method} (references {n})", f"no-data (references {n})")
        for method in ("counting", "repeating") for n in (2, 4)
    ]  # fmt: skip


def four_seeds(values: dict[str, Any]) -> None:
    """Every run twice more: enough for verdicts."""
    values["about"]["seeds"] = [0, 1, 2, 3]
    values["rows"] += [{**row, "seed": row["seed"] + 2} for row in values["rows"]]


def other_domain(values: dict[str, Any]) -> None:
    four_seeds(values)
    values["about"].update(variant="domain other", suite_digest="f" * 64)


def test_runs_of_several_domains_are_pooled(copy: Copy) -> None:
    names = copy(four_seeds, "copy-1"), copy(other_domain, "copy-2")
    frames = load(*names)
    assert set(frames.verdicts["domain"]) == {"small", "domain other"}
    pooled = frames.pooled.set_index(["first", "second"])
    assert list(pooled.index) == [
        ("repeating", "no-data"), ("counting", "no-data"), ("counting", "repeating")
    ]  # fmt: skip
    assert pooled.loc[("counting", "no-data"), "difference"] == pytest.approx(1.0)
    assert pooled.loc[("counting", "no-data"), "verdict"] == "undecided", "of 3 problems each"
    assert pooled.loc[("counting", "no-data"), "family"] == "primary"
    assert pooled.loc[("counting", "repeating"), "family"] == "exploratory"
    assert (pooled["low"] <= pooled["plain_low"]).all()
    text = page(*names)
    assert "counting vs no-data over 2 domains: undecided (+100.0)" in text
    assert "Pooled over domains" in text
    assert "counting vs no-data: pooled +100.0" in drawn(*names)["forest"].alternative


def test_runs_of_one_domain_are_not_pooled(copy: Copy, stored: str) -> None:
    other = copy(lambda values: values["config"].__setitem__("references", 2))
    assert load(stored, other).pooled.empty
    assert "forest" not in drawn(stored, other)


def test_the_planned_comparisons_are_those_of_the_run(copy: Copy) -> None:
    def plan(values: dict[str, Any]) -> None:
        four_seeds(values)
        values["config"]["compare"] = {"contrasts": ["counting vs repeating"], "margin": 5.0}

    verdicts = load(copy(plan)).verdicts
    (primary,) = verdicts[verdicts["family"] == "primary"].itertuples()
    assert (primary.first, primary.second) == ("counting", "repeating")
    assert len(verdicts) == 3
    assert "a difference of 5 points or more" in page(copy(plan))


def test_one_run_twice_is_refused(stored: str) -> None:
    with pytest.raises(ConfigError, match="repeat"):
        load(stored, stored)


def test_a_run_is_found_by_name_beginning_file_or_folder(copy: Copy, tmp_path: Path) -> None:
    copy(lambda values: None, "small-aa11")
    for name in ("small-aa11", "small-a", str(tmp_path)):
        assert load_run(name, tmp_path).name == "small-aa11"
    copy(lambda values: None, "small-aa22")
    assert load_run("small-aa2", tmp_path).name == "small-aa22"
    for name in ("small", str(tmp_path)):
        with pytest.raises(ConfigError, match=r"2 runs.*small-aa11, small-aa22"):
            load_run(name, tmp_path)
    with pytest.raises(ConfigError, match=r"no run of this name.*there: small-aa11, small-aa22"):
        load_run("large", tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"v": 1, "name": "x"}', '{"v": 99}'])
def test_a_file_that_holds_no_run_is_bad_input(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.json").write_text(text)
    assert main([str(tmp_path / "x.json")]) == 2
    assert "not a run of this version" in capsys.readouterr().err


def test_a_run_whose_stage_is_gone_says_which_and_what_to_do(copy: Copy) -> None:
    def lose(values: dict[str, Any]) -> None:
        values["rows"][0]["stages"][0] = "synthesize-gone"

    with pytest.raises(StoreError, match=r"synthesize-gone.*repeat the command of the run"):
        load_run(copy(lose))
    with pytest.raises(StoreError, match="lacks evaluate"):
        load_run(copy(lambda values: values["rows"][0]["stages"].pop()))
