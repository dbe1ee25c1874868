"""Runs on a real cluster of two nodes: the same table and the same records as in one process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from benchmarks.chaos.compare import differences, same_table
from benchmarks.launch.ray_shards import Shards
from tests.launch import methods, runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@contextmanager
def cluster(*, head_cpus: int, **environment: str) -> Iterator[Any]:
    """A head and one more node of one processor, with the environment of all their processes."""
    from ray.cluster_utils import Cluster

    # By itself Ray lets workers yield to whatever else the machine does.
    values = {**runs.environment(), "RAY_worker_niceness": "0", **environment}
    with mock.patch.dict(os.environ, values):
        found = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": head_cpus, "include_dashboard": False},
        )
        found.add_node(num_cpus=1)
        try:
            found.wait_for_nodes(timeout=120)
            yield found
        finally:
            found.shutdown()


def test_two_nodes_give_the_local_table_with_rows_at_the_same_time(
    alone: Any, data: Path, tiny_backbone: Path, tmp_path: Path
) -> None:
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    with cluster(head_cpus=1, **{methods.MEET: str(meeting)}) as nodes:
        place = ("--launcher", "ray", "--ray.address", nodes.address)
        command = runs.command(data, tiny_backbone, tmp_path / "runs", *place)
        runs.assert_same(alone, runs.run(command, code=1))
        table, _, said = runs.run(command, code=1)  # again: all is reused, the failure tried anew
    assert "reused" in said
    assert same_table(alone[0], table)
    assert len(list(meeting.iterdir())) == 2


def test_a_node_that_is_killed_in_the_middle_costs_nothing_but_its_work(
    alone: Any, data: Path, tiny_backbone: Path, tmp_path: Path
) -> None:
    slow = tmp_path / "slow"
    slow.mkdir()
    with cluster(head_cpus=0, **{methods.SLOW: str(slow)}) as nodes:
        place = ("--launcher", "ray", "--ray.address", nodes.address)
        command = runs.command(data, tiny_backbone, tmp_path / "runs", *place)
        with subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, cwd=runs.ROOT, env=runs.environment()
        ) as child:
            stage = tmp_path / "runs" / "stages"
            records = "synthesize-*/synthetic.jsonl"
            methods.wait_until(lambda: any(stage.glob(records)), "nothing was drawn")
            (doomed,) = nodes.worker_nodes
            nodes.remove_node(doomed, allow_graceful=False)
            half = {path: path.read_bytes() for path in stage.glob(records)}
            (slow / "go on").touch()
            nodes.add_node(num_cpus=1)
            _, said = child.communicate()
    assert child.returncode == 1, said
    assert all(len(text.splitlines()) < 8 for text in half.values())
    assert all(path.read_bytes().startswith(text) for path, text in half.items())
    command = runs.command(data, tiny_backbone, tmp_path / "runs")
    runs.assert_same(alone, runs.run(command, code=1))


@pytest.mark.parametrize("cpus", [1, 8])
def test_a_part_is_done_elsewhere_where_a_machine_takes_it_else_by_the_stage(
    tiny_backbone: Path, tmp_path: Path, cpus: int
) -> None:
    import ray

    begun, items = tmp_path / "begun", list(range(40))

    told: list[int] = []

    def here(first: int, part: Sequence[int]) -> list[str]:
        if cpus == 1:
            methods.wait_until(begun.exists, "the other part was never begun")
        return [f"{item} here" for item in part]

    with cluster(head_cpus=1) as nodes:
        ray.init(nodes.address, logging_level="ERROR", log_to_driver=False)
        try:
            shards = Shards(count=2, packed=b"order", options={}, checking={})
            options = {"num_cpus": cpus}
            found = shards.share(
                items, here, methods.there, lambda n, _: told.append(n), options, str(begun)
            )
        finally:
            ray.shutdown()
    place = "there" if cpus == 1 else "here"  # no machine has eight processors
    assert found == [f"{item} {'here' if item < 20 else place}" for item in items]
    assert told == (list(range(20, 40)) if cpus == 1 else [])


def test_a_run_with_shards_gives_the_local_table(
    data: Path, tiny_backbone: Path, tmp_path: Path
) -> None:
    change = ("--methods", "few-shot", "--pairs", "20", "--responder", "plain")
    here = runs.command(data, tiny_backbone, tmp_path / "here", *change)
    table, stored, _ = runs.run(here, code=1)
    with cluster(head_cpus=1) as nodes:
        place = ("--launcher", "ray", "--ray.address", nodes.address, "--ray.shards", "2")
        shared = runs.command(data, tiny_backbone, tmp_path / "runs", *change, *place)
        again, found, _ = runs.run(shared, code=1)
    assert differences(stored, found) == []
    assert same_table(table, again)
