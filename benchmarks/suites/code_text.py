"""Programs out of a model's response: fenced or bare, whole or continuing a prompt."""

from __future__ import annotations

import ast
import re

from benchmarks.evaluator.gold import defines

_FENCE = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)(?:^[ \t]*```|\Z)", re.MULTILINE | re.DOTALL)


def parses(code: str) -> bool:
    """Whether the text is Python."""
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def refuse_code(code: str) -> tuple[str, str] | None:
    """Return reason and detail where a program is empty or does not parse, else None."""
    if not code.strip():
        return ("empty", "")
    return None if parses(code) else ("does not parse", code.strip()[:80])


def with_prompt(prompt: str, entry_point: str, completion: str) -> str:
    """Return a whole program from a completion that may or may not repeat its prompt.

    The prompt's imports and helper functions stay in front of a completion that defines the entry
    point anew, as in EvalPlus.
    """
    if completion.startswith(prompt):
        return completion
    if defines(completion, entry_point):
        both = f"{prompt}\n{completion}"
        return both if parses(both) else completion
    return prompt + completion


def extract_program(prompt: str, entry_point: str, response: str) -> str:
    """Return the candidate program in a response, or the best guess where none is whole.

    Fenced blocks come before bare text, and a text that defines the entry point before one that
    continues the prompt; what follows the program in bare text is cut off.
    """
    blocks = _FENCE.findall(response)
    texts = [*blocks, *(["\n".join(blocks)] if len(blocks) > 1 else []), _unfenced(response)]
    for text in texts:
        if defines(text, entry_point):
            return with_prompt(prompt, entry_point, text)
    whole = _longest_program(_unfenced(response))
    if defines(whole, entry_point):
        return with_prompt(prompt, entry_point, whole)
    for text in texts:
        program = _cut_to_parse(prompt, text)
        if program and defines(program, entry_point):
            return program
    return with_prompt(prompt, entry_point, texts[0])


def program_text(response: str) -> str:
    """Return the fenced blocks of a response together, or the whole of it where there are none."""
    blocks = _FENCE.findall(response)
    return "\n".join(blocks) if blocks else response


def fenced_blocks(response: str) -> list[str]:
    """Return what stands between fences, the last one unclosed perhaps."""
    return list(_FENCE.findall(response))


def last_program(response: str) -> str:
    """Return the last fenced block that parses, the last one where none does, else the text."""
    blocks = fenced_blocks(response)
    whole = [block for block in blocks if block.strip() and parses(block)]
    return (whole or blocks or [_unfenced(response)])[-1]


def _unfenced(response: str) -> str:
    """Return bare text without stray fence lines."""
    lines = [line for line in response.split("\n") if not line.lstrip().startswith("```")]
    return "\n".join(lines)


def _longest_program(text: str) -> str:
    """Return the longest run of lines that parses and begins with a definition or import."""
    lines = text.split("\n")
    best = ""
    for first, line in enumerate(lines):
        if not line.startswith(("def ", "import ", "from ", "class ", "@", "async def ")):
            continue
        program = _cut_to_parse("", "\n".join(lines[first:]))
        if len(program) > len(best):
            best = program
        if len(best) >= len("\n".join(lines[first:])):
            break
    return best


def _cut_to_parse(prompt: str, text: str) -> str:
    """Return prompt and as many of the text's lines as parse together, "" where none do."""
    lines = text.split("\n")
    for count in range(len(lines), 0, -1):
        program = prompt + "\n".join(lines[:count])
        if "\n".join(lines[:count]).strip() and parses(program):
            return program
    return ""
