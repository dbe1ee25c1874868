"""Which engine a run takes: refused early, part of every address, and one for all that is text."""

from dataclasses import replace

import pytest
from transformers import AutoTokenizer

from baselines.softsrv.method import SoftSRV
from benchmarks.common.fields import ConfigError
from benchmarks.config.run_config import RunConfig
from benchmarks.console.display import Display
from benchmarks.engines import ENGINES, engine_factory
from benchmarks.pipeline.pipeline import open_pipeline
from benchmarks.run import execute
from benchmarks.stages import synthesize
from benchmarks.stages.synthesize import SynthesizeConfig
from domino.engines.base import EngineError
from domino.engines.openai_engine import OpenaiConfig, OpenaiEngine
from domino.engines.scripted import ScriptedEngine
from domino.engines.vllm_setup import VllmConfig
from domino.method import DominoSynthesizer
from domino.records import Sampling
from domino.synthesizer import Domain, FitContext
from tests.benchmarks import tiny_run
from tests.engines.completions_server import serving
from tests.stages import small

KEY = "sk-a-key-that-nobody-may-see"


@pytest.fixture(autouse=True)
def names():
    with tiny_run.names():
        yield


def address(config: RunConfig) -> str:
    pipeline = open_pipeline(config, display=Display(), steps=0, make_engine=tiny_run.make_engine)
    step = SynthesizeConfig(method="counting", draws=3, sampling=Sampling())
    row = pipeline.for_row("few-shot", 0)
    return row.call(synthesize, step, row.references).stage.path.name


def test_an_unknown_engine_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"engine: unknown 'vlm' \(did you mean 'vllm'"):
        RunConfig(suite="small", engine="vlm")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tensor_parallel": 0}, "vllm.tensor_parallel is 0"),
        ({"data_parallel": 0}, "vllm.data_parallel is 0"),
        ({"memory_share": 1.5}, "vllm.memory_share is 1.5"),
        ({"dtype": "int8"}, "vllm.dtype is 'int8'"),
        ({"max_model_tokens": 1}, "vllm.max_model_tokens is 1"),
        ({"start_timeout_s": 0.0}, "vllm.start_timeout_s is 0"),
    ],
)
def test_what_vllm_cannot_run_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        VllmConfig(**changes)


def test_an_engine_that_is_not_installed_is_refused_before_any_work(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"vLLM is not installed: on a GPU machine pip install"):
        engine_factory(tiny_run.config(tmp_path, tmp_path, engine="vllm"))


def test_every_engine_has_addresses_of_its_own_and_its_place_is_no_part_of_them(
    tiny_backbone, tmp_path
):
    config = tiny_run.config(tiny_backbone, tmp_path)
    by_engine = {name: address(replace(config, engine=name)) for name in ENGINES}
    assert len(set(by_engine.values())) == len(ENGINES)
    vllm = replace(config, engine="vllm")
    elsewhere = VllmConfig(tensor_parallel=2, memory_share=0.5, max_sequences=8)
    assert address(replace(vllm, vllm=elsewhere)) == by_engine["vllm"]
    assert address(replace(vllm, vllm=VllmConfig(dtype="float16"))) != by_engine["vllm"]
    assert address(replace(config, vllm=VllmConfig(dtype="float16"))) == by_engine["transformers"]
    other = OpenaiConfig(model="another")
    assert address(replace(config, engine="openai", openai=other)) != by_engine["openai"]


@pytest.mark.parametrize("method", [DominoSynthesizer, SoftSRV])
def test_a_method_of_soft_tokens_refuses_an_engine_of_text_before_it_learns(method, tiny_backbone):
    context = FitContext(engine=OpenaiEngine(tiny_backbone), model=str(tiny_backbone), seed=0)
    domain = Domain(references=small.SmallSuite().references())
    with pytest.raises(EngineError, match=f"{method.name} samples from soft tokens, but OpenaiE"):
        method().fit(domain, context)


def test_a_server_answers_and_its_key_is_in_no_file_and_no_line(
    tiny_backbone, tmp_path, monkeypatch, capfd
):
    monkeypatch.setenv("TINY_KEY", KEY)
    scripted = ScriptedEngine(tiny_run.answer_rightly)
    with serving(scripted, AutoTokenizer.from_pretrained(tiny_backbone), "tiny") as (url, asked):
        config = tiny_run.config(
            tiny_backbone,
            tmp_path / "runs",
            methods=("no-data", "counting"),
            tracking_uri=f"sqlite:///{tmp_path}/mlflow.db",
            engine="openai",
            openai=OpenaiConfig(base_url=url, model="tiny", key_variable="TINY_KEY"),
        )
        report = execute(config, plain=True)
        assert not report.failed
        answers = len(asked.keys)
        asked.refusals.extend([401] * answers)
        broken = execute(replace(config, seeds=(1,), methods=("counting",)), plain=True)
    (counting,) = [row for row in report.rows if row.method == "counting"]
    assert counting.kept == 5
    assert answers == counting.drawn  # problems are solved here, by the backbone that was trained
    assert set(asked.keys) == {f"Bearer {KEY}"}
    assert broken.failed
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"mlflow.db", "manifest.json"} <= {path.name for path in written}
    assert not [path for path in written if KEY.encode() in path.read_bytes()]
    said = "".join(capfd.readouterr())
    assert "refuses the key in TINY_KEY" in said
    assert KEY not in said
