"""Latencies of all networks on a new device, from few measured ones and devices that are known.

A Gaussian process over networks whose covariance is that of the known devices' latencies: in closed
form what HELP (Lee et al., NeurIPS 2021, arXiv 2106.08630) learns by meta-learning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nascli.core.fault import Fault

Matrix = NDArray[np.float64]
# The best of a grid on the hardware that benchmarks/nasbench201_latency.py does not report.
_COUNTS, _NOISE = 0.3, 0.6
_LEVEL = 3.0  # standard deviations of a device's mean: hardly anything is known of it
_FLOOR = 20  # times below the median: glitches of a known device, held there


class KnownDevices:
    """What is known of every network, by its number: latencies on other devices, and its layers.

    Args:
        ms: setting -> milliseconds of every network. Settings of one piece of hardware, told by
            what stands before the batch size (`titan_rtx_32`), weigh together as one device.
        counts: (networks, operations): how often each network has each operation.
    """

    def __init__(self, ms: Mapping[str, Sequence[float]], counts: Matrix) -> None:
        each = np.array([np.maximum(v, np.median(v) / _FLOOR) for v in ms.values()], dtype=float).T
        each = (each - each.mean(0)) / each.std(0)  # (networks, settings)
        of = [hardware(setting) for setting in ms]
        shares = np.array([1 / of.count(name) for name in of])
        shares /= shares.sum()
        centred = counts - counts.mean(0)
        self._features = np.concatenate([each * np.sqrt(shares), _COUNTS * centred], axis=1)

    def choose(self, count: int, among: Sequence[int] | None = None) -> list[int]:
        """The numbers of the networks to measure, out of `among` (None: all).

        Each is the one of largest variance given those before: greedily D-optimal.
        """
        numbers = np.arange(len(self._features)) if among is None else np.array(among)
        features = np.concatenate(
            [np.full((len(numbers), 1), _LEVEL), self._features[numbers]], axis=1
        )
        covariance, chosen = np.eye(features.shape[1]), list[int]()
        for _ in range(count):
            along = features @ covariance
            variance = np.einsum("ij,ij->i", along, features)
            variance[chosen] = -1.0
            best = int(variance.argmax())
            chosen.append(best)
            step = along[best]
            covariance -= np.outer(step, step) / (_NOISE + features[best] @ step)
        return [int(numbers[place]) for place in chosen]

    def predict(self, samples: Mapping[int, float]) -> Matrix:
        """(networks,): milliseconds on a device of which those of `samples` are measured.

        Raises:
            Fault: there are fewer than two samples.
        """
        if len(samples) < 2:
            raise Fault(f"latencies are predicted from two networks or more, not {len(samples)}")
        near = self._features[list(samples)]
        ms = np.array(list(samples.values()), dtype=float)
        inverse = np.linalg.inv(near @ near.T + _NOISE * np.eye(len(ms)))
        ones = np.ones(len(ms))
        level = (ones @ inverse @ ms) / (ones @ inverse @ ones)
        found = level + self._features @ (near.T @ (inverse @ (ms - level)))
        return np.asarray(np.maximum(found, ms.min() / 10))


def hardware(setting: str) -> str:
    """A setting's name without its batch size."""
    name, _, batch = setting.rpartition("_")
    return name if batch in ("1", "32", "256") else setting
