"""The commands of the page on own domains work: check, run, report and export, as written there."""

import re
import shlex
from pathlib import Path

import pytest

from benchmarks import check, export, run
from benchmarks.report import __main__ as report
from benchmarks.suites.own import example
from tests.sandbox.machine import needs_bubblewrap
from tests.tiny import make_model, make_tokenizer

PAGE = Path(__file__).resolve().parents[2] / "benchmarks" / "suites" / "own" / "README.md"
QUICK = [
    *("--finetune.steps", "1", "--finetune.rank", "2", "--finetune.batch_size", "2"),
    *("--finetune.max_tokens", "900", "--evaluate.limit", "3", "--evaluate.max_new_tokens", "4"),
    *("--sandbox.workers", "1", "--quiet"),
]


def commands() -> list[list[str]]:
    """The words of every command in a block of the page."""
    blocks = re.findall(r"```\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [shlex.split(line)[2:] for line in lines if line.startswith("python -m ")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example's files and a tiny backbone."""
    folder = tmp_path_factory.mktemp("own")
    assert example.main([str(folder / "domains")]) == 0
    make_tokenizer().save_pretrained(folder / "model")
    make_model(max_position_embeddings=2048).save_pretrained(folder / "model")
    return folder


def test_the_page_has_an_example_of_each_kind() -> None:
    text = " ".join(" ".join(words) for words in commands())
    for file in ("sql.jsonl", "numbers.jsonl", "unittests.jsonl", "alpaca.json"):
        assert f"domains/{file}" in text


def test_the_example_has_enough_problems_and_writes_the_same_again(tmp_path: Path) -> None:
    first, second = example.write(tmp_path / "a"), example.write(tmp_path / "b")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    assert all(len(p.read_text().splitlines()) >= 60 for p in first)


@needs_bubblewrap
def test_check_finds_nothing_wrong_with_the_example(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    [words] = [words for words in commands() if words[0] == "benchmarks.check"]
    assert check.main(words[1:]) == 0
    out = capsys.readouterr().out
    assert out.count("nothing is wrong") == 4
    assert out.count("canonical solutions: 72 of 72, 72 pass") == 2


RUNS = [words[1:] for words in commands() if words[0] == "benchmarks.run"]


@needs_bubblewrap
@pytest.mark.parametrize("words", RUNS, ids=lambda words: words[3].rpartition("/")[2])
def test_every_run_of_the_page_ends_with_a_report(
    place: Path, words: list[str], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(place)
    name = Path(words[3]).stem + ("-alpaca" if "dataset/alpaca" in " ".join(words) else "")
    output = place / f"runs-{name}"
    given = [*words, *QUICK, "--model", str(place / "model"), "--output", str(output)]
    assert run.main(given) == 0
    [stored] = (output / "invocations").iterdir()
    there = [stored.stem, "--output", str(output)]
    assert report.main([*there, "--to", str(output / "page")]) == 0
    assert (output / "page" / "report.html").is_file()
    grouped = (output / "page" / "tables" / "groups.md").is_file()
    assert grouped is (name in ("sql", "unittests"))
    if name.endswith("alpaca"):
        to = output / "data"
        assert export.main([*there, "--method", "dataset/alpaca", "--to", str(to)]) == 0
        assert (to / "train.parquet").is_file()
        assert "dataset/alpaca" in (to / "README.md").read_text()
    capsys.readouterr()
