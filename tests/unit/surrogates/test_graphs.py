import itertools
import random

import pytest
from fixtures import TINY, TINY_SPACE, build, composed

from nascli.core import space as moves
from nascli.core.genotype import Genotype
from nascli.surrogates.graphs import Graph, graph_counts, path_features

NONE, SKIP, CONV1, CONV3, POOL = (
    "none",
    "skip_connect",
    "nor_conv_1x1",
    "nor_conv_3x3",
    "avg_pool_3x3",
)


def built(name):
    return build.problem(composed(f"space={name}", *TINY, *TINY_SPACE[name]), build.Faults()).space


@pytest.fixture(scope="module")
def cells():
    return built("nasbench201")


def cell(cells, *options):
    return Genotype("nasbench201", tuple(cells.decisions), options)


def test_edges_carry_what_the_genotype_says_and_none_is_nothing(cells):
    graph = Graph(cells)
    genotype = cell(cells, CONV3, NONE, SKIP, POOL, NONE, CONV1)
    (row,) = graph([genotype])
    found = {
        f"{e.target}<-{e.source}": graph.operations[n - 1] if n else NONE
        for e, n in zip(graph.edges, row, strict=True)
    }
    assert found == genotype.choices


def test_the_four_ways_through_a_nasbench201_cell(cells):
    graph = Graph(cells)
    ways = {tuple((graph.edges[r].source, graph.edges[r].target) for r in p) for p in graph.paths()}
    assert ways == {
        ((0, 3),),
        ((0, 1), (1, 3)),
        ((0, 2), (2, 3)),
        ((0, 1), (1, 2), (2, 3)),
    }


def test_path_encoding_as_written_out(cells):
    """One place for each sequence of operations that some way through the cell may carry."""
    graph = Graph(cells)
    genotypes = [moves.at(cells, number) for number in range(0, 15_625, 97)]
    operations = graph.operations
    places = [p for n in (1, 2, 3) for p in itertools.product(operations, repeat=n)]
    rows = path_features(graph(genotypes), graph.paths(), len(operations))
    assert rows.shape == (len(genotypes), len(places))
    expected = []
    for genotype in genotypes:
        c = genotype.choices
        ways = [(c["3<-0"],), (c["1<-0"], c["3<-1"]), (c["2<-0"], c["3<-2"])]
        ways.append((c["1<-0"], c["2<-1"], c["3<-2"]))
        expected.append(frozenset(way for way in ways if NONE not in way))
    # The places' order is free; which genotypes share one is not.
    found = {tuple(column) for column in rows.T.tolist()}
    assert found == {tuple(float(place in way) for way in expected) for place in places}
    assert rows.sum(axis=1).tolist() == [len(way) for way in expected]


def test_the_darts_cell_has_two_edges_a_node_and_too_many_paths():
    space = built("cell")
    graph = Graph(space)
    genotype = moves.at(space, 123_456_789)
    (row,) = graph([genotype])
    taken = [edge for edge, number in zip(graph.edges, row, strict=True) if number]
    for group in graph.groups:
        targets = [edge.target for edge in taken if edge.group == group]
        assert sorted(targets) == [2, 2, 3, 3, 4, 4, 5, 5]
    assert graph.paths() is None


def test_a_space_without_a_supernet_is_a_chain(toy):
    graph = Graph(toy)
    genotype = Genotype.of("toy", {"a": "2", "b": "0", "c": "1"})
    assert [(edge.source, edge.target) for edge in graph.edges] == [(0, 1), (1, 2), (2, 3)]
    assert [graph.operations[n - 1] for n in graph([genotype])[0]] == ["2", "0", "1"]
    assert graph.paths() == [[0, 1, 2]]


@pytest.mark.parametrize("name", ["nasbench201", "cell"])
def test_graph_counts_as_written_out_over_listed_ways(name):
    """By listing every way from an input to a loose end, edge after edge."""
    space = built(name)
    graph = Graph(space)
    rng = random.Random(0)
    genotypes = [moves.sample(space, rng) for _ in range(12)]
    kinds = [n for n, name in enumerate(graph.operations, start=1) if name != NONE]
    sizes = {1, 2, len(kinds) - 1, len(kinds)}
    found = graph_counts(graph, graph(genotypes))
    for row, carried in zip(found, graph(genotypes), strict=True):
        expected = []
        for rows in graph.groups.values():
            expected += [sum(carried[r] == kind for r in rows) for kind in kinds]
            targets = {graph.edges[r].target for r in rows}
            sources = {graph.edges[r].source for r in rows}
            for size in sorted(sizes):
                for together in itertools.combinations(kinds, size):
                    there = [r for r in rows if carried[r] in together]
                    long = []
                    reached = [(start, 0) for start in sources - targets]
                    while reached:
                        state, length = reached.pop()
                        long += [length] if state not in sources else []
                        leaving = [r for r in there if graph.edges[r].source == state]
                        reached += [(graph.edges[r].target, length + 1) for r in leaving]
                    expected += [
                        min(long, default=len(sources | targets)),
                        max(long, default=0),
                        min(len(long), len(rows)),
                        sum(graph.edges[r].source not in targets for r in there),
                        sum(graph.edges[r].target not in sources for r in there),
                    ]
        assert row.tolist() == expected
