"""The command line of `python -m benchmarks.run`: options, presets and files become one config.

Invalid input gives one line and exit code 2. A machine that cannot continue (a full disk, a broken
sandbox) gives one line and exit code 1, and so does a run in which a method failed. Any other
error is a bug and shows its traceback.
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
from benchmarks.config.presets import DEFAULT, OF_OTHER_SUITES, PRESETS, load_preset
from benchmarks.config.run_config import RunConfig, read_config_file
from benchmarks.methods import is_data_set
from benchmarks.planning.devices import DEFAULT_GPU, DEVICES, THIS_MACHINE
from benchmarks.planning.lengths import Assumptions, PlanRequest

PROGRAM = "python -m benchmarks.run"


ALLOW_UNSANDBOXED = {"sandbox": {"allow_unsandboxed": True}}
"""The config values that `--allow-unsandboxed` sets."""


UNTIL_DECIDED_SEEDS = 10
"""Default number of seeds for `--until-decided`: those of its last analysis."""

_FREE_FORM = "--method_options."
_TEMPLATE = "--template_options."


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A parsed command line.

    Attributes:
        config: of the run.
        json: file for the report as JSON; "-" prints it instead of the table.
        plain: print lines instead of the live display.
        quiet: print nothing before the table.
        plan: request for an estimate of the run's cost; None runs it.
    """

    config: RunConfig
    json: Path | None
    plain: bool
    quiet: bool
    plan: PlanRequest | None = None


def read_command(arguments: Sequence[str]) -> Command:
    """Return the parsed command: preset, overridden by config files, overridden by options.

    Raises:
        ConfigError: an option, a file, a key or a value is invalid.
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
    for part in [*overrides(options, given), *_free_form(rest, options), *flags]:
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
    """Return the requested plan, if any; refuse options of a plan without `--plan`."""
    values = [
        _nested([leaf.path], convert_text(f"--assume.{leaf.path}", leaf.hint, text))
        for leaf in leaves(Assumptions())
        if (text := getattr(given, f"assume.{leaf.path}", None)) is not None
    ]
    if given.plan:
        assumed = {name: value for one in values for name, value in one.items()}
        return PlanRequest(device=given.device, assumed=update(Assumptions(), assumed))
    if values or given.device is not None:
        raise ConfigError("--device and --assume.* need --plan: add --plan or remove them")
    return None


def make_parser(options: Iterable[Leaf], *, whole: bool = True) -> argparse.ArgumentParser:
    """Return the parser, with one option for each field of a run.

    Its help shows the most important fields; with `whole`, all fields in groups.
    """
    parser = Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [--preset NAME] [--config FILE] [--FIELD VALUE ...]",
        description="Benchmark synthesis methods: from references to a Pass@1 table.",
        epilog="Repeat the command to resume a killed run."
        + ("" if whole else " Nested fields, such as --evaluate.samples 5: see --help-all."),
        allow_abbrev=False,
    )
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help=f"{', '.join(PRESETS)} (default: the preset named as the suite, else {DEFAULT})",
    )
    parser.add_argument(
        "--config", metavar="FILE", action="append", default=[],
        help="YAML file with the fields below; can be repeated; later files override earlier ones, "
        "options override files",
    )  # fmt: skip
    parser.add_argument(
        "--json", metavar="FILE",
        help="also write the table as JSON; - prints it instead of the table",
    )  # fmt: skip
    parser.add_argument(
        "--fields", metavar="MAP",
        help="columns of your files: instruction=question" if whole else argparse.SUPPRESS,
    )  # fmt: skip
    parser.add_argument(
        "--plain", action="store_true", help="print lines instead of the live display"
    )
    parser.add_argument(
        "--allow-unsandboxed", action="store_true",
        help="run programs without a sandbox if bubblewrap does not work: they then have all your "
        "permissions",
    )  # fmt: skip
    parser.add_argument(
        "--until-decided", action="store_true",
        help="compare the methods at 4, 6, 8 and 10 seeds, and stop when every primary comparison "
        "is decided (default --seeds: 0 to 9)",
    )  # fmt: skip
    parser.add_argument(
        "--quiet", action="store_true", help="print nothing before the table (the log has all)"
    )
    parser.add_argument("--help-all", action="help", help="show nested fields too")
    groups: dict[str, argparse._ActionsContainer] = {"": parser}
    _add_plan_options(parser, whole=whole)
    for leaf in options:
        part = leaf.path.rpartition(".")[0]
        if part not in groups:
            groups[part] = parser.add_argument_group(part if whole else "")
        add_option(groups[part], leaf, shown=whole or not part)
    return parser


def _add_plan_options(parser: argparse.ArgumentParser, *, whole: bool) -> None:
    parser.add_argument(
        "--plan", action="store_true",
        help="estimate the cost of the run (tokens, FLOPs, memory, device time) without running it",
    )  # fmt: skip
    parser.add_argument(
        "--device", metavar="NAME",
        help=f"device for --plan: {', '.join([*DEVICES, THIS_MACHINE])} (default: {THIS_MACHINE} "
        f"for the included backbone, else {DEFAULT_GPU})",
    )  # fmt: skip
    group = parser.add_argument_group("assume" if whole else "")
    for leaf in leaves(Assumptions()):
        named = replace(leaf, path=f"assume.{leaf.path}", help=f"for --plan: {leaf.help}")
        add_option(group, named, shown=whole)


def add_option(parser: argparse._ActionsContainer, leaf: Leaf, *, shown: bool = True) -> None:
    """Add the option of a config's field, with its explanation, type and default."""
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
    """Yield the innermost values of a mapping, written as on the command line."""
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from _pairs(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key} {_words(item)}"


def overrides(options: Iterable[Leaf], given: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the given options as values of the fields that they name.

    Raises:
        ConfigError: a value cannot be read as its field's type.
    """
    texts = vars(given)
    return [
        _nested(leaf.path.split("."), convert_text(f"--{leaf.path}", leaf.hint, texts[leaf.path]))
        for leaf in options
        if leaf.path in texts
    ]


def _free_form(rest: Sequence[str], options: Iterable[Leaf]) -> list[dict[str, Any]]:
    """Return options of methods (--method_options.NAME.FIELD) and of the chat template.

    Raises:
        ConfigError: an option is unknown or lacks its value.
    """
    pending, found = list(rest), []
    while pending:
        name, equals, text = pending.pop(0).partition("=")
        is_template = name.startswith(_TEMPLATE) and name != _TEMPLATE
        # A plug-in's name (package.module:Class) contains dots, a field's does not.
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
    suite = str(values.get("suite", DEFAULT))
    return str(values.get("preset", suite if suite in PRESETS else OF_OTHER_SUITES))


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
    """Merge two mappings, nested ones too; values in `above` override those in `below`."""
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[name] = merge(old, value) if both else value  # type: ignore[arg-type]
    return merged
