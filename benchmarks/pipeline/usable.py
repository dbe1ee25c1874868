"""Whether anything of a data set would be left to train on, before any work."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from benchmarks.common.fields import ConfigError
from benchmarks.config.run_config import decontaminate_config, options_of
from benchmarks.data_set import usable_examples
from benchmarks.methods import method_config
from benchmarks.stages.decontaminate import checker
from domino.records import Provenance, Synthetic

if TYPE_CHECKING:
    from benchmarks.pipeline.pipeline import Pipeline


def require_usable_rows(pipeline: Pipeline, method: str) -> None:
    """Refuse a data set of which the filters would leave no row.

    Raises:
        ConfigError: no file is named, or every row is refused.
        SuiteError: the data cannot be read, or a row is wrong.
    """
    suite, config = pipeline.context.suite, pipeline.config
    data = method_config(method, options_of(config, method))
    check = checker(decontaminate_config(config, new=True), pipeline.references, suite)
    refused: Counter[str] = Counter()
    for row in usable_examples(data):
        record = Synthetic(
            id=row.id,
            instruction=row.instruction,
            response=row.response,
            provenance=Provenance(method=method, seed=0),
        )
        refusal = suite.refuse_instruction(row.instruction) or check(record)
        if refusal is None:
            return
        refused[refusal[0]] += 1
    reasons = ", ".join(f"{count} {reason}" for reason, count in refused.most_common())
    raise ConfigError(
        f"{method}: no row of {data.path} is left after the filters ({reasons}): give data that is "
        "of the domain and does not repeat its problems and references"
    )
