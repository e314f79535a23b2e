"""Parts of a search that do not go together."""

import pytest
from fixtures import TINY, TINY_SPACE, Heard, asked, build, composed

from nascli.config import search as config
from nascli.core.fault import Fault

BENCH = ("space=nasbench201", *TINY, *TINY_SPACE["nasbench201"])


@pytest.mark.parametrize("strategy", ["asha", "hyperband", "bohb"])
@pytest.mark.parametrize("estimator", ["one_shot", "zero_cost"])
def test_low_fidelities_that_spare_nothing_are_refused(strategy, estimator):
    chosen = composed(*BENCH, f"strategy={strategy}", f"estimator={estimator}")
    with pytest.raises(
        Fault, match=r"low fidelities, and this estimator answers the same at every fidelity"
    ):
        config.build(asked(chosen))
    build.search(chosen)  # a run of before goes on


def test_a_table_of_ones_own_has_one_fidelity_and_the_benchmark_has_two(tmp_path):
    (tmp_path / "mine.csv").write_text(
        "1<-0,2<-0,2<-1,3<-0,3<-1,3<-2,accuracy\n" + ",".join(["none"] * 6) + ",50.0\n"
    )
    words = ("strategy=asha", "estimator=table", "strategy.fidelities=[0.06,1.0]")
    config.build(asked(composed(*BENCH, *words)))
    with pytest.raises(Fault, match="this strategy spares time by low fidelities, and this"):
        config.build(asked(composed(*BENCH, *words, f"estimator.path={tmp_path / 'mine.csv'}")))


@pytest.mark.parametrize("strategy", ["asha", "hyperband", "bohb"])
def test_the_12_epochs_of_the_table_are_charged_as_12_of_200(strategy):
    parts = build.search(composed(*BENCH, f"strategy={strategy}", "estimator=table"))
    assert {p.fidelity for p in parts.strategy.ask(10)} == {0.06}
    wrapped = ("estimator=cached", "estimator@estimator.of=table")
    parts = build.search(composed(*BENCH, f"strategy={strategy}", *wrapped))
    assert {p.fidelity for p in parts.strategy.ask(10)} == {0.06}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("training.mixup=0.2", "training.accumulate=2"), ["training.mixup=0.2, training.accumul"]),
        (("training.cutout=4",), []),  # supernets heed it
        (("strategy=random", "estimator=train", "training.mixup=0.2"), []),
    ],
)
def test_what_a_supernet_does_not_heed_is_said(words, said):
    heard = []
    what = asked(composed("strategy=darts", *TINY, *words, "space=nasbench201"))
    config.build(what, Heard(warned=heard.append))
    found = [line.removeprefix("warning: ") for line in heard if "a supernet is trained" in line]
    assert [line[: len(start)] for line, start in zip(found, said, strict=True)] == said


@pytest.mark.parametrize(
    ("strategy", "setting", "first"),
    [
        ("evolution", "population", 50),
        ("nsga2", "population", 40),
        ("predictor", "initial", 10),
        ("bananas", "initial", 10),
    ],
)
def test_a_budget_that_ends_with_the_random_trials_is_named(strategy, setting, first):
    def said(trials, *more):
        heard = []
        words = (f"strategy={strategy}", "estimator=table", f"budget.trials={trials}", *more)
        config.build(asked(composed(*BENCH, *words)), Heard(warned=heard.append))
        return [text for text in heard if "random search" in text]

    (text,) = said(first)
    assert text.startswith(f"warning: the first strategy.{setting}={first} trials are random ones")
    assert f"budget.trials is {first}:" in text and f"budget.trials={5 * first}" in text
    assert said(first + 1) == said("null") == []


def test_what_begins_inside_another_strategy_is_not_asked_of_the_budget():
    heard = []
    words = ("strategy=screening", "strategy@strategy.of=evolution", "budget.trials=5")
    chosen = composed(*BENCH, *words, "estimator=table", "strategy.keep=5")
    config.build(asked(chosen), Heard(warned=heard.append))
    assert not [text for text in heard if "random search" in text]
