"""What a reader would take out of a response, beyond what the official tools see in it.

Thoughts are passed over, blocks may be indented, quoted, unclosed or several; a function may need
imports of an earlier block, or stand on the prompt; and of what is around it only that is kept
which it needs, so that its demonstration decides nothing.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_THOUGHT = re.compile(
    r"<(think|thinking|thought|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE
)
_THOUGHT_END = re.compile(r"\A.*</(?:think|thinking|thought|reasoning)>", re.DOTALL | re.IGNORECASE)
_SPECIAL = re.compile(r"<\|\w+\|>|</s>\s*\Z")
_FENCE = re.compile(r"(`{3,}|~{3,})[^`\n]*$")
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_QUOTE = re.compile(r"^[ \t]*> ?", re.MULTILINE)
_QUOTED_FENCE = re.compile(r"^[ \t]*>[ \t]*(?:`{3}|~{3})", re.MULTILINE)
_CONTINUES = re.compile(r"(?:elif|else|except|finally)\b|[)\]}]")
_ANSWER = re.compile(r"\[ANSWER\](.*?)(?:\[/ANSWER\]|\Z)", re.DOTALL)
_QUERY = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*+(?:select|with|values)\b", re.IGNORECASE | re.DOTALL
)
_QUERY_LINE = re.compile(r"^[ \t]*(?:select|with|values)\b", re.IGNORECASE | re.MULTILINE)
_LINES = 4000
"""A text is cut there: no program is longer, and a looping model's is."""
_PIECES = 12
"""How many lines at the left edge a statement may have among text that is not a program."""


def function_in(response: str, entry_point: str, prompt: str) -> str:
    """Return the program that defines the entry point, the text itself where none does.

    Of several definitions the last counts. Other blocks, and the prompt, give what it needs.
    Without an entry point, the last function counts.
    """
    text = _answer_text(response)
    blocks = _blocks(text)
    before = _statements(prompt)
    for candidate, others in _candidates(text, blocks):
        known = [*before, *(s for block in others for s in _statements(block))]
        statements = _statements(candidate)
        name = entry_point or _last_function(statements)
        if name and any(name in s.binds for s in statements):
            return _needed([*known, *statements], name)
    begun = {statement.text.strip() for statement in before}
    for candidate in [*reversed(blocks), text]:
        statements = _statements(prompt + candidate) if prompt else []
        if any(entry_point in s.binds and s.text.strip() not in begun for s in statements):
            return _needed(statements, entry_point)
    return blocks[-1] if blocks else text


def program_in(response: str) -> str:
    """Return the last block that is a program, the last one where none is, else the text."""
    text = _answer_text(response)
    codes = [block for block in _blocks(text) if block.strip()]
    whole = [code for code in codes if _parse(code) is not None]
    return (whole or codes or [text])[-1]


def value_in(response: str) -> str:
    """Return the value that an answer states: behind `==`, or all that it has.

    Between the answer's marks, or in a block; what is neither counts by its first line.
    """
    text = _answer_text(response).strip()
    found = [part for part in _ANSWER.findall(text) if part.strip()]
    found = found or [block for block in _blocks(text) if block.strip()]
    return _right_side((found or [text.partition("\n")[0]])[-1].strip())


def query_in(response: str) -> str:
    """Return the last block that is a query, else the last block, else the text from a query on."""
    text = _answer_text(response).strip()
    blocks = [block.strip() for block in _blocks(text) if block.strip()]
    queries = [block for block in blocks if is_query(block)]
    if blocks:
        return (queries or blocks)[-1]
    found = _QUERY_LINE.search(text)
    return text[found.start() :].strip() if found else text


def is_query(text: str) -> bool:
    """Whether a text begins as an SQL query does, behind comments perhaps."""
    return _QUERY.match(text) is not None


def answer_in(response: str) -> str:
    """Return the response without its thoughts."""
    return _answer_text(response).strip()


def _right_side(text: str) -> str:
    statement = text if text.startswith("assert") else f"assert {text}"
    tree = _parse(statement)
    node = tree.body[-1] if tree and tree.body else None
    if isinstance(node, ast.Assert) and isinstance(node.test, ast.Compare):
        return (ast.get_source_segment(statement, node.test.comparators[-1]) or "").strip()
    return text.partition("==")[2].strip() if text.startswith("assert") else text


