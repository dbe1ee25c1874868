"""Simulated experiments: size, power, coverage and false alarms of the shipped code.

`python -m tests.metrics.simulate [REPETITIONS]` prints the figures of LOG.md (4,000 repetitions:
some minutes of one core). A method solves a problem in a run where

    skill + problem + method x problem + run + noise > 0,

all normal, with noise of variance 1. Methods of skill 0 solve half of the problems in expectation.
"""

import sys

import numpy as np
from scipy.stats import norm

from benchmarks.metrics.crossed import Estimate, difference
from benchmarks.metrics.sequential import ANALYSES, analyses_at, decide

PROBLEM_SD, INTERACTION_SD = 1.0, 0.6
SPREAD = np.sqrt(1 + PROBLEM_SD**2 + INTERACTION_SD**2)
SEEDS, PROBLEMS, SEED_SDS = (3, 5, 8), (128, 1024), (0, 2, 4, 8)
BLOCK = 20_000_000  # results at a time


def skill(points: float) -> float:
    """The skill above 0 that is worth so many points of the mean, by about the same for a run's."""
    return float(norm.ppf(0.5 + points / 100) * SPREAD)


def results(rng, repetitions, seeds, problems, seed_sd, skills=(0.0, 0.0)) -> np.ndarray:
    """0/1 results [methods, repetitions, seeds, problems]; `seed_sd` is in points, or of each."""
    shape = (len(skills), repetitions, seeds, problems)

    def normal(sd, *axes):
        sizes = [n if axis in axes else 1 for axis, n in enumerate(shape)]
        return sd * rng.standard_normal(sizes, dtype=np.float32)

    latent = rng.standard_normal(shape, dtype=np.float32)
    latent += normal(PROBLEM_SD, 1, 3) + normal(INTERACTION_SD, 0, 1, 3)
    sds = np.array([skill(sd) for sd in np.broadcast_to(seed_sd, len(skills))], dtype=np.float32)
    latent += normal(1.0, 0, 1, 2).astype(np.float32) * sds.reshape(-1, 1, 1, 1)
    latent += np.asarray(skills, dtype=np.float32).reshape(-1, 1, 1, 1)
    return latent > 0


