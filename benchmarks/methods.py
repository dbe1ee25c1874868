"""Methods by name: an explicit map, and plug-ins named as "package.module:Class"."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from benchmarks.common.fields import Unquoted, closest, update
from domino.records import changes_result
from domino.synthesizer import Synthesizer

METHODS: Mapping[str, str] = MappingProxyType(
    {
        "domino": "domino.method:DominoSynthesizer",
        "self-instruct": "baselines.self_instruct:SelfInstruct",
        "evol-instruct": "baselines.evol_instruct:EvolInstruct",
        "few-shot": "baselines.few_shot:FewShot",
        "magpie": "baselines.magpie:Magpie",
        "magpie-described": "baselines.magpie:MagpieDescribed",
        "magpie-induced": "baselines.magpie:MagpieInduced",
        "oss-instruct": "baselines.oss_instruct:OSSInstruct",
        "prompt-tuning": "baselines.prompt_tuning:PromptTuning",
        "softsrv": "baselines.softsrv.method:SoftSRV",
        "references-only": "baselines.references_only:ReferencesOnly",
        "no-data": "baselines.no_data:NoData",
    }
)
"""Method name to "module:Class"; a module is imported when its method is first loaded."""

CONTROLS: Mapping[str, str] = MappingProxyType(
    {
        "ceiling": "benchmarks.controls:Ceiling",
        "shuffled-responses": "benchmarks.controls:ShuffledResponses",
        "other-domain": "benchmarks.controls:OtherDomain",
        "recombined": "benchmarks.controls:Recombined",
        "plain-wording": "benchmarks.controls:PlainWording",
        "teacher": "benchmarks.controls:Teacher",
    }
)
"""Rows that show what the measurements can show; no synthesis method among them."""

TEACHER_ROW = "teacher"
"""The control in which the teacher itself solves the test problems."""

DATA_SETS = "benchmarks.data_set:DataSet"
"""What `dataset/NAME` is, whatever the name: rows of a data set that exists already."""

_DATA_SET = re.compile(r"dataset/[\w-]+")
_PLUG_IN = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


class MethodError(ValueError):
    """A name is not a method, or a plug-in is invalid: the name, the reason, the remedy."""


WITH_REFERENCES = "references+"
"""Before a method's name: its pairs and the references are fine-tuned on together."""


def drawing_name(name: str) -> str:
    """Return the name under which a row draws: `references+domino` draws what `domino` draws."""
    return name.removeprefix(WITH_REFERENCES)


def base_name(name: str) -> str:
    """Return a method's name without its alias: `few-shot@again` is `few-shot` under another name.

    A method under two names draws twice, independently: the A/A comparison of a run.
    """
    return drawing_name(name).partition("@")[0]


def is_control(name: str) -> bool:
    """Whether a row checks the measurements: a control, or a method under a second name."""
    return "@" in name or base_name(name) in CONTROLS


def is_data_set(name: str) -> bool:
    """Whether a row's data exists already: `dataset/NAME`."""
    return _DATA_SET.fullmatch(base_name(name)) is not None


def is_known(name: str) -> bool:
    """Whether a name is that of a method, a control, a data set, or of one with an alias."""
    base, at, alias = drawing_name(name).partition("@")
    known = base in METHODS or base in CONTROLS or is_data_set(base)
    return known and (not at or alias.isidentifier())


def is_plug_in(name: str) -> bool:
    """Whether a name has the form "package.module:Class" and is none of the map's."""
    return not is_known(name) and _PLUG_IN.fullmatch(base_name(name)) is not None


def reads_description(name: str) -> bool:
    """Whether the user's description of the domain may matter to a method: to any plug-in it may.

    The others are not given it, so that runs which describe the domain differently share stages.
    """
    return is_plug_in(name) or load_method(name).reads_description


def method_module(name: str) -> str:
    """Return the module that a method's class is in.

    Raises:
        MethodError: no method has this name, and it names no class.
    """
    return _location(name)[0]


