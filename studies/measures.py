"""Measures of a setting: functions from its outputs to one number.

Shares are over all requested samples or over those that were made, as each function says. The
oracle is the suite's exact knowledge of its universe; a suite without one is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from benchmarks.common.fields import ConfigError
from benchmarks.stages.curves import LOSSES, Metrics
from benchmarks.stages.sieve import KEPT
from domino.records import Synthetic

if TYPE_CHECKING:
    from studies.outputs import TrialOutputs

HELD_OUT = "held_out"
"""The metric of a fit's curve that objectives and pruners read: loss on held-out references."""


def pass_at_1(made: TrialOutputs) -> float:
    """Return Pass@1 on the development problems, in [0, 1], after all stages."""
    return float(made.row.evaluated.summary["pass@1"])


def tokens(made: TrialOutputs) -> float:
    """Return the tokens generated to make the pairs, including dropped ones."""
    row = made.row
    return float(row.synthesized.summary["tokens"] + row.responded.summary["tokens"])


def aligned(made: TrialOutputs) -> float:
    """Return the share of training pairs with a correct response, by the oracle; 0 without pairs.

    Raises:
        ConfigError: the suite's universe is not known.
    """
    suite = made.pipeline.context.suite
    pairs = made.row.pairs.read(KEPT, Synthetic)
    facts = [suite.oracle(pair.instruction, pair.response) for pair in pairs]
    return _mean([bool(fact["aligned"]) for fact in _known(facts, "aligned", made)])


def held_out_loss(made: TrialOutputs) -> float:
    """Return the lowest held-out loss of the fit, in nats a token.

    Raises:
        ConfigError: the method has no fit, or no held-out references.
    """
    points = made.synthesized.read(LOSSES, Metrics)
    losses = [point.values[HELD_OUT] for point in points if HELD_OUT in point.values]
    if not losses:
        raise ConfigError(
            f"objective 'held-out-loss': {made.method} reports no held-out loss: give more "
            "references, a held_out above 0, or another objective"
        )
    return min(losses)


def new_in_domain(made: TrialOutputs) -> float:
    """Return the share of samples that are new tasks of the domain, in [0, 1].

    A task counts once, whatever its wording, if it uses only the domain's operations and
    is not a reference's: alignment, diversity and novelty in one number that copies cannot raise.

    Raises:
        ConfigError: the suite's universe is not known.
    """
    facts = _facts(made, "new-in-domain")
    suite = made.pipeline.context.suite
    new = {
        suite.program_key(instruction)
        for instruction, fact in facts.items()
        if fact["in_domain"] and not fact["copy"]
    }
    return len(new) / made.pipeline.config.draws


def in_domain(made: TrialOutputs) -> float:
    """Return the share of samples that use only the domain's operations, including repeated ones.

    Raises:
        ConfigError: the suite's universe is not known.
    """
    facts = _facts(made, "in-domain")
    return _mean([bool(facts[instruction]["in_domain"]) for instruction in made.drawn])


def copies(made: TrialOutputs) -> float:
    """Return the share of samples that repeat a reference almost word by word, in [0, 1]."""
    from benchmarks.metrics.memorisation import memorisation

    references = [reference.instruction for reference in made.references]
    return memorisation(made.drawn, references).near if made.drawn else 0.0


def shared_run(made: TrialOutputs) -> float:
    """Return the mean share of a sample's words in its longest run shared with a reference.

    It measures memorisation even if no sample is a copy.
    """
    from benchmarks.metrics.memorisation import memorisation

    references = [reference.instruction for reference in made.references]
    return memorisation(made.drawn, references).longest_share if made.drawn else 0.0


def copied_tasks(made: TrialOutputs) -> float:
    """Return the share of samples with a reference's task, whatever the wording."""
    references = [reference.instruction for reference in made.references]
    known = set(made.tasks(references))
    return _mean([bool(task) and task in known for task in made.tasks(made.drawn)])


def distinct_2(made: TrialOutputs) -> float:
    """Return distinct word bigrams over all bigrams of the samples, in [0, 1]."""
    from benchmarks.metrics.diversity import distinct_n

    return distinct_n(made.drawn, 2)


def distinct_tasks(made: TrialOutputs) -> float:
    """Return the number of distinct tasks over the number of requested samples."""
    return len(set(made.tasks(made.drawn)) - {""}) / made.pipeline.config.draws


def coverage(made: TrialOutputs) -> float:
    """Return the probability mass of the domain's support that the samples cover.

    Raises:
        ConfigError: the suite's support is not known.
    """
    covered = made.pipeline.context.suite.support_coverage(made.drawn)
    if covered is None:
        raise _no_oracle("coverage", made)
    return covered


def _facts(made: TrialOutputs, objective: str) -> dict[str, Mapping[str, Any]]:
    suite = made.pipeline.context.suite
    texts = list(dict.fromkeys(made.drawn))
    facts = [suite.oracle(text, None, made.references) for text in texts]
    return dict(zip(texts, _known(facts, objective, made), strict=True))


def _known(
    facts: list[dict[str, Any] | None], objective: str, made: TrialOutputs
) -> list[Mapping[str, Any]]:
    known: list[Mapping[str, Any]] = [fact for fact in facts if fact is not None]
    if len(known) < len(facts):
        raise _no_oracle(objective, made)
    return known


def _no_oracle(objective: str, made: TrialOutputs) -> ConfigError:
    return ConfigError(
        f"objective {objective!r}: {made.pipeline.context.suite.name} has no oracle: use a "
        "housestyle suite, or another objective"
    )


def _mean(values: list[bool]) -> float:
    return sum(values) / len(values) if values else 0.0