def estimates(rng, repetitions, seeds, problems, seed_sd, shift=0.0) -> Estimate:
    """The differences of two methods whose means differ by so many points."""
    block = max(1, BLOCK // (2 * seeds * problems))
    found = []
    for start in range(0, repetitions, block):
        size = min(block, repetitions - start)
        skills = (skill(shift), 0.0)
        a, b = results(rng, size, seeds, problems, seed_sd, skills).astype(np.float32)
        found.append(difference(a, b))
    return Estimate(**{name: np.concatenate([getattr(one, name) for one in found])
                       for name in Estimate.__slots__})  # fmt: skip


def size_grid(repetitions, seed=0):
    """(seeds, problems, seed sd, share of p <= 0.05) of methods that are alike."""
    rng = np.random.default_rng(seed)
    for seeds in SEEDS:
        for problems in PROBLEMS:
            for seed_sd in SEED_SDS:
                found = estimates(rng, repetitions, seeds, problems, seed_sd)
                yield seeds, problems, seed_sd, float((found.p() <= 0.05).mean())


def power_grid(repetitions, seed=1):
    """(seeds, problems, seed sd, points, share found, share promised) at what is detectable."""
    rng = np.random.default_rng(seed)
    for seeds, problems, seed_sd in ((5, 128, 2), (5, 1024, 2), (8, 1024, 2), (5, 128, 8)):
        typical = float(np.median(estimates(rng, 400, seeds, problems, seed_sd).detectable()))
        for points in (100 * typical, 200 * typical):
            found = estimates(rng, repetitions, seeds, problems, seed_sd, points)
            yield seeds, problems, seed_sd, points, float((found.p() <= 0.05).mean())


KEPT, RATES = (0.5, 0.8, 1.0), (0.0, 0.005, 0.01, 0.02, 0.05)


def near_floor(rng, repetitions, seeds, problems, rates, kept) -> list[np.ndarray]:
    """Results [repetitions, seeds, problems] of methods that solve few problems.

    A problem that a method can solve is solved by each of its runs with probability `kept`: with 1,
    all runs of a method solve the same ones.
    """
    shape = (repetitions, seeds, problems)
    return [
        (rng.random(shape) < kept) & (rng.random((repetitions, 1, problems)) < rate / kept)
        for rate in rates
    ]


def floor_grid(repetitions, margin=0.03, kept=KEPT, designs=((5, 128),), seed=4):
    """(seeds, problems, kept, rate, false differences, false equivalences, coverage).

    Methods of equal rates, and of rates that differ by the margin, at a level of 5 %.
    """
    rng = np.random.default_rng(seed)
    for seeds, problems in designs:
        for share in kept:
            for rate in RATES:
                size = (rng, repetitions, seeds, problems)
                alike = difference(*near_floor(*size, (rate, rate), share))
                apart = difference(*near_floor(*size, (rate + margin, rate), share))
                low, high = apart.interval()
                yield (
                    seeds, problems, share, rate, float((alike.p() <= 0.05).mean()),
                    float((apart.equivalence_p(margin) <= 0.05).mean()),
                    float(((low <= margin) & (margin <= high)).mean()),
                )  # fmt: skip


def coverage(repetitions, points, seeds=5, problems=128, seed_sd=2, seed=2):
    """How often the interval of a mean holds the truth, of a method at so many points."""
    from benchmarks.metrics.intervals import mean_interval

    rng = np.random.default_rng(seed)
    (tables,) = results(rng, repetitions, seeds, problems, seed_sd, (skill(points - 50),))
    truth = points / 100
    if seed_sd:  # a run's own normal effect adds to the spread
        truth = norm.cdf(skill(points - 50) / np.sqrt(SPREAD**2 + skill(seed_sd) ** 2))
    intervals = [mean_interval(table) for table in tables]
    return float(np.mean([one.low <= truth <= one.high for one in intervals]))


FAMILY = tuple((method, 0) for method in range(1, 6)) + tuple((5, method) for method in range(1, 5))
"""The default contrasts of six methods: 0 stands for no data (deterministic), 5 for DOMINO."""


def until_decided(
    repetitions, problems=128, seed_sd=2, skills=(0.0,) * 6, margin=0.03, seeds=ANALYSES[-1], seed=3
):
    """(seeds at the end, verdicts) of runs that go on until the default family is decided."""
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK // (len(skills) * seeds * problems))
    analyses = analyses_at(seeds)
    for start in range(0, repetitions, block):
        size = min(block, repetitions - start)
        sds = (0, *[seed_sd] * (len(skills) - 1))  # a deterministic row is its own truth
        tables = results(rng, size, seeds, problems, sds, skills).astype(np.float32)
        found = {}
        for a, b in FAMILY:
            other = tables[b][:, :1] if b == 0 else tables[b]
            found[a, b] = [difference(tables[a][:, :n], other[:, :n]) for n in analyses]
        for run in range(size):
            yield _one_run({key: dict(zip(analyses, [_of(one, run) for one in own], strict=True))
                            for key, own in found.items()}, margin)  # fmt: skip


def _of(estimate: Estimate, place: int) -> Estimate:
    return Estimate(**{name: getattr(estimate, name)[place] for name in Estimate.__slots__})


def _one_run(found, margin):
    for seeds in next(iter(found.values())):
        so_far = {key: {n: own[n] for n in own if n <= seeds} for key, own in found.items()}
        decisions = decide(so_far, margin=margin, interim=True)
        verdicts = {key: one.verdict for key, one in decisions.items()}
        if "undecided" not in verdicts.values():
            return seeds, verdicts
    return seeds, verdicts


def false_alarms(repetitions, **named) -> float:
    """How often methods that are all alike have any pair called different."""
    runs = until_decided(repetitions, **named)
    return float(np.mean([{"better", "worse"} & set(verdicts.values()) != set()
                          for _, verdicts in runs]))  # fmt: skip


def main(repetitions: int) -> None:
    for line in size_grid(repetitions):
        print("size: {} seeds, {} problems, seed sd {}: {:.1%}".format(*line))
    for line in power_grid(repetitions // 2):
        print("power: {} seeds, {} problems, seed sd {}, {:.1f} points: {:.1%}".format(*line))
    for points in (1, 3, 10, 30, 50):
        print(f"coverage at {points} %: {coverage(repetitions // 2, points):.1%}")
    for line in floor_grid(repetitions, designs=((5, 128), (5, 1024))):
        print("floor: {} seeds, {} problems, kept {}, rate {}: false differences {:.1%}, "
              "false equivalences {:.1%}, coverage {:.1%}".format(*line))  # fmt: skip
    for problems, seed_sd, seeds in ((128, 2, 10), (128, 8, 10), (128, 8, 7), (1024, 4, 10)):
        found = false_alarms(repetitions, problems=problems, seed_sd=seed_sd, seeds=seeds)
        print(f"until decided, at most {seeds} seeds, {problems} problems, seed sd {seed_sd}: "
              f"any false alarm {found:.1%}")  # fmt: skip
    ended = [
        seeds
        for seeds, _ in until_decided(
            repetitions // 10, problems=1024, skills=(*[0.0] * 5, skill(10))
        )
    ]
    counts = {seeds: ended.count(seeds) for seeds in ANALYSES}
    print(f"until decided, one method 10 points ahead, 1,024 problems: ends at {counts}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4000)
