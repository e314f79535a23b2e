from nascli.core.budget import Budget
from nascli.core.evaluation import Evaluation
from nascli.core.listed import Listed
from nascli.core.loop import Search
from nascli.core.space import at, size
from nascli.core.traits import traits_of
from nascli.core.trial import History
from nascli.workers.serial import Serial


class Even:
    metrics = ("accuracy",)
    meaning = ""

    def estimate(self, proposal):
        return {"accuracy": float(proposal.genotype["a"])}


def test_every_genotype_in_its_order_and_then_no_more(problem):
    genotypes = [at(problem.space, number) for number in (7, 0, 3, 3)]
    strategy = Listed(problem, genotypes)
    assert [p.genotype for p in strategy.ask(3)] == genotypes[:3]
    assert [p.genotype for p in strategy.ask(3)] == genotypes[3:]
    assert strategy.ask(3) == []
    assert traits_of(strategy).trials == 4


def test_what_is_known_of_a_genotype_travels_with_its_proposal(problem):
    genotype = at(problem.space, 7)
    strategy = Listed(problem, [genotype, genotype], [{"seed": 1}, {"seed": 2}])
    asked = strategy.ask(5)
    assert [(p.genotype, p.metrics["seed"]) for p in asked] == [(genotype, 1), (genotype, 2)]


def test_it_goes_on_where_it_was(problem):
    genotypes = [at(problem.space, number) for number in range(size(problem.space))]
    first, second = Listed(problem, genotypes), Listed(problem, genotypes)
    first.ask(5)
    second.load_state_dict(first.state_dict())
    assert second.ask(100) == first.ask(100)


def test_the_loop_ends_with_the_list_and_recommends_the_best(problem):
    genotypes = [at(problem.space, number) for number in (0, 11, 5)]
    evaluation = Evaluation(problem, [Even()])
    workers = Serial(lambda: evaluation)
    search = Search(Listed(problem, genotypes), evaluation, workers, Budget())
    ended = []
    best = search.run(ended.append)
    assert [trial.genotype for trial in ended] == genotypes
    assert best == max(genotypes, key=lambda genotype: genotype["a"])
    assert Listed(problem, []).recommend(History()) is None
