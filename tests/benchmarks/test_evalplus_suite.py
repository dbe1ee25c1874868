import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.evaluator.check import canonical_failures
from benchmarks.sandbox import SandboxConfig
from benchmarks.sandbox.worker import codec
from benchmarks.suites.base import SuiteError
from benchmarks.suites.evalplus_data import load_problems
from benchmarks.suites.registry import SuiteOptions, load_suite
from tests.benchmarks.shared_data import shared_data
from tests.sandbox.machine import needs_bubblewrap

HUMANEVAL_ROW = {
    "task_id": "HumanEval/0",
    "prompt": 'def double(x):\n    """Twice x."""\n',
    "entry_point": "double",
    "canonical_solution": "    return 2 * x\n",
    "base_input": [[1], [2]],
    "plus_input": [[3]],
    "atol": 0,
}
MBPP_ROW = {
    "task_id": "Mbpp/2",
    "prompt": '"""\nFind what two lists share.\nassert shared((1, 2), (2,)) == {2}\n"""\n',
    "entry_point": "shared",
    "canonical_solution": "def shared(a, b): return set(a) & set(b)\n",
    "base_input": [[[1, 2], [2]]],
    "plus_input": {},
    "atol": 0,
}
MBPP_OWN_ROWS = [
    {
        "task_id": task_id,
        "text": f"Add {task_id}.",
        "code": f"def add{task_id}(x):\r\n    return x + {task_id}",
        "test_setup_code": "",
        "test_list": [f"assert add{task_id}({n}) == {n + task_id}" for n in (1, 2)],
    }
    for task_id in (1, 2, 11, 511, 512, 601, 602, 974)
]


def write(path: Path, *rows: Any) -> Path:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["he.jsonl", "he.jsonl.gz"])
def test_a_humaneval_file_is_read(tmp_path: Path, name: str) -> None:
    suite = load_suite("humaneval+", SuiteOptions(dataset=write(tmp_path / name, HUMANEVAL_ROW)))
    [problem] = suite.problems("test")
    assert problem.base_inputs == [[1], [2]]
    assert problem.meta == {"comparison": "evalplus", "dataset": "humaneval"}
    assert problem.prompt.strip() in suite.instruction(problem)
    assert suite.problems("development") == ()


def test_an_mbpp_file_is_read_with_its_inputs_types(tmp_path: Path) -> None:
    suite = load_suite("mbpp+", SuiteOptions(dataset=write(tmp_path / "m.jsonl", MBPP_ROW)))
    [problem] = suite.problems("test")
    assert problem.base_inputs == [[(1, 2), (2,)]]
    assert problem.plus_inputs == []
    expected = "Find what two lists share.\nassert shared((1, 2), (2,)) == {2}"
    assert suite.instruction(problem) == expected


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "is empty"),
        ([[]], "line 1: a list"),
        ([{"id": 1}], "line 1: no field 'task_id'"),
        ([{k: v for k, v in HUMANEVAL_ROW.items() if k != "atol"}], "atol is None, not a number"),
        ([HUMANEVAL_ROW, HUMANEVAL_ROW], "HumanEval/0 is there twice"),
        ([MBPP_ROW], "task_id is 'Mbpp/2'"),
        ([{**HUMANEVAL_ROW, "base_input": [1]}], "base_input is not a list of lists of arguments"),
        ([{**HUMANEVAL_ROW, "prompt": 3}], "prompt is a int"),
        ([{**HUMANEVAL_ROW, "atol": "0"}], "atol is '0'"),
    ],
)
def test_a_file_of_another_schema_is_refused_in_one_line(
    tmp_path: Path, rows: list[Any], message: str
) -> None:
    with pytest.raises(SuiteError) as caught:
        load_problems("humaneval", write(tmp_path / "he.jsonl", *rows))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_or_not_gzip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="No such file"):
        load_problems("humaneval", tmp_path / "none.jsonl")
    (tmp_path / "plain.jsonl.gz").write_text("{}")
    with pytest.raises(SuiteError, match=r"(?i)gzip"):
        load_problems("humaneval", tmp_path / "plain.jsonl.gz")
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b"x" * 1000)[:20])
    with pytest.raises(SuiteError, match="cannot be read"):
        load_problems("humaneval", tmp_path / "cut.jsonl.gz")
    (tmp_path / "bad.jsonl").write_text("{\n")
    with pytest.raises(SuiteError, match="line 1: not JSON"):
        load_problems("humaneval", tmp_path / "bad.jsonl")


