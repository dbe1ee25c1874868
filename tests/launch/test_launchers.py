"""What launcher ray is refused for before any call, and its parts that need no cluster."""

import importlib.util
import pickle
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.cli.exit_codes import BAD_INPUT, BROKEN_MACHINE
from benchmarks.common.fields import ConfigError
from benchmarks.config.launch_config import RayConfig, Resources
from benchmarks.config.run_config import RunConfig
from benchmarks.console.display import make_display
from benchmarks.engines import engine_factory
from benchmarks.evaluator.check import check_programs
from benchmarks.launch.ahead import walking_ahead
from benchmarks.launch.errors import LaunchError
from benchmarks.launch.ray_cluster import Cluster
from benchmarks.launch.ray_shards import ShardedEngine, Shards, parts
from benchmarks.launch.worker import RunSpec, StageTask, do
from benchmarks.pipeline.pipeline import Pipeline, StageCall, carry_out_here, open_pipeline
from benchmarks.run import check_gold, main, walk_row
from benchmarks.stages import gold
from benchmarks.stages.gold import GoldConfig, GoldError
from domino.engines.base import Request
from domino.records import Program, Sampling, Verdict
from domino.synthesizer import SynthesisError
from tests.benchmarks import tiny_run
from tests.benchmarks.conftest import NO_MLFLOW
from tests.sandbox.machine import needs_bubblewrap
from tests.stages import small

NODE = {"CPU": 8.0, "GPU": 1.0, "memory": 4.0 * 2**30}


@pytest.fixture
def names() -> Iterator[None]:
    with tiny_run.names():
        yield


@pytest.fixture
def config(names: None, tiny_backbone: Path, tmp_path: Path) -> RunConfig:
    return tiny_run.config(tiny_backbone, tmp_path / "runs", tracking_uri=NO_MLFLOW)


