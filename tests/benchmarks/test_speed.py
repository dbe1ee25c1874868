import json
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.planning import flops
from benchmarks.planning.flops import SHAPES, ModelShape
from benchmarks.speed.__main__ import main
from benchmarks.speed.engines import _rows
from benchmarks.speed.models import random_batch, random_model
from benchmarks.speed.official import official_objective
from benchmarks.speed.plans import EnginesPlan, ModelPlacement
from benchmarks.speed.rows import TimedCalls, rows, table
from benchmarks.speed.timing import Times
from domino.objective import Weights, objective
from tests.domino.oracle import slow_matrix

TINY = [
    "--shape.hidden", "32", "--shape.inner", "64", "--shape.layers", "2", "--shape.heads", "4",
    "--shape.vocabulary", "300",
]  # fmt: skip
FIT = ["fit", "--domain_tokens", "4", "--sample_tokens", "3", "--text_tokens", "8", *TINY]
SAMPLE = [
    "sample", "--domain_tokens", "4", "--new_tokens", "8", "--samples", "5", "--slots", "2",
    "--mean_length", "3", *TINY,
]  # fmt: skip
ONCE = ["--ragged", "true", "--memory", "false"]


@pytest.mark.parametrize("lengths", [[6, 6, 6], [9, 5, 2, 3]])
def test_the_official_way_computes_the_official_objective(lengths):
    shape = ModelShape(hidden=32, inner=64, layers=2, heads=4, kv_heads=2, vocabulary=50)
    model = random_model(shape, ModelPlacement(), 32)
    batch = random_batch(model, 4, 3, lengths)
    want = objective(*slow_matrix(model, *batch), Weights(form="official")).total
    got = official_objective(model, *batch)
    assert got.item() == pytest.approx(want.item(), rel=1e-5)


