import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks import convert, gguf_files, models
from benchmarks.common.fields import ConfigError
from benchmarks.common.files import StoreError
from benchmarks.models import model_licence, resolve_model
from domino.backbone import load_backbone
from tests.benchmarks.gguf_file import write_gguf
from tests.tiny import make_model, make_tokenizer


@pytest.fixture(scope="module")
def tiny():
    tokenizer = make_tokenizer("im")
    return make_model("llama", vocabulary=len(tokenizer)), tokenizer


@pytest.fixture(scope="module")
def original(tiny, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("gguf") / "tiny model.gguf"
    return write_gguf(file, *tiny, general__license="apache-2.0")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOMINO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_gguf_file_is_the_model_that_it_was_made_from(original: Path, tiny) -> None:
    model, tokenizer = tiny
    told: list[str] = []
    directory = resolve_model(str(original), notify=told.append)
    read, words = load_backbone(directory)
    assert "quantization_config" not in json.loads((directory / "config.json").read_text())
    ids = tokenizer("def solve(values): return 12", return_tensors="pt")["input_ids"]
    assert words("def solve(values): return 12")["input_ids"] == ids[0].tolist()
    assert words.chat_template == tokenizer.chat_template
    torch.testing.assert_close(read(ids).logits, model(ids).logits)
    assert len(told) == 1 and "once" in told[0]
    assert model_licence(directory) == "Apache-2.0"


def test_a_file_is_converted_once_and_again_when_it_changes(
    original: Path, tiny, tmp_path: Path
) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(original.read_bytes())
    told: list[str] = []
    first = resolve_model(str(file), notify=told.append)
    assert resolve_model(str(file), notify=told.append) == first
    assert len(told) == 1
    write_gguf(file, make_model("llama", vocabulary=len(tiny[1]), seed=1), tiny[1])
    assert resolve_model(str(file), notify=told.append) != first
    assert len(told) == 2
    assert model_licence(resolve_model(str(file))) == "unknown"


def test_a_conversion_that_was_killed_leaves_nothing_that_is_taken_for_a_checkpoint(
    original: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(gguf_files, "_card", killed)
    with pytest.raises(KeyboardInterrupt):
        resolve_model(str(original))
    assert not list(cache.glob("models/[!.]*/"))
    monkeypatch.undo()
    monkeypatch.setenv("DOMINO_CACHE", str(cache))
    assert AutoModelForCausalLM.from_pretrained(resolve_model(str(original)))


def test_a_full_disk_is_said_and_leaves_no_part(
    original: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gguf_files, "_card", full)
    with pytest.raises(StoreError, match="no space left"):
        resolve_model(str(original))
    assert not list(cache.glob("models/[!.]*/"))


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9, 0.99])
def test_a_cut_file_is_one_line_before_any_work(original: Path, tmp_path: Path, share) -> None:
    data = original.read_bytes()
    file = tmp_path / "cut.gguf"
    file.write_bytes(data[: int(len(data) * share)])
    told: list[str] = []
    with pytest.raises(ConfigError, match="cut or damaged; download it again") as caught:
        resolve_model(str(file), notify=told.append)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not told


def test_an_architecture_that_transformers_cannot_read_is_one_line(tiny, tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "odd.gguf", *tiny, arch="oddball")
    with pytest.raises(ConfigError, match=r"oddball.*original checkpoint") as caught:
        resolve_model(str(file))
    assert "\n" not in str(caught.value)


def test_one_of_several_parts_is_refused(tiny, tmp_path: Path, monkeypatch) -> None:
    import gguf

    monkeypatch.setattr(gguf.GGUFWriter, "add_bool", gguf.GGUFWriter.add_uint16)
    file = write_gguf(tmp_path / "part.gguf", *tiny, split__count=3)
    with pytest.raises(ConfigError, match="one of 3 parts"):
        resolve_model(str(file))


def test_what_is_no_gguf_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.gguf").write_text("<html>")
    with pytest.raises(ConfigError, match="not a GGUF file"):
        resolve_model(str(tmp_path / "page.gguf"))
    with pytest.raises(ConfigError, match="no such file"):
        resolve_model(str(tmp_path / "missing.gguf"))
    with pytest.raises(ConfigError, match=r"give the file: .*page\.gguf"):
        resolve_model(str(tmp_path))


def test_a_prompt_begins_with_the_token_that_the_file_asks_for(tiny, tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "bos.gguf", *tiny, tokenizer__ggml__add_bos_token=True)
    tokenizer = AutoTokenizer.from_pretrained(resolve_model(str(file)))
    assert tokenizer("return")["input_ids"][0] == tokenizer.bos_token_id


def test_without_the_package_the_name_says_how_to_get_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(models, "_SMOLLM2_PACKAGE", "no_such_package")
    with pytest.raises(ConfigError, match="run `make smollm2`"):
        resolve_model("smollm2-135m")


def test_without_the_reader_a_file_says_what_to_install(
    original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.gguf_files.importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install gguf==0\.19\.0"):
        resolve_model(str(original))


def test_the_command_prints_the_directory_alone(
    original: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert.main([str(original)]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{resolve_model(str(original))}\n"
    assert "licence: Apache-2.0" in shown.err
    assert convert.main(["/missing.gguf"]) == 2


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: apache-2.0\ntags: [x]\n---\n# Model", "Apache-2.0"),
        ("---\nlicense: other\nlicense_name: llama3.2\n---\n", "llama3.2"),
        ("---\nlicense: [a, b]\n---\n", "unknown"),
        ("---\nlicense: {\n---\n", "unknown"),
        ("# license: mit", "unknown"),
        (None, "unknown"),
    ],
)
def test_the_licence_is_what_the_model_card_states(tmp_path: Path, card, licence: str) -> None:
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert model_licence(tmp_path) == licence


def test_the_shipped_backbone_has_this_repositorys_licence() -> None:
    assert model_licence(resolve_model("housestyle")) == "Apache-2.0"
