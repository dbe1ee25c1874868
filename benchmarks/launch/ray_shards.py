"""Splits the work of one stage over free machines of the cluster.

When the stage has finished its own part, it also computes the parts that no machine has begun. So
stages never wait for resources that are held by other waiting stages, which would be a deadlock.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from benchmarks.evaluator.check import check_programs
from benchmarks.launch.worker import begin
from domino.engines.base import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.engines import EngineFactory
    from benchmarks.evaluator.gold import KnownGolds
    from benchmarks.sandbox import SandboxConfig
    from benchmarks.stages.context import StageContext
    from domino.engines.base import Completion, Message, Request
    from domino.records import Problem, Program, Sampling, Verdict

_LEAST = 16  # with fewer requests, loading the backbone on another machine takes longer

_T = TypeVar("_T")
_R = TypeVar("_R")


@dataclass(frozen=True, kw_only=True, slots=True)
class Shards:
    """How a stage's work is split; called on its context (`worker.Equip`).

    Attributes:
        count: maximum number of parts.
        packed: the run, for the other machines.
        options: Ray's options for a part of a generation.
        checking: Ray's options for a part of an evaluation.
    """

    count: int
    packed: bytes
    options: Mapping[str, Any]
    checking: Mapping[str, Any]

    def __call__(self, context: StageContext) -> StageContext:
        """Return the context with engines and a check that split their work."""
        solver = context.make_solver
        return replace(
            context,
            make_engine=self._sharing(context.make_engine),
            make_solver=None if solver is None else self._sharing(solver),
            check=self.check,
        )

    def _sharing(self, make: EngineFactory) -> EngineFactory:
        return lambda model, adapter: ShardedEngine(make, model, adapter, self)

    def check(
        self,
        problems: Sequence[Problem],
        programs: Sequence[Program],
        config: SandboxConfig,
        *,
        on_done: Callable[[Verdict], None] | None = None,
        known: KnownGolds | None = None,
    ) -> list[Verdict]:
        """Check programs here and on other machines, as `check_programs` does.

        Each machine runs the canonical solutions itself, so that its own speed sets its limits.
        """
        notify = on_done or (lambda verdict: None)

        def here(first: int, part: Sequence[Program]) -> list[Verdict]:
            return check_programs(problems, part, config, on_done=notify, known=known)

        return self.share(
            programs, here, check_there, lambda number, verdict: notify(verdict), self.checking,
            problems, replace(config, workers=self.checking["num_cpus"]),
        )  # fmt: skip

    def share(
        self,
        items: Sequence[_T],
        here: Callable[[int, Sequence[_T]], list[_R]],
        there: Callable[..., Any],
        notify: Callable[[int, _R], None],
        options: Mapping[str, Any],
        *arguments: Any,
    ) -> list[_R]:
        """Return the results of all items, in order; the first part is computed here.

        Args:
            items: split into consecutive parts.
            here: computes (number of its first item, part) in this process, and reports it itself.
            there: computes (packed run, part, *arguments) on another machine: yields None when it
                begins, then the results.
            notify: called with (number, result) for those.
            options: Ray's, of a part.
            arguments: of `there`.
        """
        import ray

        own, *others = parts(items, self.count)
        remote = ray.remote(there).options(num_returns="streaming", max_retries=0, **options)
        begun = [(part, remote.remote(self.packed, part, *arguments)) for part in others]
        try:
            results = here(0, own)
            for part, stream in begun:
                first = len(results)
                made = _results(stream)
                results += here(first, part) if made is None else made
                for number, result in enumerate(made or (), first):
                    notify(number, result)
        except BaseException:
            for _, stream in begun:
                ray.cancel(stream)
            raise
        return results


def _results(stream: Any) -> Any:
    """Return the result of a part on another machine; None if it has not begun, or was lost."""
    import ray
    from ray.exceptions import RayError, RayTaskError

    begun, _ = ray.wait([stream], timeout=0)
    if not begun:
        ray.cancel(stream)
        return None
    try:
        _, results = (ray.get(item) for item in stream)
    except RayTaskError as error:
        raise (error.cause if isinstance(error.cause, Exception) else error) from error
    except RayError:  # its machine died
        return None
    return results


def parts(items: Sequence[_T], count: int) -> list[Sequence[_T]]:
    """Split the items into at most `count` consecutive parts of similar size, none too small."""
    count = max(1, min(count, len(items) // _LEAST))
    edges = [len(items) * number // count for number in range(count + 1)]
    return [items[a:b] for a, b in itertools.pairwise(edges)]


class ShardedEngine(Engine):
    """Generates here and on other machines; a request's text does not depend on the machine.

    Its own engine is released at `close`, so that memory is free for the backbone in training.
    """

    def __init__(
        self, make: EngineFactory, model: str, adapter: Path | None, shards: Shards
    ) -> None:
        """Load the engine of this process.

        Raises:
            EngineError: it cannot be loaded.
        """
        self._make = functools.partial(make, model, adapter)
        self._place = (model, adapter)
        self._shards = shards
        self._engine: Engine | None = self._make()

    @property
    def _here(self) -> Engine:
        self._engine = self._engine or self._make()
        return self._engine

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        *,
        on_done: Callable[[int, Completion], None] | None = None,
    ) -> list[Completion]:
        """Complete every request; see `Engine.generate`."""
        notify = on_done or (lambda number, completion: None)

        def here(first: int, part: Sequence[Request]) -> list[Completion]:
            return self._here.generate(
                part, sampling, on_done=lambda number, made: notify(first + number, made)
            )

        return self._shards.share(
            requests, here, generate_there, notify, self._shards.options, sampling, *self._place
        )

    def render(
        self, messages: Sequence[Message], *, open_user_turn: bool = False, prefill: str = ""
    ) -> str:
        """Return what the engine of this process does."""
        return self._here.render(messages, open_user_turn=open_user_turn, prefill=prefill)

    @property
    def has_turns(self) -> bool:
        """The same as the engine of this process."""
        return self._here.has_turns

    def count_tokens(self, text: str) -> int:
        """Return what the engine of this process does."""
        return self._here.count_tokens(text)

    @property
    def end_of_turn(self) -> str:
        """The same as the engine of this process."""
        return self._here.end_of_turn

    def close(self) -> None:
        """Release the engine of this process, until it is used again."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None


def generate_there(
    packed: bytes,
    requests: Sequence[Request],
    sampling: Sampling,
    model: str,
    adapter: Path | None,
) -> Iterator[Any]:
    """Report that a part has begun, then complete its requests with this machine's engine."""
    yield None
    engine = _engine(packed, model, adapter)
    try:
        yield engine.generate(requests, sampling)
    finally:
        engine.close()


def check_there(
    packed: bytes, programs: Sequence[Program], problems: Sequence[Problem], config: SandboxConfig
) -> Iterator[Any]:
    """Report that a part has begun, then check its programs with this machine's sandbox."""
    yield None
    begin(packed)
    yield check_programs(problems, programs, config)


@functools.lru_cache(maxsize=1)
def _engine(packed: bytes, model: str, adapter: Path | None) -> Engine:
    """Return the engine of this process, loaded once for the parts of one stage."""
    from benchmarks.common.process import prepare_process

    prepare_process()
    from benchmarks.engines import engine_factory

    return engine_factory(begin(packed).config)(model, adapter)
