"""A method that lives outside the repository: the README's own example, as it is printed there."""

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.cli.options import read_command
from benchmarks.methods import MethodError, is_plug_in, load_method
from benchmarks.run import execute, main
from domino.engines.base import Engine, Request
from domino.engines.scripted import ScriptedEngine
from tests.baselines.backbone import healthy_engine
from tests.benchmarks import tiny_run
from tests.benchmarks.conftest import NO_MLFLOW
from tests.contracts.synthesizer_contract import SynthesizerContract
from tests.stages import small

ROOT = Path(__file__).resolve().parents[2]
METHOD = "my_methods:Echo"
REQUEST = "Write another task like this one."


@pytest.fixture(scope="module", autouse=True)
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The README's example in a directory that Python imports from; its text."""
    found = re.search(
        r"<!-- example: my_methods.py -->\n```python\n(.*?)```",
        (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL,
    )  # fmt: skip
    assert found
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "my_methods.py").write_text(found[1], encoding="utf-8")
    sys.path.insert(0, str(folder))
    yield found[1]
    sys.path.remove(str(folder))
    sys.modules.pop("my_methods", None)


class TestTheReadmesExample(SynthesizerContract):
    method = METHOD

    @pytest.fixture
    def engine(self) -> Engine:
        return healthy_engine()


def test_the_example_has_twenty_lines_of_code(example: str) -> None:
    assert sum(bool(line.strip()) for line in example.splitlines()) <= 20


def invent_or_answer(request: Request) -> str:
    """A new task where one is asked for, else the last task's solution."""
    prompt = str(request.prompt)
    if REQUEST in prompt:
        return small.instruction(100 + request.seed % 100_000)
    return small.solution(int(small.NUMBER.findall(prompt)[-1]))


def test_it_goes_through_the_same_run_as_every_other_method(
    tiny_backbone: Path, tmp_path: Path
) -> None:
    with tiny_run.names():
        config = tiny_run.config(tiny_backbone, tmp_path / "runs", tracking_uri=NO_MLFLOW)
        config = replace(config, methods=("no-data", METHOD))
        report = execute(
            config, plain=True, make_engine=lambda model, adapter: ScriptedEngine(invent_or_answer)
        )
    row = report.rows[1]
    assert (row.method, row.kept, row.drawn) == (METHOD, 5, 10)
    assert row.scores[0].value == 1


def test_its_options_are_given_by_its_name() -> None:
    command = ["--methods", f"{METHOD},no-data", f"--method_options.{METHOD}.request", "More."]
    config = read_command(command).config
    assert config.methods == (METHOD, "no-data")
    assert config.method_options[METHOD] == {"request": "More."}


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("no_such_module:Echo", "module 'no_such_module' cannot be imported"),
        ("tests.no_such:Echo", "module 'tests.no_such' cannot be imported"),
        ("tests.stages.small:Countin", "has no class 'Countin' (did you mean 'Counting'?"),
        ("tests.stages.small:SmallSuite", "SmallSuite is not a Synthesizer"),
        ("tests.stages.small:instruction", "instruction is not a Synthesizer"),
        ("domino.synthesizer:Synthesizer", "does not define fit, load, respond, save, synthesize"),
        ("my_methods:Baseline", "does not define _drafts"),
        ("my-methods:Echo", "unknown 'my-methods:Echo'"),
        ("my_methods:", "unknown 'my_methods:'"),
    ],
)
def test_what_is_no_method_is_one_line_and_exit_code_2(
    method: str, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["--output", str(tmp_path), "--methods", method]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "stages").exists()


def test_an_option_that_it_does_not_have_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    command = ["--output", str(tmp_path), "--methods", METHOD]
    assert main([*command, f"--method_options.{METHOD}.requst", "x"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"unknown field method_options.{METHOD}.requst" in line
    assert f"method_options.{METHOD}.request" in line


def test_a_name_of_the_map_is_never_a_plug_in() -> None:
    assert is_plug_in("package.module:Class")
    assert not is_plug_in("domino")
    for name in ("domino.method", "a b:C", ":C", "a:", "a:b:c", "1a:C"):
        assert not is_plug_in(name)
        with pytest.raises(MethodError, match=r"package\.module:Class"):
            load_method(name)