def test_fit_prints_every_way_and_writes_its_rows(tmp_path, capsys):
    path = tmp_path / "fit.json"
    assert main([*FIT, "--rounds", "1", *ONCE, "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    document = json.loads(path.read_text())
    (measured,) = document["tables"].values()
    assert [row["name"] for row in measured] == [
        "official passes", "shared prefixes", "with gradient caching",
    ]  # fmt: skip
    assert all(row["name"] in printed for row in measured)
    assert measured[0]["cpu_ratio"] == measured[0]["flop_ratio"] == 1
    assert all(row["cpu_s"] > 0 and row["peak_bytes"] is None for row in measured)
    assert document["plan"]["text_tokens"] == 8


def test_sample_compares_even_and_uneven_lengths(tmp_path, capsys):
    path = tmp_path / "sample.json"
    assert main([*SAMPLE, "--rounds", "1", "--json", str(path)]) == 0
    even, uneven = json.loads(path.read_text())["tables"].values()
    assert [row["name"] for row in even] == ["official, one by one", "our engine"]
    assert [row["name"] for row in uneven] == ["transformers generate", "our engine"]
    assert "8 tokens each" in capsys.readouterr().out


def test_help_comes_without_loading_torch():
    code = (
        "import sys\nfrom benchmarks.speed.__main__ import main\n"
        "try:\n    main(['fit', '--help'])\nfinally:\n    assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--ragged" in done.stdout


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--shape.hidden", "30"], "hidden 30, heads 4, kv_heads 2: each must be a multiple"),
        (["--place.device", "cuda:99"], "device 'cuda:99' is not available"),
        (["--shape", "qwen"], "--shape qwen: give one of small, qwen2.5-coder-0.5b"),
        (["--batch", "1"], "batch is 1: the contrastive term needs at least 2"),
        (["--rounds", "0"], "rounds is 0: give at least 1"),
        (["--round", "2"], "unrecognized arguments: --round 2"),
        (["--place.dtype", "int8"], "place: dtype is 'int8': give float32, bfloat16 or float16"),
    ],
)
def test_what_cannot_be_measured_is_one_line_and_exit_code_2(wrong, message, capsys):
    assert main([*FIT, *wrong]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_token_counts_are_those_of_the_cost_table():
    p, q, length, b = 256, 128, 64, 3
    official = flops.official_step(p, q, [length] * b)
    shared = flops.shared_step(p, q, [length] * b)
    assert official.body == official.head == b * (p + length) + (b + b**2) * (p + q + length)
    # A text's last token needs no pass of its own.
    assert shared.body == p + b * q + (b + b**2) * (length - 1)
    assert shared.head == (b + b**2) * length


@given(st.lists(st.integers(2, 50), min_size=2, max_size=6), st.integers(1, 40))
def test_pairs_of_attention_are_counted_one_by_one(lengths, domain):
    def visible(own, past):
        return sum(past + position + 1 for position in range(own))

    sample = 7
    expected = visible(domain, 0) + len(lengths) * visible(sample, domain)
    for length in lengths:
        expected += visible(length - 1, domain)
        expected += len(lengths) * visible(length - 1, domain + sample)
    assert flops.shared_step(domain, sample, lengths).pairs == expected


def test_operations_of_a_forward_pass_are_what_torch_counts():
    from torch.utils.flop_counter import FlopCounterMode

    shape = ModelShape(hidden=64, inner=96, layers=3, heads=4, kv_heads=2, vocabulary=200)
    model = random_model(shape, ModelPlacement(attention="eager"), 64)
    with FlopCounterMode(display=False) as counter:
        model(input_ids=torch.zeros(1, 40, dtype=torch.long), use_cache=False)
    # Eager attention computes hidden pairs too.
    whole = flops.FlopCount(body=40, head=40, pairs=40 * 40)
    rotary = counter.get_total_flops() - whole.forward(shape)
    assert 0 <= rotary < 0.01 * whole.forward(shape)


def test_the_shapes_of_qwen_have_its_published_sizes():
    billions = {name: shape.body_weights / 1e9 for name, shape in SHAPES.items()}
    assert billions["qwen2.5-coder-0.5b"] == pytest.approx(0.36, abs=0.01)
    assert billions["qwen2.5-coder-1.5b"] == pytest.approx(1.31, abs=0.01)
    assert billions["qwen2.5-coder-7b"] == pytest.approx(6.53, abs=0.02)


def test_sampling_in_batches_pays_for_the_longest_of_each():
    even = flops.batched(10, [8])
    assert flops.in_batches(10, [3, 8, 5], 3) == even * 3
    assert flops.in_batches(10, [3, 8, 5], 1).body == 3 * 10 + (3 - 1) + (8 - 1) + (5 - 1)
    assert flops.one_by_one(10, 3).body == 10 + 11 + 12


def test_ratios_are_medians_over_rounds_and_per_token():
    times = {
        "slow": Times(cpu_s=(8.0, 10.0, 80.0), wall_s=(8.0, 8.0, 8.0)),
        "fast": Times(cpu_s=(2.0, 2.0, 2.0), wall_s=(1.0, 1.0, 1.0)),
    }
    done = {
        "slow": TimedCalls(tokens=10, flops=100, peak_bytes=300),
        "fast": TimedCalls(tokens=20, flops=40, peak_bytes=100),
    }
    slow, fast = rows(times, done, 1000.0)
    assert (fast.cpu_ratio, fast.wall_ratio, fast.flop_ratio) == (10.0, 16.0, 5.0)
    assert (fast.share_of_model, fast.peak_ratio) == (2.0, 3.0)
    assert (fast.tokens_per_s, fast.matmul_share) == (20.0, 0.04)
    assert slow.peak_ratio == 1.0
    lines = table("title", [slow, fast]).splitlines()
    assert lines[0] == "title"
    assert lines[3].split()[:6] == ["fast", "2.00", "1.00", "10.00", "16.00", "5.00"]


def test_engines_are_measured_on_the_same_requests(tiny_backbone, tmp_path, capsys):
    path = tmp_path / "engines.json"
    arguments = [
        "engines", "--model", str(tiny_backbone), "--batches", "1,3", "--new_tokens", "4",
        "--domain_tokens", "5", "--rounds", "1", "--json", str(path),
    ]  # fmt: skip
    assert main(arguments) == 0
    (rows,) = json.loads(path.read_text())["tables"].values()
    kinds = [(row["prompts"], row["requests"], row["name"]) for row in rows]
    assert kinds == [(k, n, "transformers") for k in ("text", "embeds") for n in (1, 3)]
    for row in rows:
        assert 0 < row["tokens"] <= 4 * row["requests"]
        assert row["tokens_per_s"] > 0
        assert row["ratio"] == row["cpu_ratio"] == 1
        assert row["ratio_spread"] == row["cpu_ratio_spread"] == [1, 1]
    printed = capsys.readouterr()
    assert "CPU µs/token" in printed.out
    assert [line.split(" · ")[:3] for line in printed.err.splitlines()] == [
        [kind, str(count), name] for kind, count, name in kinds
    ]


def test_ratios_of_engines_are_taken_round_by_round_and_their_spread_is_told():
    seconds = {"steady": iter([9.0, 1.0, 2.0, 4.0]), "other": iter([9.0, 2.0, 2.0, 2.0])}
    calls = []

    def way(name):
        def generate(requests, sampling):
            calls.append(name)
            return 10, next(seconds[name]), 5.0

        return generate

    plan = EnginesPlan(rounds=3)
    steady, other = _rows(plan, "text", [], {name: way(name) for name in seconds})
    assert calls == ["steady", "other", "other", "steady"] * 2  # neither is always the later one
    assert (steady.ratio, steady.ratio_spread) == (1.0, (1.0, 1.0))
    assert (other.ratio, other.ratio_spread) == (1.0, (0.5, 2.0))
    assert (other.cpu_ratio, other.cpu_us_per_token) == (1.0, 0.5e6)
    assert other.tokens_per_s == 5.0


def test_an_engine_that_is_none_is_one_line_and_exit_code_2(capsys):
    assert main(["engines", "--engines", "vlm"]) == 2
    assert "did you mean 'vllm'" in capsys.readouterr().err


def test_a_real_models_work_is_measured_beside_the_plain_way(tiny_backbone, capsys):
    arguments = ["--model", str(tiny_backbone), "--requests", "2", "--new_tokens", "3"]
    assert main(["backbone", *arguments, "--batch", "2", "--rounds", "1"]) == 0
    shown = capsys.readouterr().out
    for work in ("sampling", "evaluation", "fit", "fine-tuning"):
        row = next(line for line in shown.splitlines() if line.strip().startswith(work))
        assert all(float(cell.replace(",", "")) > 0 for cell in row.split()[1:3])
