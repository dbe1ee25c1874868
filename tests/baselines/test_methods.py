import pytest

from benchmarks.methods import METHODS, MethodError, load_method
from domino.synthesizer import Synthesizer


@pytest.mark.parametrize("name", METHODS)
def test_every_name_loads_a_synthesizer_of_that_name(name):
    method = load_method(name)
    assert issubclass(method, Synthesizer)
    assert method.name == name


def test_an_unknown_name_is_refused_with_the_closest_and_all_known():
    with pytest.raises(MethodError, match=r"'few-shots' \(did you mean 'few-shot'") as error:
        load_method("few-shots")
    assert all(name in str(error.value) for name in METHODS)


def test_a_name_like_no_other_is_refused_without_a_guess():
    with pytest.raises(MethodError, match="'xyz'; known are domino"):
        load_method("xyz")
