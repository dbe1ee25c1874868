import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.suites.base import Suite, SuiteError
from benchmarks.suites.official.recording import Loads, replaced
from benchmarks.suites.registry import SuiteOptions, load_suite
from domino.engines.base import EngineError
from domino.engines.chat import render_chat
from domino.engines.encoding import Results, make_jobs
from domino.engines.scripted import ScriptedEngine
from domino.records import Problem, Sampling
from tests.benchmarks.shared_data import shared_data
from tests.benchmarks.test_evalplus_suite import HUMANEVAL_ROW, MBPP_ROW, write
from tests.benchmarks.tokenizers_of_families import FAMILIES, family_tokenizer

ANSWER = "def f(x):\n\treturn x\n```\nHope it helps!"


class RecordingModel:
    """Stands for a model: remembers what it is to continue, and answers with given tokens."""

    def __init__(self, answer: list[int]) -> None:
        self.answer = answer
        self.seen: list[dict[str, Any]] = []

    def to(self, device: Any) -> "RecordingModel":
        return self

    def _get_stopping_criteria(self, *_: Any, **__: Any) -> list[Any]:
        return []

    def generate(self, ids: torch.Tensor, **given: Any) -> torch.Tensor:
        self.seen.append({"ids": ids[0].tolist(), **given})
        return torch.cat([ids, torch.tensor([self.answer])], dim=1)


class RenderingEngine(ScriptedEngine):
    """Renders by a tokenizer, as an engine of its model would."""

    def __init__(self, tokenizer: Any) -> None:
        super().__init__(lambda request: "")
        self.tokenizer = tokenizer

    @property
    def has_turns(self) -> bool:
        return self.tokenizer.chat_template is not None

    def render(self, messages: Any, *, open_user_turn: bool = False, prefill: str = "") -> str:
        return render_chat(self.tokenizer, messages, open_user_turn=open_user_turn, prefill=prefill)


def our_ids(suite: Suite, problems: list[Problem], tokenizer: Any) -> Iterator[list[int]]:
    """Yield the ids that reach the model here, problem by problem."""
    engine = RenderingEngine(tokenizer)
    protocol = suite.protocol(chat=engine.has_turns)
    requests = [protocol.request(engine, suite.instruction(p), 0) for p in problems]
    jobs = make_jobs(
        tokenizer, requests, Sampling(max_new_tokens=8), Results(None), width=1,
        context_tokens=10**9,
    )  # fmt: skip
    yield from (list(job.prompt.ids) for job in jobs)


def evalplus_run(
    dataset: str, rows: list[dict[str, Any]], tokenizer: Any, tmp_path: Path
) -> tuple[RecordingModel, Any, list[str]]:
    """Run EvalPlus's own code generation with a model that records; return what it wrote too."""
    import evalplus.codegen as tool
    import evalplus.provider.base as base
    import evalplus.provider.hf as hf

    model = RecordingModel(tokenizer(ANSWER, add_special_tokens=False)["input_ids"])
    decoders: list[Any] = []
    real = tool.codegen

    def codegen(**given: Any) -> None:
        decoders.append(given["model"])
        real(**given)

    tasks = {row["task_id"]: row for row in rows}
    loads = Loads(copy.deepcopy(tokenizer))
    getter = "get_human_eval_plus" if dataset == "humaneval" else "get_mbpp_plus"
    with (
        replaced(tool, codegen=codegen, sanitize=lambda text, entrypoint: text),
        replaced(tool, **{getter: lambda version: tasks}),
        replaced(base, EOS=list(base.EOS)),
        replaced(hf, AutoTokenizer=loads, AutoModelForCausalLM=Loads(model)),
    ):
        path = tool.run_codegen(
            model="m", dataset=dataset, root=str(tmp_path), backend="hf", greedy=True
        )
    written = [json.loads(line)["solution"] for line in Path(path).read_text().splitlines()]
    return model, decoders[0], written


