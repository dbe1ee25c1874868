"""The command line of `python -m benchmarks.run`: options, presets and files into one config.

What is wrong with the input is one line and exit code 2; a machine that cannot go on (a full
disk, a broken sandbox) is one line and exit code 1, which is also a run's where a method failed;
anything else is a fault of ours and keeps its traceback.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.cli.exit_codes import Parser
from benchmarks.common.fields import (
    ConfigError,
    Leaf,
    closest,
    convert_text,
    describe_type,
    leaves,
    update,
)
from benchmarks.config.presets import DEFAULT, PRESETS, load_preset
from benchmarks.config.run_config import RunConfig, read_config_file
from benchmarks.methods import is_data_set
from benchmarks.planning.devices import DEFAULT_GPU, DEVICES, THIS_MACHINE
from benchmarks.planning.lengths import Assumptions, PlanRequest

PROGRAM = "python -m benchmarks.run"


ALLOW_UNSANDBOXED = {"sandbox": {"allow_unsandboxed": True}}
"""What `--allow-unsandboxed` sets in a run."""


UNTIL_DECIDED_SEEDS = 10
"""Seeds of `--until-decided`, where no others are given: as many as its last analysis needs."""

_FREE_FORM = "--method_options."
_TEMPLATE = "--template_options."


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """One invocation.

    Attributes:
        config: the run.
        json: file that the report is also written to; "-" prints it in place of the table.
        plain: lines in place of the live display.
        quiet: neither.
        plan: what a plan of the run's cost is asked for; None runs it.
    """

    config: RunConfig
    json: Path | None
    plain: bool
    quiet: bool
    plan: PlanRequest | None = None


def read_command(arguments: Sequence[str]) -> Command:
    """Return what the arguments ask for: preset, then config files, then single options.

    Raises:
        ConfigError: an option, a file, a key or a value is wrong.
    """
    options = list(leaves(load_preset(DEFAULT)))
    whole = "--help-all" in arguments
    given, rest = make_parser(options, whole=whole).parse_known_args(arguments)
    values: dict[str, Any] = {}
    for path in given.config:
        values = merge(values, read_config_file(Path(path)))
    flags = [ALLOW_UNSANDBOXED] if given.allow_unsandboxed else []
    if given.until_decided:
        values = merge({"seeds": list(range(UNTIL_DECIDED_SEEDS))}, values)
        flags.append({"compare": {"until_decided": True}})
    for part in [*_overrides(options, given), *_free_form(rest, options), *flags]:
        values = merge(values, part)
    if given.fields:
        values = merge(_with_fields(given.fields, values), values)
    preset = load_preset(_preset_name(given.preset, values))
    values.pop("preset", None)
    values = merge({"method_options": dict(preset.method_options)}, values)
    return Command(
        config=update(preset, values),
        json=_json_path(given.json),
        plain=given.plain,
        quiet=given.quiet,
        plan=_plan(given),
    )


def _with_fields(fields: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options by which `--fields` reaches all files that the run is given."""
    options = values.get("suite_options", {})
    reads = values.get("suite") == "own" or "references_path" in options
    methods = values.get("methods", ())
    names = methods.split(",") if isinstance(methods, str) else list(methods)
    data_sets = [name for name in names if is_data_set(name)]
    if not reads and not data_sets:
        raise ConfigError(
            f"--fields is {fields!r}, and the run reads no file of yours: give a row dataset/NAME, "
            "suite own, or --suite_options.references_path"
        )
    return {
        "suite_options": {"fields": fields} if reads else {},
        "method_options": {name: {"fields": fields} for name in data_sets},
    }


def _plan(given: argparse.Namespace) -> PlanRequest | None:
    """Return what a plan is asked for; refuse its options where none is asked for."""
    values = [
        _nested([leaf.path], convert_text(f"--assume.{leaf.path}", leaf.hint, text))
        for leaf in leaves(Assumptions())
        if (text := getattr(given, f"assume.{leaf.path}", None)) is not None
    ]
    if given.plan:
        assumed = {name: value for one in values for name, value in one.items()}
        return PlanRequest(device=given.device, assumed=update(Assumptions(), assumed))
    if values or given.device is not None:
        raise ConfigError("--device and --assume.* say how to plan: give --plan, or leave them out")
    return None


