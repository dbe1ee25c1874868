import json
import shutil
from pathlib import Path

import pytest

from benchmarks.common.fields import ConfigError
from benchmarks.models import HOUSESTYLE_MODEL, model_digest, resolve_model
from benchmarks.suites.housestyle.backbone import CHECKPOINT


@pytest.fixture
def model(tiny_backbone: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_backbone, tmp_path / "model"))


def test_the_name_of_the_suite_is_the_shipped_checkpoint() -> None:
    assert resolve_model(HOUSESTYLE_MODEL) == CHECKPOINT


def test_a_directory_is_itself(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_model(str(model)) == model
    monkeypatch.chdir(model.parent)
    assert resolve_model("model") == model


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda m: (m / "config.json").unlink(), "is not a model directory: it has no config.json"),
        (lambda m: (m / "config.json").write_text("{"), "config.json cannot be read"),
        (lambda m: (m / "config.json").write_bytes(b"\xff"), "config.json cannot be read"),
        (lambda m: (m / "config.json").write_text("[]"), "names no model_type"),
        (lambda m: (m / "model.safetensors").unlink(), "does not contain weights"),
        (lambda m: [f.unlink() for f in m.glob("tokenizer*")], "does not contain a tokenizer"),
        (lambda m: (m / "adapter_config.json").write_text("{}"), "holds an adapter"),
        (shutil.rmtree, "no such directory"),
    ],
)
def test_what_is_no_model_is_refused_with_the_reason(model: Path, damage, message: str) -> None:
    damage(model)
    with pytest.raises(ConfigError) as caught:
        resolve_model(str(model))
    assert message in str(caught.value)
    assert str(model) in str(caught.value)


def test_a_hub_name_that_cannot_be_had_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match="could not be downloaded from the hub") as caught:
        resolve_model("no-such-owner/no-such-model")
    assert "\n" not in str(caught.value)


def test_the_digest_is_of_the_content_and_not_of_the_place(model: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    copy = Path(shutil.copytree(model, tmp_path / "copy"))
    first = model_digest(model, cache)
    assert model_digest(copy, cache) == first == model_digest(model, cache)
    (copy / "README.md").write_text("no part of the model")
    assert model_digest(copy, cache) == first
    settings = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**settings, "rms_norm_eps": 1e-3}))
    assert model_digest(copy, cache) != first
    (copy / "tokenizer.json").rename(copy / "tokenizer.model")
    assert model_digest(copy, cache) != first


def test_a_digest_is_remembered_while_the_files_are_unchanged(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = model_digest(model, tmp_path)

    def refuse(*_: object) -> None:
        raise AssertionError("hashed again")

    monkeypatch.setattr("benchmarks.models.hashlib.file_digest", refuse)
    assert model_digest(model, tmp_path) == first
    monkeypatch.undo()
    (tmp_path / "model-digests.json").write_text("damaged")
    assert model_digest(model, tmp_path) == first


def test_every_file_that_a_tokenizer_reads_is_part_of_the_digest(
    model: Path, tmp_path: Path
) -> None:
    found = [model_digest(model, tmp_path)]
    (model / "additional_chat_templates").mkdir()
    for name in ("vocab.tiktoken", "generation_config.json", "chat_template.jinja",
                 "additional_chat_templates/tools.jinja"):  # fmt: skip
        for text in ("{}", "{ }"):
            (model / name).write_text(text)
            found.append(model_digest(model, tmp_path))
    assert len(set(found)) == len(found)


def test_a_file_that_is_replaced_by_one_of_its_size_and_time_is_seen(
    model: Path, tmp_path: Path
) -> None:
    first = model_digest(model, tmp_path)
    file = model / "tokenizer.json"
    other = tmp_path / "other.json"
    other.write_text(file.read_text().replace("1", "2"))
    shutil.copystat(file, other)
    other.replace(file)
    assert model_digest(model, tmp_path) != first
