"""The Zen-score: how much a small change of an image changes the features, batch norms undone.

Lin et al., Zen-NAS: A Zero-Shot NAS for High-Performance Image Recognition, ICCV 2021 (arXiv
2102.01063).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nascli.core.fault import Fault
from nascli.data.batches import seeded
from nascli.zero_cost.probe import Probe

_IMAGES = 16
_REPEATS = 4
_CHANGE = 0.01


def zen(probe: Probe) -> float:
    """log E|f(x + 0.01 e) - f(x)| plus the sum of log sqrt(mean variance) over the batch norms.

    f are the features before the last pooling, |.| the sum over them, x and e standard normal,
    16 images at once; weights are standard normal too and biases 0. It is the mean of four draws
    (the paper has 32); all networks get the same images.

    Batch norms are undone by what they divided by for x, epsilon included, so that one that nothing
    reaches stays finite; the published code takes running statistics instead, which still hold
    their start. Shortcuts stay, though the paper takes them out.

    -inf for a network whose features ignore the image.

    Raises:
        Fault: no module is tagged as the classifier, so that features are not known.
    """
    network = probe.copy().train()
    generator = seeded(probe.seed, "zen")
    images = torch.randn(_REPEATS, 2, _IMAGES, *probe.image_shape, generator=generator)
    with torch.no_grad():
        draws = [_once(network, both, generator) for both in images]
    return float(torch.stack(draws).mean())


def _once(network: nn.Module, drawn: Tensor, generator: torch.Generator) -> Tensor:
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    weight = next(network.parameters())
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.weight.copy_(torch.randn(module.weight.shape, generator=generator))
            if module.bias is not None:
                module.bias.zero_()
    for norm in norms:  # running statistics that are those of the last pass alone
        norm.momentum, norm.track_running_stats = 1.0, True
        norm.running_mean = torch.zeros(norm.num_features).to(weight)
        norm.running_var = torch.zeros(norm.num_features).to(weight)
    images, noise = drawn.to(weight)
    features = _features(network, images)
    scales = [_divisor(norm).log() for norm in norms]
    moved = _features(network, images + _CHANGE * noise)
    # Algorithm 1: log of the mean |f(x + a e) - f(x)| plus sum_k log sqrt(mean_i sigma_ki^2)
    change = (moved - features).abs().flatten(1).sum(1, dtype=torch.float64).mean()
    return change.log() + sum(scales)


def _divisor(norm: nn.BatchNorm2d) -> Tensor:
    assert norm.running_var is not None
    return (norm.running_var.mean(dtype=torch.float64) + norm.eps).sqrt()


def _features(network: nn.Module, images: Tensor) -> Tensor:
    """What goes into the classifier, (B, C, H, W)."""
    found: list[Tensor] = []

    def keep(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        found.append(inputs[0])

    tagged = [m for m in network.modules() if vars(m).get("operation") == "classifier"]
    hooks = [module.register_forward_pre_hook(keep) for module in tagged]
    network(images)
    for hook in hooks:
        hook.remove()
    if len(found) != 1:
        raise Fault(
            "score zen needs the features before the classifier, and the network has "
            f"{len(found) or 'no'} modules whose attribute operation is 'classifier'; "
            "tag its last layer so, or leave zen out of estimator.scores"
        )
    return found[0]
