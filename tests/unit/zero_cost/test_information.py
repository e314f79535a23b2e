"""VKDNW against the plain Fisher information: whole gradients, and a sum over labels."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from nascli.zero_cost.information import begin, entropy, information, vkdnw, vkdnw_single
from nascli.zero_cost.probe import Probe

SHAPE = (2, 5, 5)


def network(batch_norm: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4) if batch_norm else nn.Identity(),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, stride=2, groups=2, bias=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16, 3),
    ).double()


def probe(made: nn.Module, size: int = 6) -> Probe:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(size, *SHAPE, generator=generator, dtype=torch.float64)
    return Probe(made, [(images, torch.zeros(size, dtype=torch.long))], SHAPE)


def started(probed: Probe) -> nn.Module:
    """The network as the score begins with it: biases 0, fresh batch norms."""
    copied = probed.copy().eval()
    begin(copied, probed)
    for module in copied.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            assert not module.running_mean.any() and module.running_var.eq(1).all()
        elif isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
            assert not module.bias.any()
    return copied


def test_the_information_is_the_mean_outer_product_of_log_likelihood_gradients() -> None:
    probed = probe(network())
    found = information(probed)
    made = started(probed)
    parameters = list(made.parameters())
    expected = torch.zeros(len(parameters), len(parameters), dtype=torch.float64)
    for image in probed.images:
        logits = made(image[None])[0]
        whole = [torch.autograd.grad(one, parameters, retain_graph=True) for one in logits]
        first = torch.stack([torch.stack([g.flatten()[0] for g in row]) for row in whole])
        p = torch.softmax(logits.detach(), 0) * 0.95 + 0.05 / 3
        mean = p @ first  # sum_c p_c dz_c
        for label in range(3):  # the gradient of log p by the parameters is dz_label - mean
            gradient = first[label] - mean
            expected += p[label] * torch.outer(gradient, gradient) / len(probed.images)
    assert found.shape == (7, 7)
    assert torch.linalg.matrix_norm(found) > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_the_weights_are_normal_of_variance_two_over_fan_in() -> None:
    layer = nn.Conv2d(40, 60, 3)
    made = started(Probe(nn.Sequential(layer), [], SHAPE))
    weight = next(made.parameters()).detach()
    # 21,600 draws: the standard deviation of their variance is sqrt(2 / 21600) of it, 1 %
    assert float(weight.var()) == pytest.approx(2 / 360, rel=0.04)
    assert float(weight.mean()) == pytest.approx(0, abs=4 * math.sqrt(2 / 360 / 21600))


def test_the_score_is_the_entropy_of_the_deciles() -> None:
    probed = probe(network())
    values = sorted(torch.linalg.eigvalsh(information(probed)).clamp(min=0).tolist())

    def quantile(share: float) -> float:
        place = share * (len(values) - 1)
        low = int(place)
        return values[low] + (place - low) * (values[min(low + 1, 6)] - values[low])

    deciles = [quantile(k / 10) for k in range(1, 10)]
    shares = [d / sum(deciles) for d in deciles]
    expected = -sum(s * math.log(s + 1e-10) for s in shares)
    assert 0 < expected < math.log(9)
    assert vkdnw(probed) == pytest.approx(expected, rel=1e-6)
    assert vkdnw_single(probed) == pytest.approx(7 + expected)


def test_equal_eigenvalues_have_the_entropy_of_nine_equal_shares() -> None:
    assert entropy(torch.eye(5, dtype=torch.float64)) == pytest.approx(math.log(9))


def test_batch_norms_that_other_scores_have_run_begin_anew() -> None:
    made = network()
    fresh = vkdnw(probe(made))
    made.train()(probe(made).images * 3 + 1)
    assert vkdnw(probe(made)) == fresh


def test_sixteen_images_and_the_first_128_tensors_are_looked_at() -> None:
    made = nn.Sequential(nn.Flatten(), *(nn.Linear(50, 50) for _ in range(70))).double()
    assert information(probe(made)).shape == (128, 128)
    assert torch.equal(information(probe(network(), 20)), information(probe(network(), 20)))
    twenty = probe(network(), 20)
    sixteen = Probe(network(), [(twenty.images[:16], torch.zeros(16))], SHAPE)
    assert torch.equal(information(twenty), information(sixteen))


def test_a_network_that_ignores_its_images_has_none() -> None:
    class Deaf(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return 0 * images

    made = nn.Sequential(nn.Flatten(), nn.Linear(50, 3), Deaf()).double()
    assert vkdnw(probe(made)) == -math.inf