def load_method(name: str) -> type[Synthesizer]:
    """Return the class of a method.

    Raises:
        MethodError: no method has this name, or a plug-in cannot be imported or is not a
            Synthesizer.
    """
    module, class_name = _location(name)
    if is_known(name):
        loaded: type[Synthesizer] = getattr(importlib.import_module(module), class_name)
        return loaded
    return _plug_in(name, module, class_name)


def method_config(name: str, options: Mapping[str, Any]) -> Any:
    """Return a method's config with the given fields, which are read as those of a run are.

    Raises:
        ConfigError: a field is unknown, or a value does not fit.
        MethodError: the method cannot be loaded.
    """
    method_class: Any = load_method(name)
    return update(method_class.config_class(), options, prefix=f"method_options.{name}.")


def typed_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a method's options in the types of its fields, where their text alone does not say it.

    Raises:
        ConfigError: a field is unknown, or a value does not fit.
        MethodError: the method cannot be loaded.
    """
    if not any(isinstance(value, Unquoted) for value in options.values()):
        return dict(options)  # so that most commands need not load the method yet
    config = method_config(name, options)
    return {field: getattr(config, field) for field in options}


def changed_options(name: str, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options that change a method's config, in the types of their fields.

    So equal settings have one cache key, however they are spelled. The second mapping has those
    whose fields do not change a result.

    Raises:
        ConfigError: a field is unknown, or a value does not fit.
        MethodError: the method cannot be loaded.
    """
    if not options:
        return {}, {}
    plain, changed = method_config(name, {}), method_config(name, options)
    found: tuple[dict[str, Any], dict[str, Any]] = {}, {}
    for field in dataclasses.fields(changed):
        value = getattr(changed, field.name)
        if value != getattr(plain, field.name):
            found[0 if changes_result(field) else 1][field.name] = value
    return found


def _location(name: str) -> tuple[str, str]:
    if not is_known(name) and not is_plug_in(name):
        known = [*METHODS, *CONTROLS]
        raise MethodError(
            f"no method is named {name!r}{closest(name, known)}; known are {', '.join(known)}, "
            "dataset/NAME, and package.module:Class"
        )
    base = base_name(name)
    place = DATA_SETS if is_data_set(base) else {**CONTROLS, **METHODS}.get(base, base)
    module, _, class_name = place.partition(":")
    return module, class_name


def _plug_in(name: str, module: str, class_name: str) -> type[Synthesizer]:
    try:
        loaded = importlib.import_module(module)
    except (ImportError, SyntaxError) as error:
        raise MethodError(
            f"method {name!r}: module {module!r} cannot be imported ({error}): start from the "
            "directory that holds it, or install its package"
        ) from error
    found = getattr(loaded, class_name, None)
    if found is None:
        classes = [key for key, value in vars(loaded).items() if isinstance(value, type)]
        raise MethodError(
            f"method {name!r}: module {module!r} has no class {class_name!r}"
            f"{closest(class_name, classes)}; its file is {loaded.__file__}"
        )
    reason = _not_a_method(found)
    if reason:
        raise MethodError(f"method {name!r}: {class_name} {reason}")
    checked: type[Synthesizer] = found
    return checked


def _not_a_method(found: Any) -> str | None:
    """Return why the harness cannot run an object as a method."""
    if not (isinstance(found, type) and issubclass(found, Synthesizer)):
        return "is not a Synthesizer: derive it from domino.synthesizer.Synthesizer"
    if inspect.isabstract(found):
        return f"does not define {', '.join(sorted(found.__abstractmethods__))}: define them all"
    if not isinstance(getattr(found, "name", None), str):
        return "has no `name`: give it a text, under which its records are kept"
    config_class = getattr(found, "config_class", None)
    if not dataclasses.is_dataclass(config_class):
        return "has no `config_class`: give it a frozen dataclass whose fields have defaults"
    return None