def rows_of(dataset: str) -> tuple[Path, list[dict[str, Any]]]:
    import gzip

    name = {"humaneval": "HumanEvalPlus-v0.1.10", "mbpp": "MbppPlus-v0.2.0"}[dataset]
    path = shared_data(f"evalplus/{name}.jsonl.gz")
    return path, [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def assert_as_evalplus(
    dataset: str, path: Path, rows: list[dict[str, Any]], tokenizer: Any, tmp_path: Path
) -> None:
    suite = load_suite(f"{dataset}+", SuiteOptions(dataset=path))
    problems = list(suite.problems("test"))
    model, decoder, written = evalplus_run(dataset, rows, tokenizer, tmp_path)
    assert [seen["ids"] for seen in model.seen] == list(our_ids(suite, problems, tokenizer))
    protocol = suite.protocol(chat=tokenizer.chat_template is not None)
    assert list(protocol.stop) == list(decoder.eos)
    assert {seen["max_new_tokens"] for seen in model.seen} == {protocol.max_new_tokens}
    cut = min((ANSWER.index(stop) for stop in protocol.stop if stop in ANSWER), default=None)
    ours = [protocol.solution(suite.instruction(p), ANSWER[:cut]) for p in problems]
    assert ours == written
    assert all(
        "\t" not in solution.removeprefix(p.prompt.strip())
        for solution, p in zip(ours, problems, strict=True)
        if "\t" not in p.prompt
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("dataset", "row"), [("humaneval", HUMANEVAL_ROW), ("mbpp", MBPP_ROW)])
def test_the_models_input_is_that_of_evalplus(
    tmp_path: Path, dataset: str, row: dict[str, Any], family: str
) -> None:
    path = write(tmp_path / "rows.jsonl", row)
    assert_as_evalplus(dataset, path, [row], family_tokenizer(family), tmp_path)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dataset", ["humaneval", "mbpp"])
def test_every_problem_of_a_benchmark_reaches_the_model_as_in_evalplus(
    tmp_path: Path, dataset: str, family: str
) -> None:
    path, rows = rows_of(dataset)
    corpus = [row["prompt"] for row in rows]
    assert_as_evalplus(dataset, path, rows, family_tokenizer(family, corpus), tmp_path)


def bigcodebench_rows() -> tuple[Path, list[dict[str, Any]]]:
    import gzip

    path = shared_data("bigcodebench/BigCodeBench-v0.1.0.jsonl.gz")
    return path, [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


@pytest.mark.filterwarnings("ignore:invalid escape sequence")
@pytest.mark.parametrize("family", ["chatml", "llama3", "gemma", "base with bos"])
@pytest.mark.parametrize("prompt", ["complete", "instruct"])
def test_every_task_of_bigcodebench_is_asked_as_by_its_own_tool(prompt: str, family: str) -> None:
    from benchmarks.suites.official import packages

    path, rows = bigcodebench_rows()
    tokenizer = family_tokenizer(family)
    suite = load_suite("bigcodebench", SuiteOptions(dataset=path, prompt=prompt))
    chat = tokenizer.chat_template is not None
    if not chat and prompt == "instruct":
        with pytest.raises(SuiteError, match="prompt complete"):
            suite.protocol(chat=False)
        return
    given = packages.load("bigcodebench.generate").run_codegen.__defaults__
    texts = [text for text in given if isinstance(text, str) and text.endswith(":")]
    make = packages.load("bigcodebench.provider.utility").make_raw_chat_prompt
    official = [
        make(
            row[f"{prompt}_prompt"], "full", prompt, *texts, tokenizer, prefill=True,
            direct_completion=False,
        )
        for row in rows
    ]  # fmt: skip
    assert list(our_ids(suite, list(suite.everything()), tokenizer)) == [
        tokenizer(text)["input_ids"] for text in official
    ]
    protocol = suite.protocol(chat=chat)
    assert protocol.max_new_tokens == 1280
    assert ("\ndef " in protocol.stop) is not chat
    assert protocol.clean("\tx") == "    x"


@pytest.mark.parametrize("family", ["chatml", "base"])
def test_contest_problems_are_asked_as_by_livecodebench(family: str) -> None:
    from benchmarks.suites.official import packages

    path = shared_data("livecodebench/public_tests_part1.jsonl.gz")
    suite = load_suite("livecodebench", SuiteOptions(dataset=path))
    problems = list(suite.everything())
    assert len({bool(problem.meta["starter_code"]) for problem in problems}) == 2
    prompts = packages.load_alone("livecodebench", "prompts/code_generation.py")

    class Question:
        def __init__(self, problem: Problem) -> None:
            self.question_content = problem.prompt
            self.starter_code = problem.meta["starter_code"]

    tokenizer = family_tokenizer(family)
    if family == "base":
        make = prompts.get_base_model_question_template_answer
        official = [tokenizer(make(Question(p)))["input_ids"] for p in problems]
    else:
        style = prompts.LMStyle.OpenAIChat
        texts = [
            render_chat(tokenizer, prompts.format_prompt_generation(Question(p), style))
            for p in problems
        ]
        official = [tokenizer(t, add_special_tokens=False)["input_ids"] for t in texts]
    assert list(our_ids(suite, problems, tokenizer)) == official
    protocol = suite.protocol(chat=family != "base")
    assert (protocol.max_new_tokens, protocol.stop) == (2000, ("###",) if family == "base" else ())
    assert protocol.solution(problems[0].prompt, "print(1)") == "print(1)"


@pytest.mark.parametrize("family", ["chatml", "gemma", "base with bos"])
def test_calls_are_asked_as_by_livecodebench_with_two_solved_examples(family: str) -> None:
    from benchmarks.suites.official import packages
    from benchmarks.suites.protocol import without_system

    path = shared_data("cruxeval/cruxeval.jsonl.gz")
    suite = load_suite("cruxeval", SuiteOptions(dataset=path))
    problems = list(suite.everything())
    prompts = packages.load_alone("livecodebench", "prompts/code_execution.py")
    tokenizer = family_tokenizer(family)

    class Question:
        def __init__(self, problem: Problem) -> None:
            self.code, _, call = problem.prompt.rpartition("\nassert ")
            self.input = call.removesuffix(" == ??")

    official = []
    for question in map(Question, problems):
        if tokenizer.chat_template is None:
            text = prompts.make_direct_output_prompt((question.code, question.input))
            official.append(tokenizer(text)["input_ids"])
            continue
        turns = prompts.format_prompt_execution(question, prompts.LMStyle.OpenAIChat)
        turns = without_system(turns) if family == "gemma" else turns
        text = render_chat(tokenizer, turns)
        official.append(tokenizer(text, add_special_tokens=False)["input_ids"])
    assert list(our_ids(suite, problems, tokenizer)) == official


def test_an_answer_of_code_execution_is_not_given_its_mark_twice() -> None:
    suite = load_suite("cruxeval", SuiteOptions())
    protocol = suite.protocol(chat=True)
    answer = protocol.closed(
        "def f():\n    return 1\nassert f() == ??", "[ANSWER]\nassert f() == 1\n[/ANSWER]"
    )
    assert answer == "assert f() == 1\n[/ANSWER]"


@pytest.mark.parametrize(
    ("name", "instruction", "content"),
    [
        ("humaneval+", "Complete this Python function. Give all of it.\n\ndef f():\n", "def f():"),
        ("mbpp+", '"""\nAdd.\nassert f(1) == 2\n"""\n', "Add.\nassert f(1) == 2"),
        ("mbpp+", "Add.\nassert f(1) == 2", "Add.\nassert f(1) == 2"),
        ("cruxeval", "def f():\n    return 1\nassert f() == ??", None),
    ],
)
def test_a_content_is_an_instruction_without_the_protocols_sentences(
    name: str, instruction: str, content: str | None
) -> None:
    suite = load_suite(name, SuiteOptions())
    assert suite.content(instruction) == (content or instruction)
    [turn] = (
        load_suite(name, SuiteOptions(protocol="plain"))
        .protocol(chat=True)
        .turns(suite.content(instruction))
    )
    assert suite.content(turn["content"]) == suite.content(instruction)


def test_plain_asks_in_our_own_words_and_needs_no_package(tmp_path: Path) -> None:
    path = write(tmp_path / "he.jsonl", HUMANEVAL_ROW)
    suite = load_suite("humaneval+", SuiteOptions(dataset=path, protocol="plain"))
    [problem] = suite.problems("test")
    [turn] = suite.protocol(chat=True).turns(suite.instruction(problem))
    assert turn["content"] == (
        "Complete this Python function. Give all of it.\n\n" + HUMANEVAL_ROW["prompt"]
    )
    assert suite.rules == "plain, lenient"
    assert "official" in load_suite("humaneval+", SuiteOptions(dataset=path)).rules
    with pytest.raises(SuiteError, match="give official or plain"):
        load_suite("humaneval+", SuiteOptions(dataset=path, protocol="none"))


def test_a_base_model_is_not_asked_in_turns_by_a_plain_protocol(tmp_path: Path) -> None:
    path = write(tmp_path / "he.jsonl", HUMANEVAL_ROW)
    suite = load_suite("humaneval+", SuiteOptions(dataset=path, protocol="plain"))
    engine = RenderingEngine(family_tokenizer("base"))
    with pytest.raises(EngineError, match="chat template"):
        suite.protocol(chat=False).request(engine, "def f():", 0)
