"""The card of fitted soft tokens: where they come from, how they were fitted, how to load them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from domino.diagnostics import one_line
from domino.records import Record, Reference

_CURVE = ("step", "objective", "domain", "reconstruction", "contrastive", "held_out", "copy_rate")


@dataclass(frozen=True, kw_only=True, slots=True)
class FitCard(Record):
    """All that is known of a fit but its tokens.

    Attributes:
        model: path or hub name of the backbone.
        config: the settings.
        seed: of the run that fitted.
        template: which fields of a reference were used.
        lead: the text between the domain tokens and an instruction.
        references: the digest of each reference, by its id.
        step: the step that the tokens were taken at.
        held_out_loss: of that step; None where no reference was held out.
        diagnostics: all that was logged at that step.
        curve: all that was logged at each evaluation.
    """

    model: str
    config: Mapping[str, Any]
    seed: int
    template: str
    lead: str
    references: Mapping[str, str]
    step: int
    held_out_loss: float | None
    diagnostics: Mapping[str, float]
    curve: tuple[Mapping[str, float], ...]

    def markdown(self) -> str:
        """Return the README of the adapter's directory."""
        return _PAGE.format(
            count=len(self.references),
            tokens=self.config["domain_tokens"],
            model=self.model,
            lead=self.lead,
            step=self.step,
            diagnostics=one_line(self.diagnostics),
            settings=_table(("setting", "value"), self.config.items()),
            seed=self.seed,
            curve=_curve(self.curve),
            template=self.template,
            references=_table(("reference", "sha256"), self.references.items()),
        )


def digests(references: Iterable[Reference]) -> dict[str, str]:
    """Return the sha256 of each reference's JSON line, by its id."""
    return {
        reference.id: hashlib.sha256(reference.to_json().encode()).hexdigest()
        for reference in references
    }


def _curve(rows: Iterable[Mapping[str, float]]) -> str:
    rows = list(rows)
    names = [name for name in _CURVE if any(name in row for row in rows)]
    return _table(names, ([f"{row[n]:.5g}" if n in row else "" for n in names] for row in rows))


def _table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return a Markdown table."""
    header = list(header)
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(value: Any) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


_PAGE = """\
---
library_name: peft
pipeline_tag: text-generation
---

# DOMINO soft tokens

{tokens} domain tokens fitted to {count} references in front of the frozen backbone `{model}`,
as a prompt-tuning adapter. They continue with new tasks of the references' domain, and serve with
this backbone alone.

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

name = {model!r}
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(name), DIRECTORY)
tokenizer = AutoTokenizer.from_pretrained(name)
prompt = tokenizer({lead!r}, add_special_tokens=False, return_tensors="pt")
output = model.generate(**prompt, do_sample=True, max_new_tokens=256)
```

`DIRECTORY` is this directory; the prompt is the text that comes before an instruction in the
backbone's chat template.

## Fit

Tokens of step {step}, seed {seed}: {diagnostics}.

{curve}

## Settings

{settings}

## References

Template *{template}*; sha256 of each reference's JSON line.

{references}
"""
