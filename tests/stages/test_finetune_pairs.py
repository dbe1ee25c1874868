import pytest

from benchmarks.stages.errors import StageError
from benchmarks.stages.finetuning.pairs import token_ids, training_pairs
from benchmarks.suites.housestyle.backbone import CHECKPOINT
from benchmarks.suites.housestyle.suite import HousestyleSuite
from benchmarks.suites.protocol import PLAIN
from benchmarks.suites.registry import SuiteOptions, load_suite
from domino.backbone import load_shape
from domino.engines.chat import turn_end_token
from domino.records import Provenance, Synthetic
from tests.benchmarks.test_evalplus_suite import HUMANEVAL_ROW, write
from tests.benchmarks.test_protocol import our_ids
from tests.benchmarks.tokenizers_of_families import FAMILIES, family_tokenizer

PROVENANCE = Provenance(method="m", seed=0)
CODE = "def double(x):\n    return 2 * x"


def pair(instruction, response):
    return Synthetic(id="1", instruction=instruction, response=response, provenance=PROVENANCE)


def test_plain_pairs_are_tokenized_as_trl_tokenizes_a_conversation():
    tokenizer = load_shape(CHECKPOINT)[1]
    for reference in HousestyleSuite("ledger", "conventions").oracle_pairs()[:50]:
        record = pair(reference.instruction, reference.response)
        ids, mask = token_ids(training_pairs([record], PLAIN, tokenizer)[0], tokenizer)
        turns = [
            {"role": "user", "content": record.instruction},
            {"role": "assistant", "content": record.response},
        ]
        asked = tokenizer.apply_chat_template(turns[:1], add_generation_prompt=True)["input_ids"]
        whole = tokenizer.apply_chat_template(turns)["input_ids"]
        assert whole[: len(asked)] == asked
        assert ids == whole
        assert mask == [0] * len(asked) + [1] * (len(whole) - len(asked))


@pytest.mark.parametrize("response", [CODE, f"```python\n{CODE}\n```", f"{CODE}\n```"])
@pytest.mark.parametrize("family", FAMILIES)
def test_pairs_stand_behind_the_very_ids_that_the_evaluation_asks_with(tmp_path, family, response):
    suite = load_suite(
        "humaneval+", SuiteOptions(dataset=write(tmp_path / "he.jsonl", HUMANEVAL_ROW))
    )
    problems = list(suite.problems("test"))
    tokenizer = family_tokenizer(family)
    chat = tokenizer.chat_template is not None
    record = pair(suite.instruction(problems[0]), response)
    [made] = training_pairs([record], suite.protocol(chat=chat), tokenizer)
    ids, mask = token_ids(made, tokenizer)
    [asked] = our_ids(suite, problems, tokenizer)
    assert ids[: len(asked)] == asked
    assert mask == [0] * len(asked) + [1] * (len(ids) - len(asked))
    learned = tokenizer.decode(ids[len(asked) :])
    assert learned.startswith(CODE + ("\n```" if chat else ""))
    assert learned.count(turn_end_token(tokenizer)) == 1
    assert learned.count("```") == (1 if chat else 0)


def test_a_direct_completion_does_not_repeat_the_prompt(tmp_path):
    path = write(tmp_path / "he.jsonl", HUMANEVAL_ROW)
    suite = load_suite("humaneval+", SuiteOptions(dataset=path))
    [problem] = suite.problems("test")
    whole = f"```python\n{HUMANEVAL_ROW['prompt']}    return 2 * x\n```"
    tokenizer = family_tokenizer("base")
    record = pair(suite.instruction(problem), whole)
    [made] = training_pairs([record], suite.protocol(chat=False), tokenizer)
    assert made.prompt == HUMANEVAL_ROW["prompt"]
    assert made.completion == "    return 2 * x\n<|endoftext|>"


def test_a_pair_without_a_response_is_a_defect():
    tokenizer = family_tokenizer("chatml")
    with pytest.raises(StageError, match="has no response"):
        training_pairs([pair("a", None)], PLAIN, tokenizer)