def _answer_text(response: str) -> str:
    """Return the response without its thoughts, in lines that end in one way."""
    text = response.replace("\r\n", "\n").replace("\r", "\n")
    text = _SPECIAL.sub("", text)
    text = _THOUGHT.sub("", text)
    text = _THOUGHT_END.sub("", text)  # of a thought that the prompt had opened
    if _QUOTED_FENCE.search(text):
        text = _QUOTE.sub("", text)
    return "\n".join(text.split("\n")[:_LINES])


def _blocks(text: str) -> list[str]:
    """Return what stands between fences, without the indentation of the first one.

    The last block is unclosed perhaps; a fence within a docstring ends none.
    """
    lines = text.split("\n")
    blocks: list[str] = []
    at = 0
    while at < len(lines):
        opened = _FENCE.search(lines[at])
        if opened:
            code, at = _block(lines, at + 1, opened.group(1), _indent(lines[at]))
            blocks.append(code)
        else:
            at += 1
    return blocks


def _block(lines: Sequence[str], first: int, mark: str, indent: int) -> tuple[str, int]:
    """Return a block's text and the number of the line behind it."""
    for end in range(first, len(lines)):
        if mark in lines[end]:
            code_before = lines[end].partition(mark)[0]
            kept = [*lines[first:end], *([code_before] if code_before.strip() else [])]
            if not _in_string(kept):
                return _dedented(kept, indent), end + 1
    return _dedented(lines[first:], indent), len(lines)


def _in_string(lines: Sequence[str]) -> bool:
    """Whether a text ends within a string of several lines."""
    text = "\n".join(lines)
    return any(text.count(quote) % 2 for quote in ('"""', "'''"))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _dedented(lines: Sequence[str], indent: int) -> str:
    return "".join(line[min(indent, _indent(line)) :] + "\n" for line in lines)


def _candidates(text: str, blocks: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield texts that may hold the function, the likeliest first, with the other blocks."""
    for number in range(len(blocks) - 1, -1, -1):
        yield blocks[number], [*blocks[:number], *blocks[number + 1 :]]
    bare = "\n".join(line for line in text.split("\n") if not re.match(r"[ \t]*(```|~~~)", line))
    yield bare, []
    for inline in reversed(_INLINE.findall(text)):
        yield inline, []


@dataclass(frozen=True, slots=True)
class _Statement:
    """A statement at the top level: its text, what it binds, may change by calls, and uses."""

    text: str
    node: ast.stmt
    binds: frozenset[str]
    changes: frozenset[str]
    uses: frozenset[str]

    @property
    def is_import(self) -> bool:
        """Whether it is an import."""
        return isinstance(self.node, ast.Import | ast.ImportFrom)

    @property
    def is_future(self) -> bool:
        """Whether it has to stand first."""
        return isinstance(self.node, ast.ImportFrom) and self.node.module == "__future__"


def _statements(text: str) -> list[_Statement]:
    """Return the statements of a text, and pass over what is none: sentences, sessions."""
    tree = _parse(text)
    if tree is not None:
        return _split(text, tree)
    found: list[_Statement] = []
    pieces = _pieces(text)
    at = 0
    while at < len(pieces):
        for end in range(at + 1, min(at + _PIECES, len(pieces)) + 1):
            piece = "".join(pieces[at:end])
            tree = _parse(piece)
            if tree is not None:
                break
        else:
            end = at + 1
        if tree is not None:
            while end < len(pieces) and _CONTINUES.match(pieces[end]):  # the rest of if or try
                longer = _parse(piece + pieces[end])
                if longer is None:
                    break
                piece, tree, end = piece + pieces[end], longer, end + 1
            found += _split(piece, tree)
        at = end
    return found


def _pieces(text: str) -> list[str]:
    """Return the text cut before every line that begins at its left edge."""
    pieces: list[str] = []
    for line in text.split("\n"):
        if pieces and (not line.strip() or line[0] in " \t"):
            pieces[-1] += line + "\n"
        else:
            pieces.append(line + "\n")
    return pieces


def _split(text: str, tree: ast.Module) -> list[_Statement]:
    """Return the statements of a program, each with its decorators and its own lines."""
    lines = text.split("\n")
    found = []
    for node in tree.body:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        source = "\n".join(lines[first - 1 : node.end_lineno])
        if ";" in source:  # several statements on a line, perhaps
            source = ast.get_source_segment(text, node) or source
        found.append(_Statement(source, node, *_names(node)))
    return found


def _names(node: ast.stmt) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Return what a statement binds at the top level, what its calls may change, and its uses.

    An item or an attribute that is set counts as bound with the name that it belongs to.
    """
    binds: set[str] = set()
    changes: set[str] = set()
    todo: list[ast.AST] = [node]
    while todo:
        inner = todo.pop()
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            binds.add(inner.name)
            continue
        if isinstance(inner, ast.Lambda):
            continue
        if isinstance(inner, ast.Import | ast.ImportFrom):
            binds |= {(a.asname or a.name).partition(".")[0] for a in inner.names}
        elif isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            binds.add(inner.id)
        elif isinstance(inner, ast.Subscript | ast.Attribute) and (
            isinstance(inner.ctx, ast.Store | ast.Del)
        ):
            binds |= _root(inner)
        elif isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
            changes |= _root(inner.func)
        todo += ast.iter_child_nodes(inner)
    uses = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id not in binds}
    return frozenset(binds), frozenset(changes), frozenset(uses | changes)