@pytest.fixture
def mbpp_options(tmp_path: Path) -> SuiteOptions:
    rows = [{**MBPP_ROW, "task_id": f"Mbpp/{task_id}"} for task_id in (11, 512, 602)]
    return SuiteOptions(
        dataset=write(tmp_path / "m.jsonl", *rows),
        references_path=write(tmp_path / "mbpp.jsonl", *MBPP_OWN_ROWS),
    )


def test_mbpp_references_are_the_train_split_without_the_test_problems(
    mbpp_options: SuiteOptions,
) -> None:
    suite = load_suite("mbpp+", mbpp_options)
    references = suite.references()
    assert [reference.id for reference in references] == ["mbpp-601", "mbpp-974"]
    assert references[0].instruction == "Add 601.\nassert add601(1) == 602"
    assert references[0].response is None
    assert suite.template == "instruction"


def test_the_pair_track_gives_responses(mbpp_options: SuiteOptions) -> None:
    from dataclasses import replace

    suite = load_suite("mbpp+", replace(mbpp_options, track="pair"))
    reference = suite.references()[0]
    assert reference.response == "```python\ndef add601(x):\n    return x + 601\n```"
    assert suite.template == "pair"


@needs_bubblewrap
def test_mbpp_development_problems_are_runnable_validation_tasks(
    mbpp_options: SuiteOptions,
) -> None:
    problems = load_suite("mbpp+", mbpp_options).problems("development")
    assert [problem.id for problem in problems] == ["Mbpp/511"]
    assert problems[0].base_inputs == [[1], [2]]
    assert canonical_failures(problems, SandboxConfig(workers=1)) == []


def test_a_users_own_references_serve_both_suites(tmp_path: Path) -> None:
    own = write(tmp_path / "own.jsonl", {"instruction": "a", "response": "b"}, {"instruction": "c"})
    he = write(tmp_path / "he.jsonl", HUMANEVAL_ROW)
    mb = write(tmp_path / "mb.jsonl", MBPP_ROW)
    for name, dataset in (("humaneval+", he), ("mbpp+", mb)):
        suite = load_suite(name, SuiteOptions(dataset=dataset, references_path=own))
        assert [(r.instruction, r.response) for r in suite.references()] == [
            ("a", None),
            ("c", None),
        ]


def test_options_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    he = write(tmp_path / "he.jsonl", HUMANEVAL_ROW)
    with pytest.raises(SuiteError, match="name a JSONL file"):
        load_suite("humaneval+", SuiteOptions(dataset=he)).references()
    with pytest.raises(SuiteError, match="no option domain"):
        load_suite("humaneval+", SuiteOptions(dataset=he, domain="x"))
    with pytest.raises(SuiteError, match="no track 'x'"):
        load_suite("mbpp+", SuiteOptions(dataset=he, track="x"))
    bad = write(tmp_path / "bad.jsonl", {"text": "a"})
    mb = write(tmp_path / "mb.jsonl", MBPP_ROW)
    with pytest.raises(SuiteError, match="line 1: no field 'code'"):
        load_suite("mbpp+", SuiteOptions(dataset=mb, references_path=bad)).references()


