"""Problems whose data set states the expected outputs, and what a program is held to on them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.evaluator.gold import Part
from benchmarks.sandbox import EncodedInputs, Output, SandboxConfig
from benchmarks.sandbox.worker import codec
from domino.records import Problem


@dataclass(frozen=True, kw_only=True, slots=True)
class StatedProblem(Problem):
    """A problem with its expected outputs; `canonical_solution` is "" where there is none.

    Attributes:
        base_outputs: what each of `base_inputs` gives.
        plus_outputs: what each of `plus_inputs` gives.
        call_timeout_s: processor seconds for one call, where the benchmark itself has them on the
            wall: the same on a machine that does nothing else.
    """

    base_outputs: Sequence[Any]
    plus_outputs: Sequence[Any]
    call_timeout_s: float


@dataclass(frozen=True, slots=True)
class StatedGold:
    """Stands in for a canonical solution's outputs.

    Base and plus are made when they are asked for and never kept: hidden tests of one problem may
    have many megabytes, and a data set a thousand problems.
    """

    problem: StatedProblem
    config: SandboxConfig

    @property
    def base(self) -> Part:
        """The base inputs with their outputs."""
        return self._part(self.problem.base_inputs, self.problem.base_outputs)

    @property
    def plus(self) -> Part:
        """The plus inputs with their outputs."""
        return self._part(self.problem.plus_inputs, self.problem.plus_outputs)

    @property
    def plus_known(self) -> bool:
        """True: no solution has to be run."""
        return True

    def patient(self) -> StatedGold:
        """Return the same: its limits do not come from a run on this machine."""
        return self

    def _part(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> Part:
        arguments = list(inputs)
        expected = tuple(Output(json.dumps(codec.encode(value)).encode()) for value in outputs)
        limits_s = (self.problem.call_timeout_s,) * len(arguments)
        size = sum(len(output.text) for output in expected)
        return Part(
            arguments=arguments,
            inputs=EncodedInputs.of(arguments),
            expected=expected,
            limits_s=limits_s,
            wall_limits_s=limits_s,
            timeout_s=max(self.config.timeout_s, sum(limits_s)),
            output_bytes=max(self.config.output_mib << 20, 2 * size),
        )
