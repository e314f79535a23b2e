from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nascli.core.fault import Fault
from nascli.data.batches import seeded
from nascli.zero_cost.probe import Probe
from nascli.zero_cost.zen import zen


def tagged(*layers: nn.Module) -> nn.Module:
    last = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(3))
    vars(last)["operation"] = "classifier"
    made = nn.Sequential(*layers, last)
    made(torch.zeros(2, 3, 16, 16))
    return made


def score(made: nn.Module, seed: int = 0) -> float:
    return zen(Probe(made, [], (3, 16, 16), seed))


def test_closed_form_of_one_linear_layer() -> None:
    # |W (0.01 e)| summed over 64 channels of 256 pixels, W_c and e normal: a normal number of
    # standard deviation 0.01 |W_c|, and |W_c| of 3 weights is 2 sqrt(2/pi) in the mean.
    expected = math.log(0.01 * 64 * 256 * math.sqrt(2 / math.pi) * 2 * math.sqrt(2 / math.pi))
    found = [score(tagged(nn.Conv2d(3, 64, 1)), seed) for seed in range(4)]
    # 64 norms with a spread of 0.42 of their mean, 4 draws a score, 4 scores: 1.3 % is one sigma
    assert sum(found) / len(found) == pytest.approx(expected, abs=0.05)


def test_the_formula_step_by_step() -> None:
    made = tagged(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 4, 1),
        nn.BatchNorm2d(4),
    )
    generator = seeded(5, "zen")
    both = torch.randn(4, 2, 16, 3, 16, 16, generator=generator)
    total = 0.0
    for images, noise in both:
        first, second = (torch.randn(s, generator=generator) for s in ((6, 3, 3, 3), (4, 6, 1, 1)))
        torch.randn(3, 4, generator=generator)  # the classifier's
        scales: list[float] = []

        def features(x: torch.Tensor) -> torch.Tensor:
            for weight, padding in ((first, 1), (second, 0)):  # noqa: B023
                x = F.conv2d(x.relu() if padding == 0 else x, weight, padding=padding)
                var, mean = torch.var_mean(x, (0, 2, 3), correction=0, keepdim=True)
                scales.append(math.sqrt(float(var.mean()) + 1e-5))  # noqa: B023
                x = (x - mean) / torch.sqrt(var + 1e-5)
            return x

        change = (features(images) - features(images + 0.01 * noise)).abs().sum() / len(images)
        total += math.log(float(change)) + math.log(scales[0]) + math.log(scales[1])
    # running variances are unbiased, over 16 * 256 values: 1 + 1/4096
    assert score(made, seed=5) == pytest.approx(total / 4, abs=1e-3)


def test_it_draws_its_own_weights_and_leaves_the_network_alone() -> None:
    made = tagged(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6))
    before = {name: value.clone() for name, value in made.state_dict().items()}
    found = score(made)
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())
    for parameter in made.parameters():
        parameter.data.mul_(3)
    made[1].weight.data.div_(3)  # type: ignore[index]
    made[1].bias.data.zero_()  # type: ignore[index]
    assert score(made) == pytest.approx(found)
    assert score(made, seed=1) != found


def test_a_batch_norm_that_nothing_reaches_keeps_the_score_finite() -> None:
    class Side(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(3, track_running_stats=False)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images + self.norm(0 * images)

    plain = score(tagged(nn.Conv2d(3, 6, 3)))
    # its divisor is the square root of epsilon
    assert score(tagged(Side(), nn.Conv2d(3, 6, 3))) == pytest.approx(
        plain + math.log(1e-5) / 2, rel=1e-5
    )


def test_features_that_ignore_the_image_score_minus_infinity() -> None:
    class Nothing(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return 0 * images

    assert score(tagged(nn.Conv2d(3, 6, 3), Nothing())) == -math.inf


def test_it_must_know_the_features() -> None:
    made = nn.Sequential(nn.Conv2d(3, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))
    with pytest.raises(Fault, match=r"score zen needs .* has no modules .* 'classifier'"):
        score(made)