def test_responses_must_hold_python_that_parses(tmp_path: Path) -> None:
    he = write(tmp_path / "he.jsonl", HUMANEVAL_ROW)
    suite = load_suite("humaneval+", SuiteOptions(dataset=he))
    assert suite.refuse_response("", "```python\ndef f():\n    return 1\n```\nDone!") is None
    assert suite.refuse_response("", "def f(:") == ("does not parse", "def f(:")
    assert suite.refuse_response("", "```\n```") == ("empty", "")
    [problem] = suite.problems("test")
    assert "return 7" in suite.extract(problem, "```python\ndef double(x):\n    return 7\n```")


def humaneval_of(tmp_path: Path, **options: Any) -> Any:
    rows = [{**HUMANEVAL_ROW, "task_id": f"HumanEval/{number}"} for number in range(11)]
    path = write(tmp_path / "he.jsonl", *rows)
    return load_suite("humaneval+", SuiteOptions(dataset=path, **options))


def test_folds_test_every_problem_once_and_never_one_that_a_reference_shows(
    tmp_path: Path,
) -> None:
    tested: list[str] = []
    for fold in range(3):
        suite = humaneval_of(tmp_path, folds=3, fold=fold, track="pair")
        test = [problem.id for problem in suite.problems("test")]
        references = suite.references()
        assert len(test) in (3, 4)
        assert {reference.id for reference in references} == {
            f"HumanEval/{number}" for number in range(11)
        } - set(test)
        assert "return 2 * x" in str(references[0].response)
        assert suite.variant == f"test on fold {fold} of 3"
        assert len(suite.everything()) == 11
        tested += test
    assert sorted(tested) == sorted(f"HumanEval/{number}" for number in range(11))


def test_the_seed_deals_the_folds(tmp_path: Path) -> None:
    def test_ids(seed: int) -> list[str]:
        suite = humaneval_of(tmp_path, folds=3, split_seed=seed)
        return [problem.id for problem in suite.problems("test")]

    assert test_ids(0) == test_ids(0)
    assert len({tuple(test_ids(seed)) for seed in range(5)}) > 1


def test_folds_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    own = write(tmp_path / "own.jsonl", {"instruction": "a"}, {"instruction": "b"})
    for options, message in (
        ({"folds": 1}, "give at least 2 folds"),
        ({"folds": 3, "fold": 3}, "fold is 3 of 3"),
        ({"fold": 1}, "fold is 1 without folds"),
        ({"folds": 3, "references_path": own}, "references_path or folds"),
        ({"folds": 12}, "folds is 12 for 11 problems"),
    ):
        with pytest.raises(SuiteError, match=message):
            humaneval_of(tmp_path, **options).references()


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_mbpp_inputs_are_what_evalplus_makes_of_them(version: str) -> None:
    from evalplus.data.mbpp import mbpp_deserialize_inputs

    path = shared_data(f"evalplus/MbppPlus-v{version}.jsonl.gz")
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    rows = {row["task_id"]: row for row in map(json.loads, lines)}
    problems = load_problems("mbpp", path).problems
    assert [problem.id for problem in problems] == list(rows)
    for problem in problems:
        for ours, field in (
            (problem.base_inputs, "base_input"),
            (problem.plus_inputs, "plus_input"),
        ):
            theirs = mbpp_deserialize_inputs(problem.id, rows[problem.id][field])
            assert [codec.encode(list(item)) for item in ours] == [
                codec.encode(list(item)) for item in theirs
            ], problem.id


def test_real_mbpp_references_and_development_problems_are_no_test_problems() -> None:
    suite = load_suite(
        "mbpp+",
        SuiteOptions(
            dataset=shared_data("evalplus/MbppPlus-v0.1.0.jsonl.gz"),
            references_path=shared_data("mbpp/mbpp.jsonl"),
        ),
    )
    test = {problem.id for problem in suite.problems("test")}
    development = {problem.id for problem in suite.problems("development")}
    references = {reference.id.replace("mbpp-", "Mbpp/") for reference in suite.references()}
    assert (len(test), len(development), len(references)) == (399, 47, 263)
    assert not test & development
    assert not test & references
