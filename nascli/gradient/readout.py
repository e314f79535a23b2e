"""Signs that a gradient search collapses to skip connections, epoch by epoch.

What they tell: Zela et al., Understanding and Robustifying Differentiable Architecture Search, ICLR
2020 (arXiv 1909.09656); Liang et al., DARTS+ (arXiv 1909.06035).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from nascli.core.choice import SKIP
from nascli.core.genotype import Genotype
from nascli.core.goal import Goal
from nascli.core.supernet import Relaxation, Supernet

_NEAR = 1.05  # times its bound: where a cost still counts as within
_REMEDIES = (
    "what helps: strategy=drnas, beta_darts or pc_darts; "
    "stopper@strategy.stopper=eigenvalue; discretisation@strategy.discretisation=skip_limit"
)


def readout(
    supernet: Supernet, relaxation: Relaxation | None, genotype: Genotype
) -> dict[str, float]:
    """`skips_<group>` for every kind of cell, and `entropy` where there is a relaxation.

    The first counts the skip connections of `genotype`. The second is the mean entropy of the
    choices' options as a share of its maximum: 1 means undecided, 0 one option at every choice.
    """
    counts = skips(supernet, genotype)
    found = {f"skips_{group}": float(number) for group, (number, _) in counts.items()}
    return found if relaxation is None else {**found, "entropy": entropy(relaxation)}


def in_words(found: Mapping[str, float], goal: Goal) -> str:
    """A readout in a few words, for the screen."""
    counts = [f"{value:.0f} in {name[6:]}" for name, value in found.items() if name[:6] == "skips_"]
    words = [f"skips: {', '.join(counts)}"]
    words += [f"entropy {found['entropy']:.3f}"] if "entropy" in found else []
    words += [f"eigenvalue {found['eigenvalue']:.3g}"] if "eigenvalue" in found else []
    for constraint in goal.constraints:
        metric, bound = constraint.metric, constraint.maximum
        if f"expected_{metric}" in found:
            expected, preferred = found[f"expected_{metric}"], found[f"preferred_{metric}"]
            words.append(
                f"{metric} expected {expected:.4g}, preferred {preferred:.4g} of {bound:.4g}"
            )
    return ", ".join(words)


def over(found: Mapping[str, float], goal: Goal) -> list[str]:
    """A warning for every bound that the network which a readout prefers does not keep."""
    told = [
        (c, found[f"preferred_{c.metric}"])
        for c in goal.constraints
        if f"preferred_{c.metric}" in found
    ]
    return [
        f"warning: over budget: the network that the options' weights prefer has {c.metric} "
        f"{preferred:.4g}, and the bound is {c.maximum:.4g}; genotypes were cut to fit it, so take "
        "strategy=evolution, or a looser bound"
        for c, preferred in told
        if preferred > _NEAR * c.maximum
    ]


def skips(supernet: Supernet, genotype: Genotype) -> Mapping[str, tuple[int, int]]:
    """Group -> (skip connections of a genotype, operations that it has)."""
    active = supernet.path(genotype).active
    assert active is not None  # a path always says what takes part
    found: dict[str, tuple[int, int]] = {}
    for choice, numbers in zip(supernet.choices, active, strict=True):
        skipped, taken = found.get(choice.group, (0, 0))
        skipped += sum(choice.options[number] == SKIP for number in numbers)
        found[choice.group] = (skipped, taken + len(numbers))
    return found


def weights_of(supernet: Supernet, relaxation: Relaxation | None) -> dict[str, dict[str, float]]:
    """Choice -> option -> its expected weight; nothing without a relaxation."""
    if relaxation is None:
        return {}
    rows = relaxation.expected().weights.detach().tolist()
    return {
        choice.name: {o: round(w, 5) for o, w in zip(choice.options, row, strict=False)}
        for choice, row in zip(supernet.choices, rows, strict=True)
    }


def entropy(relaxation: Relaxation) -> float:
    """Mean over choices of the options' entropy, 0 to 1; choices with one option do not count."""
    import torch

    weights = relaxation.expected().weights
    present = (relaxation.logits().detach() > -math.inf).to(weights)
    shares = weights / weights.sum(1, keepdim=True)
    nats = -torch.special.xlogy(shares, shares).sum(1)
    most = present.sum(1).log()
    open_edges = most > 0
    if not bool(open_edges.any()):
        return 0.0
    return float((nats[open_edges] / most[open_edges]).mean())


def collapse(supernet: Supernet, genotype: Genotype) -> str | None:
    """A warning, with remedies, if most operations of a kind of cell are skip connections."""
    for group, (number, operations) in skips(supernet, genotype).items():
        if 2 * number > operations:
            return (
                f"the search is collapsing: {number} of the {operations} operations of cell "
                f"'{group}' are skip connections; {_REMEDIES}"
            )
    return None
