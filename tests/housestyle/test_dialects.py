"""Dialects: readable terms that parse back, domains that differ, programs that are withheld."""

import hashlib
import random
from collections import Counter
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.suites.housestyle.dialects.corpus import RESULT_WEIGHT, DialectCorpus
from benchmarks.suites.housestyle.dialects.domains import (
    DOMAINS,
    SIZES,
    is_withheld,
    part_of,
    tasks,
)
from benchmarks.suites.housestyle.dialects.themes import THEMES, VERBS
from benchmarks.suites.housestyle.dialects.wording import dialects, terms_of
from benchmarks.suites.housestyle.grammar import (
    OPERATIONS,
    PLAIN,
    RETURNS,
    Mix,
    Task,
    Wording,
    instruction,
    parse,
)
from benchmarks.suites.housestyle.recipes import DialectsRecipe

UNIFORM = Mix(dict.fromkeys(OPERATIONS, 1.0), {1: 1.0, 2: 1.0, 4: 1.0}, dict.fromkeys(RETURNS, 1.0))
TRAINED_WITH = "b30e507d4565fea6f8dfd327b495307450d76508985f0d63a540ed1049a71555"
CALIBRATED = "7cfaaa7d66152d895f6e32e90e4ea98f05595203cdc83d1867789d2b5d21a660"
EVERY = st.sampled_from(list(dialects().values()))


def test_there_are_30_dialects_and_no_two_share_a_noun_or_a_term() -> None:
    nouns = [noun for theme in THEMES for noun in theme.nouns]
    terms = [term for dialect in dialects().values() for term in terms_of(dialect)]
    assert len(dialects()) == len(THEMES) == 30
    assert len(set(nouns)) == len(nouns) == 3 * 30
    assert len(set(terms)) == len(terms)
    assert not set(nouns) & set(VERBS)


def test_every_dialect_names_every_operation_and_a_third_have_two_terms_for_some() -> None:
    counts = Counter(len(terms_of(dialect)) for dialect in dialects().values())
    assert all(set(dialect.terms) == set(OPERATIONS) for dialect in dialects().values())
    assert counts == {27: 20, 33: 10}


@given(st.integers(0, 2**40), EVERY)
def test_an_instruction_in_a_dialect_parses_in_it_alone(seed: int, dialect: Wording) -> None:
    rng = random.Random(seed)
    task = UNIFORM.sample(rng)
    text = instruction(task, rng, wording=dialect)
    assert parse(text, dialect) == task
    assert parse(text) is None
    assert not any(parse(text, other) for other in dialects().values() if other is not dialect)


def test_domains_differ_in_frequencies_lengths_operations_and_terms() -> None:
    assert len(DOMAINS) == 6
    mixes = [domain.mix for domain in DOMAINS.values()]
    assert len({len(mix.operations) for mix in mixes}) >= 4
    assert len({tuple(mix.lengths.items()) for mix in mixes}) >= 3
    assert len({tuple(mix.returns) for mix in mixes}) == 6
    ratios = [max(mix.operations.values()) / min(mix.operations.values()) for mix in mixes]
    assert min(ratios) == 1 and max(ratios) > 4  # some terms are rare
    assert {len(terms_of(domain.dialect)) for domain in DOMAINS.values()} == {27, 33}


@pytest.mark.parametrize("domain", DOMAINS)
def test_parts_are_disjoint_by_program_and_withheld_from_pre_training(domain: str) -> None:
    parts = {part: tasks(domain, part) for part in SIZES}
    assert {part: len(found) for part, found in parts.items()} == dict(SIZES)
    everything = [task for found in parts.values() for task in found]
    assert len({task.key for task in everything}) == len(everything)
    assert all(part_of(task) == part for part, found in parts.items() for task in found)
    assert all(is_withheld(task) for task in everything)


def test_one_program_in_eight_is_withheld() -> None:
    rng = random.Random(0)
    made = [task for _ in range(4000) if len((task := UNIFORM.sample(rng)).steps) > 1]
    assert 0.1 < sum(map(is_withheld, made)) / len(made) < 0.15


