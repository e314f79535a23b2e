"""Trials of an audit whose metrics are given, and the verdict on them."""

from nascli.analysis.verdict import Verdict
from nascli.core.genotype import Genotype
from nascli.core.goal import Objective
from nascli.core.trial import Trial


def trials(reference, **metrics):
    return [
        Trial(
            n,
            Genotype("toy", ("a",), (str(n),)),
            1.0,
            {
                **{name: values[n] for name, values in metrics.items() if values[n] is not None},
                "reference": value,
            },
        )
        for n, value in enumerate(reference)
    ]


def verdict(found, metrics, baselines=("params",), objective=("accuracy", "max"), resamples=60):
    return Verdict.of(
        found, metrics, baselines, objective=Objective(*objective), seed=0, resamples=resamples
    )


ORDER = [float(n) for n in range(30)]
ZIGZAG = [n + (6 if n % 2 else 0) for n in range(30)]
NOISE = [float((7 * n) % 30) for n in range(30)]
