import json
import shutil
from pathlib import Path

import pytest

from benchmarks.chat_templates import describe_chat, own_template
from benchmarks.cli.options import read_command
from benchmarks.common.fields import ConfigError
from benchmarks.config.run_config import RunConfig, synthesize_config
from benchmarks.console.display import make_display
from benchmarks.pipeline.pipeline import Pipeline, open_pipeline
from benchmarks.session import check_before_work
from benchmarks.stages import synthesize
from tests.tiny import IM_TEMPLATE

THINKING = IM_TEMPLATE + "{% if enable_thinking %}<think>{% endif %}"
USER = [{"role": "user", "content": "x"}]


@pytest.fixture
def model(tiny_backbone: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_backbone, tmp_path / "model"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the user's template is."""
    return tmp_path / "chat.jinja"


def set_template(model: Path, text: str | None) -> None:
    """Give a model's directory a chat template, or none."""
    (model / "chat_template.jinja").unlink(missing_ok=True)
    settings = model / "tokenizer_config.json"
    values = json.loads(settings.read_text())
    values.pop("chat_template", None)
    settings.write_text(json.dumps(values))
    if text is not None:
        (model / "chat_template.jinja").write_text(text)


def config(model: Path, **changes: object) -> RunConfig:
    values = {"model": str(model), "output": model.parent / "runs", "methods": ("few-shot",)}
    return RunConfig(**{**values, **changes})  # type: ignore[arg-type]


def opened(model: Path, **changes: object) -> Pipeline:
    """The pipeline of a run that has passed the checks before work."""
    pipeline = open_pipeline(
        config(model, **changes), display=make_display(plain=False, quiet=True), steps=1
    )
    check_before_work(pipeline)
    return pipeline


def key(pipeline: Pipeline) -> str:
    row = pipeline.for_row("few-shot", 0)
    call = row.call(synthesize, synthesize_config(row.config, "few-shot"), row.references)
    return call.stage.path.name


def test_a_users_template_is_taken_and_its_text_is_part_of_the_keys(
    model: Path, file: Path
) -> None:
    keys = [key(opened(model))]
    for text in (IM_TEMPLATE, IM_TEMPLATE + " "):
        file.write_text(text)
        pipeline = opened(model, chat_template=file)
        assert pipeline.context.engine().render(USER).startswith("<|im_start|>user\nx")
        keys.append(key(pipeline))
    assert len(set(keys)) == 3


def test_values_of_a_template_are_taken_from_the_command_line(model: Path) -> None:
    set_template(model, THINKING)
    found = read_command(["--template_options.enable_thinking", "true", "--model", str(model)])
    assert found.config.template_options == {"enable_thinking": True}
    on = opened(model, template_options={"enable_thinking": True})
    assert on.context.engine().render(USER).endswith("<think>")
    off = opened(model)
    assert not off.context.engine().render(USER).endswith("<think>")
    assert key(on) != key(off)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{% for m in messages %}", "chat.jinja"),
        ("{{ raise_exception('no roles here') }}", "no roles here"),
        ("{{ messages.nothing.at_all }}", "chat.jinja"),
        ("{{ 1 / 0 }}", "does not render"),
        ("Answer:", "does not write what a turn says"),
        (None, "give a file with a Jinja template"),
    ],
)
def test_a_template_that_does_not_render_is_one_line_before_work(
    model: Path, file: Path, text: str | None, message: str
) -> None:
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        opened(model, chat_template=file)
    assert "\n" not in str(caught.value)


def test_a_value_that_no_template_reads_is_refused(model: Path) -> None:
    set_template(model, THINKING)
    with pytest.raises(ConfigError, match="did you mean 'enable_thinking'"):
        opened(model, template_options={"enable_thinkin": False})
    with pytest.raises(ConfigError, match="set by the harness"):
        opened(model, template_options={"tokenize": True})


def test_a_base_model_runs_with_a_plain_template_that_is_named(model: Path, file: Path) -> None:
    set_template(model, None)
    assert own_template(model) is None
    pipeline = opened(model)
    assert pipeline.context.engine().render(USER).startswith("### Instruction:\nx")
    assert describe_chat(pipeline.config, model) == "a plain template (the backbone has none)"
    file.write_text(IM_TEMPLATE)
    with_file = config(model, chat_template=file)
    assert describe_chat(with_file, model) == "chat template chat.jinja"


@pytest.mark.parametrize("method", ["magpie", "magpie-described", "magpie-induced"])
def test_a_method_that_samples_the_templates_user_turn_needs_one(
    model: Path, file: Path, method: str
) -> None:
    opened(model, methods=(method,))
    set_template(model, None)
    with pytest.raises(ConfigError, match=f"{method}.*give --chat_template FILE"):
        opened(model, methods=("few-shot", method))
    file.write_text(IM_TEMPLATE)
    opened(model, methods=(method,), chat_template=file)


@pytest.mark.parametrize("form", ["file", "settings", "several"])
def test_a_models_own_template_is_found_wherever_it_is(model: Path, form: str) -> None:
    set_template(model, "T" if form == "file" else None)
    if form != "file":
        settings = model / "tokenizer_config.json"
        values = json.loads(settings.read_text())
        several = [{"name": "tools", "template": "U"}, {"name": "default", "template": "T"}]
        values["chat_template"] = several if form == "several" else "T"
        settings.write_text(json.dumps(values))
    assert own_template(model) == "T"
