"""Methods by name: an explicit map, and the loading of the one that is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

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


class MethodError(ValueError):
    """A name that is no method: the name, those that are known, the closest one."""


def load_method(name: str) -> type[Synthesizer]:
    """Return the class of a method.

    Raises:
        MethodError: no method has this name.
    """
    if name not in METHODS:
        close = get_close_matches(name, METHODS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ";"
        raise MethodError(f"no method is named {name!r}{hint} known are {', '.join(METHODS)}")
    module, _, class_name = METHODS[name].partition(":")
    loaded: type[Synthesizer] = getattr(importlib.import_module(module), class_name)
    return loaded
