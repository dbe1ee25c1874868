import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.metrics.memorisation import LongestRuns, memorisation

WORDS = st.lists(st.sampled_from("abcd"), max_size=9)
REFERENCE = "Given a list of integers, keep the even numbers, then reverse the list, and give it."


def slow_longest_run(text: list[str], others: list[list[str]]) -> int:
    runs = [text[i:j] for i in range(len(text)) for j in range(i + 1, len(text) + 1)]
    shared = [
        len(run)
        for run in runs
        for other in others
        if any(other[k : k + len(run)] == run for k in range(len(other)))
    ]
    return max(shared, default=0)


@given(WORDS, st.lists(WORDS, min_size=1, max_size=4))
def test_the_longest_run_is_that_of_a_search_over_all_runs(
    text: list[str], others: list[list[str]]
) -> None:
    runs = LongestRuns([" ".join(other) for other in others])
    assert runs.find(tuple(text)) == slow_longest_run(text, others)


def test_a_copy_is_exact_whatever_its_case_and_punctuation() -> None:
    found = memorisation([REFERENCE.upper().replace(",", ""), "Nothing alike here."], [REFERENCE])
    assert (found.n, found.exact, found.near) == (2, 0.5, 0.5)
    assert found.longest_run == len(REFERENCE.split()) / 2
    assert found.longest_share == 0.5


def test_a_text_is_near_from_seven_tenths_of_common_shingles() -> None:
    found = memorisation([REFERENCE.replace("even", "odd")], [REFERENCE])
    assert (found.exact, found.near) == (0.0, 0.0)
    longer = " ".join([REFERENCE] * 3)
    found = memorisation([longer + " more"], [longer])
    assert (found.exact, found.near) == (0.0, 1.0)


def test_a_side_without_texts_is_refused() -> None:
    with pytest.raises(ValueError, match="texts on both sides: 0 and 1"):
        memorisation([], [REFERENCE])
