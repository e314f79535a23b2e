"""A race of paths over the validation images: who has no chance of a place at the top leaves it.

The test is McNemar's (Psychometrika 12, 1947), one-sided, on the images seen so far: of those that
either the path or the holder of the last place at the top gets right, and not both, the path must
not lose by more than so many standard deviations of a fair coin.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DEVIATIONS = 4.0  # by chance once in 31,000 comparisons of equals
_FEWEST = 200  # images that the normal approximation makes sense of


class Race:
    """Some paths, what each gets right, and who is still in.

    Args:
        paths: how many there are.
        images: over how many the race goes.
        top: how many places there are at the top; None: nobody leaves.
    """

    def __init__(self, paths: int, images: int, top: int | None) -> None:
        self._images, self._top = images, top
        self._right: list[list[NDArray[np.bool_]]] = [[] for _ in range(paths)]
        self.running = list(range(paths))

    def add(self, path: int, right: NDArray[np.bool_]) -> None:
        """What a path gets right of the next images."""
        self._right[path].append(right)

    def judge(self) -> None:
        """Takes those out of the race who have no chance, once all have run equally far."""
        if self._top is None or len(self.running) <= self._top:
            return
        table = np.stack([self._of(path) for path in self.running])  # (paths, images)
        counts = table.sum(1)
        last = np.argsort(-counts, kind="stable")[self._top - 1]
        lost = (table[last] & ~table).sum(1)
        won = (~table[last] & table).sum(1)
        left = self._images - table.shape[1]
        out = counts + left < counts[last]
        if table.shape[1] >= _FEWEST:
            out |= lost - won > DEVIATIONS * np.sqrt(lost + won)
        self.running = [p for p, gone in zip(self.running, out, strict=True) if not gone]

    def accuracies(self) -> list[tuple[float, int]]:
        """Percent of all images, and of how many of them they are known, for every path.

        For one that has left it is what it got right until then, less what the images after that
        have taken from those that ran to the end; below the worst of these.
        """
        table = np.stack([self._of(path) for path in self.running])
        ended = 100 * table.mean(1)
        return [self._accuracy(self._of(path), table, ended) for path in range(len(self._right))]

    def _accuracy(
        self, own: NDArray[np.bool_], table: NDArray[np.bool_], ended: NDArray[np.float64]
    ) -> tuple[float, int]:
        seen = len(own)
        if seen == self._images:
            return 100 * int(own.sum()) / seen, seen
        harder = float(ended.mean() - 100 * table[:, :seen].mean())
        guessed = 100 * float(own.mean()) + harder
        below = float(ended.min()) - 100 / self._images
        return max(0.0, min(guessed, below)), seen

    def _of(self, path: int) -> NDArray[np.bool_]:
        return np.concatenate(self._right[path])
