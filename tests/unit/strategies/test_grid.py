from nascli.core import space as moves
from nascli.strategies.grid import Grid


def test_every_genotype_in_order_and_then_the_end(problem):
    strategy = Grid(problem)
    numbers = []
    while proposals := strategy.ask(5):
        numbers += [p.genotype for p in proposals]
    assert numbers == [moves.at(problem.space, n) for n in range(12)]
