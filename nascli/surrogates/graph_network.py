"""One network over the graphs of genotypes (see `graph`)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nascli.surrogates.graphs import Graph


class GraphNetwork(nn.Module):
    """Operations on every edge (n, edges) -> values (n,).

    A state is the sum over the edges that lead to it of gate(operation) * W source, passed through
    a layer norm and a ReLU (eq. 1 to 3 of GATES); the states that no edge leads to are learned. The
    value is read off the last state of each group of edges and the mean of all its states.
    """

    def __init__(self, graph: Graph, width: int) -> None:
        super().__init__()
        self._edges = graph.edges
        self._groups = list(graph.groups.values())
        # One more than operations: number 0 is an edge that carries nothing.
        self.gates = nn.ModuleList(
            nn.Embedding(len(graph.operations) + 1, width) for _ in self._groups
        )
        self.mixes = nn.ModuleList(nn.Linear(width, width) for _ in self._groups)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in self._groups)
        states = 1 + max(max(edge.source, edge.target) for edge in graph.edges)
        self.inputs = nn.Parameter(torch.randn(len(self._groups), states, width))
        self.head = nn.Sequential(
            nn.Linear(2 * width * len(self._groups), width), nn.ReLU(), nn.Linear(width, 1)
        )

    def forward(self, operations: Tensor) -> Tensor:
        """(n, edges) whole numbers -> (n,)."""
        read = [self._group(number, operations) for number in range(len(self._groups))]
        value: Tensor = self.head(torch.cat(read, dim=1))
        return value[:, 0]

    def _group(self, number: int, operations: Tensor) -> Tensor:
        """What is read off one group of edges: (n, 2 x width)."""
        count, rows = len(operations), self._groups[number]
        present = (operations[:, rows] > 0).float().unsqueeze(2)  # (n, edges, 1)
        gates = self.gates[number](operations[:, rows]).sigmoid() * present  # (n, edges, width)
        states: dict[int, Tensor] = {}
        for target in sorted({self._edges[row].target for row in rows}):
            terms = []
            for column, row in enumerate(rows):
                edge = self._edges[row]
                if edge.target != target:
                    continue
                if edge.source not in states:
                    states[edge.source] = self.inputs[number, edge.source].expand(count, -1)
                terms.append(gates[:, column] * self.mixes[number](states[edge.source]))
            total = torch.stack(terms).sum(dim=0)
            states[target] = self.norms[number](total).relu()
        ends = [state for state in states if any(self._edges[r].target == state for r in rows)]
        found = torch.stack([states[state] for state in sorted(ends)])
        return torch.cat([found[-1], found.mean(dim=0)], dim=1)