def _root(node: ast.AST) -> set[str]:
    """Return the name that an attribute or an item belongs to."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _last_function(statements: Sequence[_Statement]) -> str:
    named = [s.node.name for s in statements if isinstance(s.node, ast.FunctionDef)]
    return named[-1] if named else ""


def _needed(statements: Sequence[_Statement], entry_point: str) -> str:
    """Return the statements that the entry point needs, in order.

    Those that bind a name in use or change a variable in use, and what is set up before the entry
    point's own definition. Imports that nothing uses go.
    """
    statements = _latest(statements)
    last = max(n for n, s in enumerate(statements) if entry_point in s.binds)
    variables = {
        name for s in statements if isinstance(s.node, ast.Assign | ast.AnnAssign)
        for name in s.binds
    }  # fmt: skip
    kept = {
        n for n, s in enumerate(statements)
        if n < last and isinstance(s.node, ast.Expr) and isinstance(s.node.value, ast.Call)
        and _is_setup(s)
    }  # fmt: skip
    kept.add(last)
    wanted = {entry_point}.union(*(statements[n].uses for n in kept))
    while True:
        more = {
            n for n, s in enumerate(statements)
            if n not in kept and (
                s.is_future or s.binds & wanted or s.changes & wanted & variables or "*" in s.binds
            )
        }  # fmt: skip
        if not more:
            break
        kept |= more
        wanted = wanted.union(*(statements[n].uses for n in more))
    ordered = sorted(kept, key=lambda n: (not statements[n].is_future, n))
    return "".join(statements[n].text.rstrip() + "\n" for n in ordered)


def _is_setup(statement: _Statement) -> bool:
    """Whether a call at the top level sets something up, rather than show or ask."""
    call = statement.node.value  # type: ignore[attr-defined]
    return not (isinstance(call.func, ast.Name) and call.func.id in ("print", "input", "exit"))


def _latest(statements: Sequence[_Statement]) -> list[_Statement]:
    """Return the statements without functions and classes that a later one replaces."""
    last: dict[str, int] = {}
    for number, statement in enumerate(statements):
        if isinstance(statement.node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            last[statement.node.name] = number
    return [
        s
        for number, s in enumerate(statements)
        if last.get(getattr(s.node, "name", ""), number) == number
    ]


def _parse(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd code, which is not ours
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def bound_names(code: str) -> frozenset[str]:
    """Return the names that a program binds at its top level, none where it does not parse."""
    tree = _parse(code)
    return frozenset().union(*(_names(node)[0] for node in tree.body)) if tree else frozenset()