def opened(config: RunConfig) -> Pipeline:
    display = make_display(plain=True, quiet=True)
    return open_pipeline(config, display=display, steps=0, make_engine=tiny_run.make_engine)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--launcher", "rai"], "launcher: unknown 'rai' (did you mean 'ray'?"),
        (["--ray.address", "ray://head:10001"], "give host:port of the head, auto, or null"),
        (["--ray.shards", "0"], "shards is 0: give at least 1"),
        (["--ray.retries", "-1"], "retries is -1: give at least 0"),
        (["--ray.train.num_cpus", "0"], "num_cpus is 0: give at least 1"),
        (["--ray.train.num_gpus", "-1"], "num_gpus is -1.0: give 0 or more"),
        (["--ray.train.num_gpus", "1.5"], "num_gpus is 1.5: above 1 give an integer"),
        (["--ray.execute.memory_mib", "0"], "memory_mib is 0: give at least 1, or null"),
        (["--engine", "openai", "--ray.shards", "2"], "set ray.shards to 1"),
        (["--launcher", "ray", "--ray.address", f"127.0.0.1:{closed_port()}"], "ray start --head"),
        (["--launcher", "ray", "--ray.address", "127.0.0.1:99999"], "no Ray cluster can be joined"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    output = tmp_path / "runs"
    assert main(["--output", str(output), *arguments]) == 2
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert message in line
    assert out == ""
    assert not output.exists()


def test_without_ray_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: None if name == "ray" else find(name, *more),
    )
    assert main(["--launcher", "ray"]) == 2
    assert "pip install -e '.[ray]'" in capsys.readouterr().err


def cluster(ray: RayConfig, *nodes: dict[str, float]) -> Cluster:
    return Cluster(config=RunConfig(ray=ray), nodes=nodes)


def test_what_fits_no_machine_is_refused_with_what_there_is() -> None:
    cluster(RayConfig(), NODE).check()
    cluster(RayConfig(), {"CPU": 1.0}).check()
    asked = RayConfig(train=Resources(num_cpus=4, num_gpus=2, memory_mib=1024))
    with pytest.raises(ConfigError, match=r"ray.train asks for 4 CPUs, 2 GPUs, 1024 MiB, which no"):
        cluster(asked, NODE, NODE).check()
    with pytest.raises(ConfigError, match=r"\(8 CPUs, 1 GPUs, 4096 MiB\): request less"):
        cluster(RayConfig(execute=Resources(memory_mib=5000)), NODE).check()


def test_stages_that_use_the_backbone_take_a_gpu_where_there_is_one() -> None:
    with_gpu, without = cluster(RayConfig(), NODE), cluster(RayConfig(), {"CPU": 2.0})
    assert with_gpu.options(with_gpu.kind("respond"))["num_gpus"] == 1
    assert with_gpu.options(with_gpu.kind("finetune"))["num_gpus"] == 1
    assert with_gpu.options(with_gpu.kind("gold"))["num_gpus"] == 0
    assert with_gpu.options(with_gpu.kind("filter-responses"))["num_gpus"] == 0
    assert without.options(without.kind("respond"))["num_gpus"] == 0
    judged = replace(with_gpu.config.filter, judge_responses=True)
    judging = replace(with_gpu, config=replace(with_gpu.config, filter=judged))
    assert judging.options(judging.kind("filter-responses"))["num_gpus"] == 1


@given(st.integers(0, 200), st.integers(1, 9))
def test_parts_are_consecutive_whole_and_none_is_too_small(items: int, count: int) -> None:
    found = parts(range(items), count)
    assert [item for part in found for item in part] == list(range(items))
    assert 1 <= len(found) <= count
    assert len(found) == 1 or min(map(len, found)) >= 16


def test_a_launcher_changes_no_address(config: RunConfig) -> None:
    other = replace(config, launcher="ray", ray=RayConfig(shards=3, train=Resources(num_cpus=2)))
    assert check_gold(opened(config)).address == check_gold(opened(other)).address


def test_errors_that_end_a_row_or_a_run_can_be_sent_between_machines() -> None:
    verdict = Verdict(program_id="p", problem_id="p", base="timeout", plus=None)
    errors = [
        GoldError.of("s", [verdict], 3),
        *(kind("why") for kind in BAD_INPUT + BROKEN_MACHINE),
    ]
    for error in errors:
        sent = pickle.loads(pickle.dumps(error))
        assert type(sent) is type(error)
        assert str(sent) == str(error)


def gold_task(pipeline: Pipeline) -> tuple[StageCall, StageTask]:
    """The gold check as a task; nothing is run."""
    asked: list[StageCall] = []

    def ask(pipeline: Pipeline, call: StageCall) -> bool:
        asked.append(call)
        return False

    config = GoldConfig(suite="small")
    replace(pipeline, carry_out=ask).step(gold, config)
    return asked[0], StageTask.of(asked[0], model=pipeline.context.model, threads=1)


def test_a_machine_does_the_stage_that_it_is_told(config: RunConfig) -> None:
    call, task = gold_task(opened(config))
    assert not call.stage.complete
    order = RunSpec(config=config, directory=str(Path.cwd())).packed()
    assert not do(order, task).reused
    assert call.stage.complete
    assert call.stage.summary == {"problems": 3, "failures": 0}
    assert do(order, task).reused


def test_a_machine_with_other_code_or_data_refuses(config: RunConfig) -> None:
    call, task = gold_task(opened(config))
    order = RunSpec(config=config, directory=str(Path.cwd())).packed()
    with pytest.raises(LaunchError, match="computes another cache key for gold"):
        do(order, replace(task, address="of other code"))
    nowhere = RunSpec(config=config, directory="/no/such/place").packed()
    with pytest.raises(LaunchError, match="has no directory /no/such/place"):
        do(nowhere, task)
    assert not call.stage.complete


def test_every_row_is_walked_at_once_after_the_gold_check(config: RunConfig) -> None:
    together = threading.Barrier(len(config.methods), timeout=60)
    asked: list[str] = []

    def carry_out(pipeline: Pipeline, call: StageCall) -> bool:
        asked.append(call.stage.name)
        if call.stage.name == "gold":
            return carry_out_here(pipeline, call)
        together.wait()  # broken where the rows come one after the other
        raise SynthesisError("far enough")

    pipeline = opened(config)
    with walking_ahead(replace(pipeline, carry_out=carry_out), walk_row):
        pass
    assert not together.broken
    assert asked.count("synthesize") == len(config.methods)
    assert asked[0] == "gold"
    check_gold(pipeline)
    assert next(pipeline._numbers) == 2  # whoever walks in order has a count of its own


def share_here(shards, items, here, there, notify, options, *arguments):  # type: ignore[no-untyped-def]
    """What a cluster does, in this process: the second half by the code for other machines."""
    first, second = parts(items, shards.count)
    results = here(0, first)
    begun, made = there(shards.packed, second, *arguments)
    assert begun is None
    for number, result in enumerate(made, len(first)):
        notify(number, result)
    return results + made


def shards_of(config: RunConfig) -> Shards:
    packed = RunSpec(config=config, directory=str(Path.cwd())).packed()
    return Shards(count=2, packed=packed, options={}, checking={"num_cpus": 1})


def test_shared_out_generation_gives_the_same_texts(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Shards, "share", share_here)
    shards, done = shards_of(config), list[int]()
    requests = [Request(prompt=f"Add {number} to", seed=number) for number in range(40)]
    sampling = Sampling(temperature=1.0, max_new_tokens=8)
    factory = engine_factory(config)
    alone, sharing = factory(config.model, None), ShardedEngine(factory, config.model, None, shards)
    expected = alone.generate(requests, sampling)
    assert sharing.generate(requests, sampling, on_done=lambda n, _: done.append(n)) == expected
    assert sorted(done) == list(range(40))
    sharing.close()
    assert sharing.count_tokens("Add 3") == alone.count_tokens("Add 3")


@needs_bubblewrap
def test_shared_out_programs_get_the_same_verdicts(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Shards, "share", share_here)
    problems = small.SmallSuite().problems("test")
    programs = [
        Program(id=f"{p.id}/{n}", problem_id=p.id, code=small.solution(number + n % 2))
        for number, p in enumerate(problems, 1)
        for n in range(11)
    ]
    done: list[Verdict] = []
    found = shards_of(config).check(problems, programs, config.sandbox, on_done=done.append)
    alone = check_programs(problems, programs, config.sandbox)
    assert [replace(v, seconds=0.0) for v in found] == [replace(v, seconds=0.0) for v in alone]
    assert {verdict.passed for verdict in found} == {True, False}
    assert len(done) == len(programs)


def test_a_context_that_is_equipped_shares_out_engines_and_programs(config: RunConfig) -> None:
    shards = shards_of(config)
    equipped = shards(opened(config).context)
    assert equipped.check == shards.check
    assert isinstance(equipped.engine(), ShardedEngine)
