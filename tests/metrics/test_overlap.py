"""When two texts are the same task, in any script, in prose and in code."""

# ruff: noqa: RUF001 - texts in scripts that have commas of their own

import pytest

from benchmarks.metrics.memorisation import memorisation
from benchmarks.metrics.overlap import NearDuplicates, NgramIndex, SameTask
from domino.text import holds_code, normalised, sameness, storable, words

# A problem, the same with one word changed, and another problem that begins alike.
COPIES = {
    "english": (
        "Write a function that returns the sum of all even numbers in a list.",
        "Write a function that returns the sum of all odd numbers in a list.",
        "Write a function that returns the longest word of a text.",
    ),
    "chinese": (
        "编写一个函数，返回列表中所有偶数的和。",
        "编写一个函数，返回列表中所有奇数的和。",
        "编写一个函数，返回列表中最大的元素。",
    ),
    "chinese-with-code": (
        "编写函数 f(xs)，接收一个整数列表 xs，返回其中所有偶数的平方和，空列表返回 0。",
        "编写函数 f(xs)，接收一个整数列表 xs，返回其中所有奇数的平方和，空列表返回 0。",
        "编写函数 f(s)，返回字符串 s 中出现最多的字符，忽略大小写。",
    ),
    "japanese": (
        "整数のリストを受け取り、偶数の二乗の合計を返す関数を書いてください。",
        "整数のリストを受け取り、奇数の二乗の合計を返す関数を書いてください。",
        "文字列の中で最も多く現れる文字を返す関数を書いてください。",
    ),
    "thai": (
        "เขียนฟังก์ชันที่รับรายการจำนวนเต็มและคืนค่าผลรวมของเลขคู่ทั้งหมดในรายการ",
        "เขียนฟังก์ชันที่รับรายการจำนวนเต็มและคืนค่าผลรวมของเลขคี่ทั้งหมดในรายการ",
        "เขียนฟังก์ชันที่รับข้อความและคืนค่าตัวอักษรที่พบบ่อยที่สุดในข้อความนั้น",
    ),
    "hindi": (
        "एक फ़ंक्शन लिखें जो पूर्णांकों की सूची ले और उसमें सभी सम संख्याओं का योग लौटाए",
        "एक फ़ंक्शन लिखें जो पूर्णांकों की सूची ले और उसमें सभी विषम संख्याओं का योग लौटाए",
        "एक फ़ंक्शन लिखें जो किसी पाठ में अक्षर गिने",
    ),
}


def repeats(protected: str, text: str) -> bool:
    """Whether decontamination by words drops the text, by its own defaults."""
    owned = [(("test problem", "1"), protected)]
    by_run = NgramIndex(owned, n=8, common=10).find(text)
    return bool(by_run or NearDuplicates(owned, threshold=0.7).find(text))


@pytest.mark.parametrize(("problem", "copy", "other"), COPIES.values(), ids=COPIES)
def test_a_copy_with_one_word_changed_is_found_and_another_problem_is_not(
    problem: str, copy: str, other: str
) -> None:
    assert repeats(problem, problem)
    assert repeats(problem, copy)
    assert not repeats(problem, other)


@pytest.mark.parametrize(("problem", "copy", "other"), COPIES.values(), ids=COPIES)
def test_memorisation_is_measured_in_every_script(problem: str, copy: str, other: str) -> None:
    assert memorisation([problem], [problem]).exact == 1.0
    repeated, fresh = memorisation([copy], [problem]), memorisation([other], [problem])
    assert repeated.exact == fresh.exact == fresh.near == 0.0
    assert repeated.longest_run >= 8
    assert 1 > repeated.longest_share > fresh.longest_share
    cut = memorisation([problem[:-3]], [problem])
    assert (cut.exact, cut.near) == (0.0, 1.0)


DIFFERENT = [
    ("f([1, -2])", "f([1, 2])"),
    ("Return a + b.", "Return a - b."),
    ("Is x < y?", "Is x > y?"),
    ("What is f('Ab')?", "What is f('aB')?"),
    ("Add -2 to each number.", "Add 2 to each number."),
    ("Give the mean to 1.5 digits.", "Give the mean to 15 digits."),
    ("Write it in C++.", "Write it in C#."),
    ("Call getName on it.", "Call getname on it."),
    ("Call to_upper on it.", "Call TO_UPPER on it."),
    ("What does this print?\n```\nprint(1)\n```", "What does this print?\n```\nPRINT(1)\n```"),
    ("Is x ≤ y?", "Is x ≥ y?"),
    ("返回 a+b。", "返回 a-b。"),
]


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_tasks_that_differ_in_a_sign_are_different_tasks(left: str, right: str) -> None:
    assert sameness(left) != sameness(right)
    assert normalised(left) != normalised(right)
    assert not repeats(left, right)
    assert memorisation([left], [right]).exact == 0.0
    assert SameTask([(("reference", "1"), left)], lambda text: None).find(right) is None
    assert repeats(left, left)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("if a:\n    return b\nreturn c", "if a:\n    return b\n    return c"),
        ('Print "a b".', 'Print "a  b".'),
    ],
)
def test_tasks_that_differ_in_spaces_are_different_where_these_mean_something(
    left: str, right: str
) -> None:
    assert sameness(left) != sameness(right)
    assert normalised(left) != normalised(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Sort the list, please.", "sort THE list please"),
        ("Don't count it twice: it's well-known!", "Don't count it twice it's well-known"),
        ("Étudie la liste.", "E\u0301TUDIE LA LISTE"),
        ("返回列表的和。", "返回列表的和"),
        ("ﾘｽﾄを返す", "リストを返す"),
    ],
)
def test_prose_is_the_same_whatever_its_case_punctuation_and_form(left: str, right: str) -> None:
    assert not holds_code(left) and not holds_code(right)
    assert sameness(left) == sameness(right)


def test_units_are_words_with_their_signs_and_characters_where_there_are_no_spaces() -> None:
    assert words("Sort_it 3 times, ÉTÉ!") == ("sort_it", "3", "times", "été")
    assert words("返回f(x)的和。") == ("返", "回", "f", "x", "的", "和")
    assert words("हिन्दी में") == ("हिन्दी", "में")
    assert words("정수 목록") == ("정수", "목록")


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("a\ud83d b", "a\ufffd b"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("\ud83d\ude00", "😀"),
        ("😀 é \x00", "😀 é \x00"),
        ("", ""),
    ],
)
def test_half_a_character_is_replaced_and_nothing_else_is(text: str, stored: str) -> None:
    assert storable(text) == stored
    stored.encode()