def make_parser(options: Iterable[Leaf], *, whole: bool = True) -> argparse.ArgumentParser:
    """Return the parser with one option for every field of a run.

    Its help shows what is set most often; every field, group by group, where it is `whole`.
    """
    parser = Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [--preset NAME] [--config FILE] [--FIELD VALUE ...]",
        description="Benchmark synthesis methods: from references to a Pass@1 table.",
        epilog="A killed run continues when the same command is given again."
        + ("" if whole else " Its parts have fields too (--evaluate.samples 5): see --help-all."),
        allow_abbrev=False,
    )
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help=f"{', '.join(PRESETS)} (default: the suite's own where it has one, else {DEFAULT})",
    )
    parser.add_argument(
        "--config", metavar="FILE", action="append", default=[],
        help="YAML file of the fields below; may be repeated, later files and options win",
    )  # fmt: skip
    parser.add_argument(
        "--json", metavar="FILE",
        help="also write the table's rows as JSON; - prints them in place of the table",
    )  # fmt: skip
    parser.add_argument(
        "--fields", metavar="NAME=COLUMN,...",
        help="names of columns in your own files, as instruction=question,response=answer",
    )  # fmt: skip
    parser.add_argument("--plain", action="store_true", help="lines in place of the live display")
    parser.add_argument(
        "--allow-unsandboxed", action="store_true",
        help="run programs without bubblewrap where it is missing: they can then do what you can",
    )  # fmt: skip
    parser.add_argument(
        "--until-decided", action="store_true",
        help="compare the methods at 4, 6, 8 and 10 seeds, and stop once every primary comparison "
        "is decided (seeds 0 to 9, where --seeds names no others)",
    )  # fmt: skip
    parser.add_argument(
        "--quiet", action="store_true", help="nothing before the table (DIR/logs has it all)"
    )
    parser.add_argument("--help-all", action="help", help="show the fields of every part as well")
    groups: dict[str, argparse._ActionsContainer] = {"": parser}
    _add_plan_options(parser, whole=whole)
    for leaf in options:
        part = leaf.path.rpartition(".")[0]
        if part not in groups:
            groups[part] = parser.add_argument_group(part if whole else "")
        _add_option(groups[part], leaf, shown=whole or not part)
    return parser


def _add_plan_options(parser: argparse.ArgumentParser, *, whole: bool) -> None:
    parser.add_argument(
        "--plan", action="store_true",
        help="say what the run will cost, and run nothing: tokens, FLOPs, memory, device time",
    )  # fmt: skip
    parser.add_argument(
        "--device", metavar="NAME",
        help=f"of --plan: {', '.join([*DEVICES, THIS_MACHINE])} (default: {THIS_MACHINE} for the "
        f"shipped backbone, else {DEFAULT_GPU})",
    )  # fmt: skip
    group = parser.add_argument_group("assume" if whole else "")
    for leaf in leaves(Assumptions()):
        named = replace(leaf, path=f"assume.{leaf.path}", help=f"of --plan: {leaf.help}")
        _add_option(group, named, shown=whole)


def _add_option(parser: argparse._ActionsContainer, leaf: Leaf, *, shown: bool = True) -> None:
    text = f"{leaf.help} [{describe_type(leaf.hint)}; default: {_words(leaf.default)}]"
    name = leaf.path.rpartition(".")[2].upper()
    parser.add_argument(
        f"--{leaf.path}", dest=leaf.path, metavar=name, default=argparse.SUPPRESS,
        help=text.replace("%", "%%") if shown else argparse.SUPPRESS,
    )  # fmt: skip


def _words(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    if isinstance(value, Mapping):
        return ", ".join(_pairs(value)) or "none"
    return str(value) if value != "" else "none"


def _pairs(value: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the innermost values of a mapping as they are given on the command line."""
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from _pairs(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key} {_words(item)}"


def _overrides(options: Iterable[Leaf], given: argparse.Namespace) -> list[dict[str, Any]]:
    texts = vars(given)
    return [
        _nested(leaf.path.split("."), convert_text(f"--{leaf.path}", leaf.hint, texts[leaf.path]))
        for leaf in options
        if leaf.path in texts
    ]


def _free_form(rest: Sequence[str], options: Iterable[Leaf]) -> list[dict[str, Any]]:
    """Return options of methods (--method_options.NAME.FIELD) and of the chat template.

    Raises:
        ConfigError: another one is left.
    """
    pending, found = list(rest), []
    while pending:
        name, equals, text = pending.pop(0).partition("=")
        is_template = name.startswith(_TEMPLATE) and name != _TEMPLATE
        # A plug-in's name (package.module:Class) has dots of its own; a field's has none.
        method, _, option = name.removeprefix(_FREE_FORM).rpartition(".")
        if not is_template and (not name.startswith(_FREE_FORM) or not method or not option):
            known = [f"--{leaf.path}" for leaf in options]
            what = "option" if name.startswith("-") else "argument"
            raise ConfigError(f"unknown {what} {name}{closest(name, known)}; see --help-all")
        if not equals:
            if not pending:
                raise ConfigError(f"{name} needs a value")
            text = pending.pop(0)
        value = convert_text(name, Any, text)
        key = ["template_options", name.removeprefix(_TEMPLATE)]
        found.append(_nested(key if is_template else ["method_options", method, option], value))
    return found


def _preset_name(option: str | None, values: Mapping[str, Any]) -> str:
    if option is not None:
        return option
    suite = values.get("suite")
    default = suite if isinstance(suite, str) and suite in PRESETS else DEFAULT
    return str(values.get("preset", default))


def _json_path(text: str | None) -> Path | None:
    if text is None:
        return None
    path = Path(text)
    if text == "-":
        return path
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise ConfigError(f"--json {text}: give a file in a directory that exists")
    return path


def _nested(path: Sequence[str], value: Any) -> dict[str, Any]:
    for name in reversed(path):
        value = {name: value}
    return dict(value)


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return both mappings in one, nested ones too; where both have a value, `above` wins."""
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[name] = merge(old, value) if both else value  # type: ignore[arg-type]
    return merged
