"""The comparisons that a run plans in advance, and when they are decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.common.fields import ConfigError, closest
from benchmarks.methods import is_control, is_known, is_plug_in
from benchmarks.metrics.crossed import MIN_SEEDS

NO_DATA, DOMINO = "no-data", "domino"
_VS = " vs "


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparisonConfig:
    """The planned comparisons of a run; they do not affect cached stages.

    Attributes:
        contrasts: the primary comparisons, each written "A vs B"; empty: every method against
            no-data, and domino against every other method, without controls and methods under a
            second name. All other pairs are exploratory.
        margin: methods that differ by less than this number of points are equivalent.
        until_decided: analyse at 4, 6, 8 and 10 seeds, and at the number present at the end, with
            O'Brien-Fleming spending; the run stops at the first of the former in which every
            primary comparison is decided.
    """

    contrasts: tuple[str, ...] = ()
    margin: float = 3.0
    until_decided: bool = False

    def __post_init__(self) -> None:
        """Refuse invalid comparisons and margins."""
        if not 0 < self.margin < 100:
            raise ConfigError(f"margin is {self.margin:g}: give points between 0 and 100")
        pairs = [frozenset(_parse(text)) for text in self.contrasts]
        for text, pair in zip(self.contrasts, pairs, strict=True):
            if pairs.count(pair) > 1:
                raise ConfigError(f"contrasts repeat {text!r}: give each pair once")

    def check(self, methods: Sequence[str], seeds: Sequence[int], *, cells: bool = False) -> None:
        """Refuse comparisons that a run of these methods and seeds cannot make.

        Args:
            methods: of the run.
            seeds: of the run.
            cells: whether a folder of cells may have other methods and seeds as well.

        Raises:
            ConfigError: a contrast names an unknown method, or interim analyses have too few seeds
                or seeds that are not in ascending order.
        """
        for text in self.contrasts:
            for name in _parse(text):
                elsewhere = cells and (is_known(name) or is_plug_in(name))
                if name not in methods and not elsewhere:
                    raise ConfigError(
                        f"compare.contrasts: {text!r} names {name!r}, which is not among the "
                        f"methods{closest(name, methods)}: {', '.join(methods)}"
                    )
        if self.until_decided and len(seeds) < MIN_SEEDS and not cells:
            raise ConfigError(
                f"compare.until_decided with {len(seeds)} of at least {MIN_SEEDS} seeds: the first "
                f"analysis needs {MIN_SEEDS}; give them by --seeds"
            )
        if self.until_decided and list(seeds) != sorted(seeds):
            raise ConfigError(
                f"compare.until_decided with seeds {', '.join(map(str, seeds))}: give them in "
                "ascending order, the order of the analyses"
            )

    def pairs(self, methods: Sequence[str]) -> list[tuple[str, str]]:
        """Return the primary comparisons among these methods."""
        if self.contrasts:
            return [_parse(text) for text in self.contrasts]
        others = [name for name in methods if name != NO_DATA and not is_control(name)]
        against_none = [(name, NO_DATA) for name in others if NO_DATA in methods]
        against_all = [(DOMINO, name) for name in others if DOMINO in methods and name != DOMINO]
        return against_none + against_all


def _parse(text: str) -> tuple[str, str]:
    first, _, second = (part.strip() for part in text.partition(_VS))
    if not first or not second or first == second:
        raise ConfigError(f'contrasts has {text!r}: give "A vs B", two methods')
    return first, second