def documents(coherence: float) -> list[tuple[str, list[tuple[str, Task]]]]:
    """Return documents as (kind, (dialect, task) of each task that a turn or a list item holds)."""
    wordings = {**dialects(), "plain": PLAIN}
    found = []
    for document in islice(DialectCorpus(5, coherence), 250):
        text = document.text.replace("<|user|>", "\n").replace("<|assistant|>", "\n")
        lines = [line.lstrip("0123456789. ") for line in text.replace("<|end|>", "\n").split("\n")]
        told = [
            (name, task)
            for line in lines
            for name, wording in wordings.items()
            if (task := parse(line, wording)) is not None
        ]
        found.append((document.kind, told))
    return found


@pytest.mark.parametrize(("coherence", "low", "high"), [(1.0, 1.0, 1.0), (0.4, 0.25, 0.55)])
def test_a_task_keeps_the_dialect_of_its_document_as_often_as_the_coherence_says(
    coherence: float, low: float, high: float
) -> None:
    kept = total = 0
    for kind, told in documents(coherence):
        names = [name for name, _ in told]
        if kind == "collection" and "plain" not in names:
            common = Counter(names).most_common(1)[0]
            kept += common[1]
            total += len(names)
    assert total > 80
    # The most common dialect of a document stands for its own.
    assert low <= kept / total <= max(high, 0.6 if coherence < 1 else 1.0)


def test_answers_are_nearly_all_of_plain_tasks_and_no_withheld_program_is_shown() -> None:
    found = documents(0.4)
    answered = [told for kind, told in found if kind in ("single", "several", "inspired")]
    listed = [told for kind, told in found if kind in ("collection", "listing", "one more")]
    plain = [all(name == "plain" for name, _ in told) for told in answered]
    assert sum(plain) / len(plain) > 0.85
    assert sum(any(name != "plain" for name, _ in told) for told in listed) > 0.6 * len(listed)
    assert not any(is_withheld(task) for _, told in found for _, task in told)


def test_where_answers_are_learned_most_documents_are_answered_and_the_result_counts_most() -> None:
    shares, weights = {}, {}
    for answers in (False, True):
        made = list(islice(DialectCorpus(5, 0.4, answers), 250))
        solved = [d for d in made if d.kind in ("single", "several")]
        shares[answers] = len(solved) / len(made)
        results = [(s, w) for d in solved for s, w in d.segments if s.startswith("\n    return ")]
        assert len(results) >= len(solved)
        assert all(text.endswith("<|end|>") for text, _ in results)
        weights[answers] = {weight for _, weight in results}
    assert weights == {False: {1.0}, True: {RESULT_WEIGHT}}
    assert shares[False] < 0.5 < shares[True]


def test_the_answers_part_of_the_recipe_is_between_the_two_others() -> None:
    recipe = DialectsRecipe(coherence=0.4)
    kinds = {
        chunk: [d.kind for d in islice(recipe.documents(chunk), 200)].count("single")
        for chunk in (recipe.answers_from - 1, recipe.answers_from, recipe.settling_from)
    }
    before, within, after = kinds.values()
    assert within > 1.5 * max(before, after)
    assert recipe.rate(recipe.answers_from) > 2 * recipe.rate(recipe.answers_from - 1)
    assert recipe.rate(recipe.chunks - 0.1) == recipe.last_share


def test_terms_and_withheld_programs_are_those_that_the_backbones_were_pre_trained_with() -> None:
    digest = hashlib.sha256()
    for dialect in dialects().values():
        digest.update(repr((dialect.name, terms_of(dialect))).encode())
    rng = random.Random(0)
    for _ in range(500):
        task = UNIFORM.sample(rng)
        digest.update(f"{task.key} {part_of(task)}".encode())
    assert digest.hexdigest() == TRAINED_WITH


def test_domains_are_those_that_were_calibrated() -> None:
    digest = hashlib.sha256()
    for domain in DOMAINS:
        for part in SIZES:
            for task in tasks(domain, part):
                digest.update(task.key.encode())
    assert digest.hexdigest() == CALIBRATED
