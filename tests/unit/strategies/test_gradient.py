"""Gradient search as the loop sees it: epochs, answers, states, and faults of its parts."""

import copy
import inspect
import re
from dataclasses import replace
from functools import partial

import pytest
import torch
from fixtures import CHECKOUT, TINY, TINY_SPACE, Heard, Looks, build, composed, options

from nascli.core.budget import OutOfTime
from nascli.core.evaluation import Evaluation
from nascli.core.fault import Fault, Stopped
from nascli.core.listener import SILENT
from nascli.core.loop import Search
from nascli.core.space import at
from nascli.core.strategy import MeasuresEffort
from nascli.core.traits import Traits
from nascli.core.trial import History, Trial
from nascli.costs.plans import PlanCounter
from nascli.gradient.discretisations.strongest import Strongest
from nascli.gradient.method import SECOND_ORDER
from nascli.gradient.stoppers.eigenvalue import Eigenvalue
from nascli.relaxations.softmax import Softmax
from nascli.strategies.gradient import GradientSearch
from nascli.supernet.planned import PlannedSupernet
from nascli.workers.serial import Serial


def search(*overrides, strategy="darts", epochs=2, space="nasbench201", listener=SILENT):
    words = [f"strategy={strategy}", f"space={space}", *TINY, *TINY_SPACE[space]]
    config = composed(*words, f"training.epochs={epochs}", "data.images=96", *overrides)
    return build.search(config, listener)


def trials(space, accuracies, fidelity=1.0):
    return [Trial(n, at(space, n), fidelity, {"accuracy": a}) for n, a in enumerate(accuracies)]


@pytest.mark.parametrize(
    ("answer", "of_path", "of_mixture"), [("auto", 1, 2), ("best", 1, 1), ("last", 2, 2)]
)
def test_the_last_epoch_answers_where_the_mixture_is_scored_else_the_best(
    answer, of_path, of_mixture
):
    made = search(f"strategy.answer={answer}")
    told = trials(made.problem.space, [10, 30, 20])
    assert made.strategy.recommend(History(told)) == at(made.problem.space, of_path)
    both = [replace(t, metrics={**t.metrics, "path_accuracy": 9.0}) for t in told]
    assert made.strategy.recommend(History(both)) == at(made.problem.space, of_mixture)


def test_searches_by_gradient_answer_by_what_is_scored_and_old_runs_with_the_best():
    """A config of before has no key, and the epoch that scored best was the answer."""
    default = inspect.signature(GradientSearch).parameters["answer"].default
    assert (search().strategy._answer, default) == ("auto", "best")


def test_each_epoch_is_one_proposal_until_the_recipe_is_over():
    strategy = search().strategy
    assert [len(strategy.ask(5)) for _ in range(4)] == [1, 1, 0, 0]


def test_what_a_search_is_checked_with_is_the_supernet_that_it_trains(monkeypatch):
    made, built = PlannedSupernet.__init__, []
    monkeypatch.setattr(
        PlannedSupernet, "__init__", lambda *a, **k: built.append(1) or made(*a, **k)
    )
    search().strategy.ask(1)
    assert built == [1]


def test_only_the_last_stage_competes_for_the_answer():
    strategy = search("strategy.stages=[{},{options: 2},{options: 1}]", epochs=3).strategy
    fidelities = [strategy.ask(1)[0].fidelity for _ in range(3)]
    assert fidelities == pytest.approx([1 / 3, 2 / 3, 1.0])


def test_a_discretisation_at_the_end_competes_alone():
    strategy = search(strategy="darts_pt", epochs=3).strategy
    fidelities = [strategy.ask(1)[0].fidelity for _ in range(3)]
    assert fidelities == pytest.approx([2 / 3, 2 / 3, 1.0])


def test_stages_drop_the_weakest_options_and_keep_the_rest_s_weights():
    made = search("strategy.stages=[{},{options: 3}]")
    made.strategy.ask(1)
    relaxation = made.shared.relaxation
    before, chances = relaxation.logits().detach().clone(), relaxation.expected().weights
    bilevel = made.strategy._training()
    assert made.shared.relaxation is relaxation
    after = relaxation.logits().detach()
    kept = after > -torch.inf
    assert kept.sum(1).tolist() == [3] * 6
    assert torch.equal(after[kept], before[kept])
    for row, there in zip(chances, kept, strict=True):
        dropped = row[~there]
        none = 1 if not there[0] else 0  # `none` may have given way to the best real option
        assert (dropped.sort().values[: 2 - none] <= row[there].min() + 1e-12).all()
    assert bilevel.stage.number == 1
    made.strategy.ask(1)
    assert made.shared.relaxation.expected().active == tuple(
        tuple(numbers.nonzero().flatten().tolist()) for numbers in kept
    )


def test_the_answer_may_be_the_last_epoch_s_as_published():
    made = search("strategy.answer=last")
    told = trials(made.problem.space, [30, 10, 20])
    assert made.strategy.recommend(History(told)) == at(made.problem.space, 2)
    assert made.strategy.recommend(History([])) is None
    failed = replace(told[-1], metrics={}, error="no")
    assert made.strategy.recommend(History([*told[:-1], failed])) == at(made.problem.space, 1)
    with pytest.raises(
        Fault, match="strategy.answer is 'first'; it must be one of auto, best, last"
    ):
        search("strategy.answer=first")


@pytest.mark.parametrize(("answer", "epoch"), [("last", 2), ("best", 1)])
def test_robust_darts_answers_with_the_epoch_a_window_before_the_stop(answer, epoch):
    """Zela et al., 4.3: the stop is at i, the answer alpha of i - k, whatever scored better."""
    words = ["strategy.stopper.window=1", "strategy.stopper.ratio=1.0"]
    if answer == "best":
        words.append("strategy.answer=best")
    made = search(*words, strategy="robust_darts", epochs=5)
    eigenvalues = iter([1.0, 0.9, 0.8, 1.2])
    made.strategy._training().eigenvalue = lambda: next(eigenvalues)
    assert [len(made.strategy.ask(1)) for _ in range(5)] == [1, 1, 1, 1, 0]  # it stops at epoch 4
    told = trials(made.problem.space, [10, 20, 15, 30])
    assert made.strategy.recommend(History(told)) == at(made.problem.space, epoch)


def test_a_stopper_ends_the_search_and_sets_the_answer_back():
    words = ("strategy.stopper.window=1", "strategy.stopper.ratio=1.0")
    made = search(*words, strategy="robust_darts", epochs=4)
    strategy = made.strategy
    eigenvalues = iter([1.0, 0.9, 1.2])
    strategy._training().eigenvalue = lambda: next(eigenvalues)
    asked = [strategy.ask(1) for _ in range(4)]
    assert [len(proposals) for proposals in asked] == [1, 1, 1, 0]
    told = trials(made.problem.space, [10, 20, 30])
    assert strategy.recommend(History(told)) == at(made.problem.space, 1)
    assert [p.metrics["eigenvalue"] for (p,) in asked[:3]] == [1.0, 0.9, 1.2]


def test_the_readout_goes_with_the_proposal_and_the_warning_to_the_listener():
    warnings = []
    made = search(epochs=4, listener=Heard(warned=warnings.append))
    (proposal,) = made.strategy.ask(1)
    assert set(proposal.metrics) == {"skips_cell", "entropy"}
    assert 0 < proposal.metrics["entropy"] <= 1
    assert warnings == []
    with torch.no_grad():
        for alpha in made.shared.relaxation.parameters():
            alpha[:, 1] = 9.0  # skip_connect
    (proposal,) = made.strategy.ask(2)
    assert proposal.metrics["skips_cell"] == 6
    assert warnings == []  # a single epoch may be chance
    made.strategy.ask(2)
    assert len(warnings) == 1  # two are not
    made.strategy.ask(2)
    assert len(warnings) == 1  # said once
    assert "6 of the 6 operations of cell 'cell' are skip connections" in warnings[0]


def test_a_search_that_learns_no_architecture_does_not_collapse(monkeypatch):
    monkeypatch.setattr("nascli.strategies.gradient.collapse", lambda *_: "it collapses")
    made = search(strategy="random_ws", epochs=3, listener=Heard(warned=pytest.fail))
    assert [len(made.strategy.ask(1)) for _ in range(3)] == [1, 1, 1]


def test_none_is_never_derived_where_the_space_lacks_it():
    made = search(space="cell")
    made.strategy.ask(1)
    with torch.no_grad():
        for alpha in made.shared.relaxation.parameters():
            alpha[:, 0] = 9.0
    (proposal,) = made.strategy.ask(1)
    assert "none" not in proposal.genotype.options
    inputs = [o for d, o in proposal.genotype.choices.items() if d.endswith("inputs")]
    assert all(len(set(pair.split("+"))) == 2 for pair in inputs)


COMBINED = (
    "relaxation@strategy.relaxation=gumbel",
    "perturbation@strategy.perturbation=random",
    "stopper@strategy.stopper=eigenvalue",
    "+penalty@strategy.penalties.beta_decay=beta_decay",
    "strategy.edge_normalisation=true",
    "strategy.second_order=finite_difference",
    "strategy.stages=[{},{options: 3, skip_dropout: 0.5}]",
)


@pytest.mark.parametrize(
    ("strategy", "words", "after"),
    [
        ("darts", COMBINED, 3),
        ("drnas", (), 2),  # at the end of the first stage
        ("drnas", (), 3),
        ("p_darts", ("strategy.warmup=0.0",), 3),
        ("pc_darts", (), 1),
    ],
)
def test_a_search_goes_on_exactly_as_if_nothing_had_been(strategy, words, after):
    whole = search(*words, strategy=strategy, epochs=4)
    seen = []
    for step in range(4):
        if step == after:
            state = copy.deepcopy(whole.strategy.state_dict())  # its tensors are the live ones
        seen.append(whole.strategy.ask(1))
    again = search(*words, strategy=strategy, epochs=4)
    again.strategy.load_state_dict(state)
    assert [again.strategy.ask(1) for _ in range(4 - after)] == seen[after:]
    last, repeated = whole.strategy.state_dict(), again.strategy.state_dict()
    assert flat(last) == flat(repeated)
    optimizers = (last["bilevel"]["optimizer"], last["bilevel"]["architect"])
    assert all(optimizer["state"] for optimizer in optimizers)


@pytest.mark.parametrize(("strategy", "words"), [("darts", COMBINED), ("random_ws", ())])
def test_a_search_that_is_cut_at_a_step_goes_on_at_that_step(strategy, words):
    words = (*words, "training.batch_size=12", "data.images=132")
    whole = search(*words, strategy=strategy)
    seen = [whole.strategy.ask(1) for _ in range(2)]
    assert whole.strategy._halves.steps == 3
    cut = search(*words, strategy=strategy)
    found, made = [], cut.strategy
    for _ in range(4):  # two steps at a time, each time in a new search
        object.__setattr__(cut.problem, "budget", Looks(2))
        try:
            found.append(made.ask(1))
        except OutOfTime:
            state = copy.deepcopy(made.state_dict())
            cut = search(*words, strategy=strategy)
            made = cut.strategy
            made.load_state_dict(state)
    assert found == seen
    assert flat(made.state_dict()) == flat(whole.strategy.state_dict())


def test_the_way_of_the_architecture_weights_is_kept_over_a_resume():
    whole = search(epochs=3)
    expected = []
    for _ in range(3):
        whole.strategy.ask(1)
        expected.append(whole.shared.relaxation.expected().weights.tolist())
        if len(expected) == 2:
            state = copy.deepcopy(whole.strategy.state_dict())
    again = search(epochs=3)
    again.strategy.load_state_dict(state)
    again.strategy.ask(1)
    way = whole.strategy.trajectory()
    assert way == again.strategy.trajectory()
    for epoch, rows in zip(way, expected, strict=True):
        assert list(epoch) == [choice.name for choice in whole.shared.supernet.choices]
        for (name, told), row in zip(epoch.items(), rows, strict=True):
            assert list(told.values()) == pytest.approx(row[: len(told)], abs=1e-5), name
    old = search(epochs=3)
    del state["trajectory"]  # as earlier versions wrote it
    old.strategy.load_state_dict(state)
    assert old.strategy.trajectory() == []


def test_a_search_that_diverges_goes_back_and_takes_a_tenth_of_the_step(monkeypatch):
    warned = []
    made = search(epochs=2, listener=Heard(warned=warned.append))
    made.strategy.ask(1)
    recipe = made.problem.recipe
    rates = {
        "learning_rate": recipe.learning_rate,
        "final_learning_rate": recipe.final_learning_rate,
        "architecture.learning_rate": recipe.architecture["learning_rate"],
    }
    tenth = search(*(f"training.{name}={rate / 10}" for name, rate in rates.items()))
    tenth.strategy.load_state_dict(copy.deepcopy(made.strategy.state_dict()))
    bilevel, steps = made.strategy._bilevel, []
    step = type(bilevel)._weight_step

    def breaking(self, now):
        step(self, now)
        steps.append(now)
        if len(steps) == 1:
            with torch.no_grad():
                next(iter(self.supernet.parameters())).fill_(torch.nan)

    monkeypatch.setattr(type(bilevel), "_weight_step", breaking)
    found = made.strategy.ask(1)
    monkeypatch.undo()
    assert found == tenth.strategy.ask(1)
    one, other = (s.shared.supernet.state_dict() for s in (made, tenth))
    assert all(torch.allclose(one[name], other[name], atol=1e-7) for name in one)
    assert len(warned) == 1 and "going back to the end of epoch 1" in warned[0]


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ("darts", ()),
        ("darts", ("discretisation@strategy.discretisation=skip_limit",)),
        ("darts_pt", ("strategy.discretisation.tuning=0",)),
        ("random_ws", ("strategy.discretisation.candidates=3",)),
    ],
)
def test_every_epoch_proposes_a_genotype_that_keeps_the_constraints(strategy, words):
    free = search(*words, strategy=strategy)
    count = PlanCounter(free.problem.space)
    most = max(count(free.strategy.ask(1)[0].genotype).params for _ in range(2))
    made = search(*words, f"+constraints.params={most - 1}", strategy=strategy)
    proposals = [made.strategy.ask(1)[0].genotype for _ in range(2)]
    assert all(count(genotype).params < most for genotype in proposals)


@pytest.mark.parametrize(
    ("strategy", "key"),
    [
        ("darts", "learning_rate"),
        ("darts", "architecture.learning_rate"),
        ("random_ws", "learning_rate"),
    ],
)
def test_a_step_that_is_far_too_long_ends_a_search_as_it_was_before(strategy, key):
    warned = []
    words = (f"training.{key}=1e20",)
    made = search(*words, strategy=strategy, listener=Heard(warned=warned.append))
    before = copy.deepcopy(made.strategy.state_dict())
    with pytest.raises(Stopped, match=rf"a smaller training.{key} \(it is 1e\+20\)"):
        made.strategy.ask(1)
    assert len(warned) == 1
    after = made.strategy.state_dict()
    assert after["caution"] == {"scale": 0.1, "before": None}
    assert flat({**after, "caution": before["caution"]}) == flat(before)


def test_a_deeper_stage_begins_anew_and_a_wider_one_goes_on():
    for strategy, grows in (("p_darts", True), ("drnas", False)):
        made = search(strategy=strategy, epochs=3)
        made.strategy.ask(1)
        first, relaxation = made.shared.supernet, made.shared.relaxation
        channels = first.partial_channels
        made.strategy.ask(1)
        made.strategy.ask(1)
        assert (made.shared.supernet is not first) == grows
        assert (made.shared.relaxation is not relaxation) == grows
        assert (made.shared.supernet.partial_channels != channels) != grows
        sizes = [sum(p.numel() for p in s.parameters()) for s in (first, made.shared.supernet)]
        assert (sizes[1] > sizes[0]) == grows or not grows
        assert (made.shared.relaxation.logits() > -torch.inf).sum(1).tolist() == [3] * 6


def test_channels_that_do_not_divide_are_a_fault():
    with pytest.raises(Fault, match=r"strategy.partial_channels is 3; it must divide"):
        search("strategy.partial_channels=3")
    with pytest.raises(Fault, match=r"strategy.partial_channels is 8; .*channels 4, 8 and 16"):
        search("strategy.stages=[{},{partial_channels: 8}]")


def flat(state):
    """Nested states as something that compares."""
    if isinstance(state, torch.Tensor):
        return state.tolist()
    if isinstance(state, dict):
        return {key: flat(value) for key, value in state.items()}
    return [flat(value) for value in state] if isinstance(state, (list, tuple)) else state


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (
            ["strategy.second_order=third"],
            "second_order is 'third'; it must be finite_difference or",
        ),
        (["strategy.stages=[{},{},{}]"], "strategy.stages are 3, too many for 2 epoch"),
        (["strategy.warmup=1.5"], "strategy.warmup is 1.5; it must be"),
        (["strategy.discretisation=null"], "discretisation is null; it must be a component"),
        (["~relaxation@strategy.relaxation"], "has neither relaxation nor sampler: take"),
        (
            ["sampler@strategy.sampler=uniform"],
            "has a relaxation and a sampler; leave one of them out with ~relaxation@strategy",
        ),
        (
            [
                "+strategy.penalties.mine={_target_: nascli.gradient.penalties.zero_one.ZeroOne, "
                "_partial_: true, weight: -1}"
            ],
            "strategy.penalties.zero_one.weight is -1; it must be at least 0",
        ),
    ],
)
def test_bad_parts_are_faults_before_anything_is_trained(overrides, says):
    with pytest.raises(Fault, match=says.replace("(", r"\(")):
        search(*overrides)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["strategy.second_order=exact"], "strategy.second_order needs architecture weights"),
        (["+penalty@strategy.penalties.mine=zero_one"], "strategy.penalties needs architecture"),
        (["perturbation@strategy.perturbation=random"], "strategy.perturbation needs arch"),
        (["strategy.edge_normalisation=true"], "strategy.edge_normalisation needs architecture"),
        (["stopper@strategy.stopper=eigenvalue"], "strategy.stopper reads architecture weights"),
        (["strategy.stages=[{},{options: 2}]"], "options of strategy.stages reads architecture"),
        (["discretisation@strategy.discretisation=strongest"], "strategy.discretisation reads"),
        (["discretisation@strategy.discretisation=perturbed"], "strategy.discretisation reads"),
    ],
)
def test_what_needs_architecture_weights_does_not_go_with_a_sampler(overrides, says):
    with pytest.raises(Fault, match=says):
        search(*overrides, strategy="random_ws")


def test_every_trial_of_a_search_on_a_table_has_its_own_readout():
    made = search("estimator=table", epochs=3)
    asked, ask = [], made.strategy.ask
    made.strategy.ask = lambda limit: asked.append(ask(limit)) or asked[-1]
    evaluation = Evaluation(made.problem, made.estimators)
    loop = Search(made.strategy, evaluation, Serial(lambda: evaluation), made.budget)
    loop.run(lambda _: None)
    assert len(loop.history) == 3
    for trial, proposals in zip(loop.history, asked, strict=False):
        assert {"accuracy", "params", "skips_cell", "entropy"} <= set(trial.metrics)
        assert trial.metrics["entropy"] == proposals[0].metrics["entropy"]
    assert len({trial.metrics["entropy"] for trial in loop.history}) == 3


def test_what_an_epoch_took_is_said_once_there_was_one():
    strategy = search().strategy
    assert isinstance(strategy, MeasuresEffort)
    assert strategy.effort() == {}
    strategy.ask(1)
    assert strategy.effort()["search_epoch_seconds"] > 0


def test_a_part_may_ask_for_the_shared_weights():
    seen = []

    class Stopper(Eigenvalue):
        traits = Traits(weight_sharing=True)
        back = 0

        def __init__(self, problem, shared):
            seen.append((problem, shared))

    made = search()
    GradientSearch(
        made.problem, made.shared, Strongest, relaxation=Softmax, stopper=partial(Stopper)
    )
    assert seen == [(made.problem, made.shared)]


def test_a_part_that_lacks_something_is_refused_before_anything_is_trained():
    class Stopper:
        back = 0

        def __init__(self, problem):
            pass

    made = search()
    with pytest.raises(Fault, match=r"stopper: Stopper has no stops\(epoch, eigenvalue\), "):
        GradientSearch(made.problem, made.shared, Strongest, relaxation=Softmax, stopper=Stopper)
    with pytest.raises(Fault, match=r"relaxation: Lacking has no mixtures\(progress, level\)"):
        GradientSearch(made.problem, made.shared, Strongest, relaxation=lambda *_: Lacking())


class Lacking:
    """Nothing that is asked of any part."""


def test_a_relaxation_that_the_space_cannot_carry_is_a_fault():
    config = composed(
        "strategy=darts",
        "space=nasbench201",
        "relaxation@strategy.relaxation=dirichlet",
        *TINY,
        *TINY_SPACE["nasbench201"],
    )
    config.space.operations = {"skip_connect": config.space.operations.skip_connect}
    with pytest.raises(Fault, match=r"has 1 option\(s\); this relaxation needs 2"):
        build.search(config)


def test_orders_are_those_that_the_config_speaks_of():
    text = composed("strategy=darts_2nd").strategy.second_order
    assert text in SECOND_ORDER


def family():
    """DARTS, and the strategies that begin as its config."""
    texts = {name: yaml_text("strategy", name) for name in options("strategy")}
    return [name for name, text in texts.items() if name == "darts" or "\n  - darts\n" in text]


METHODS = (CHECKOUT / "docs" / "methods.md").read_text(encoding="utf-8")


def test_every_method_and_part_has_its_words_in_the_document():
    assert len(family()) >= 16
    for name in family():
        assert f"**{name}**" in METHODS, name
        paper = re.search(r"arXiv (\d+\.\d+)\)", yaml_text("strategy", name)).group(1)
        paragraph = next(p for p in METHODS.split("\n\n") if f"**{name}**" in p)
        assert f"https://arxiv.org/abs/{paper}" in paragraph, name
    for group in ("relaxation", "sampler", "penalty", "perturbation", "stopper", "discretisation"):
        for name in options(group):
            assert f"`{name}`" in METHODS, name


def yaml_text(group, name):
    return (CHECKOUT / "configs" / group / f"{name}.yaml").read_text(encoding="utf-8")


def test_every_command_in_the_document_checks_out():
    from nascli.config import check, overrides

    lines = re.findall(r"^nas search (.*)$", METHODS, flags=re.MULTILINE)
    assert len(lines) >= 3
    for words in [*map(str.split, lines), ["strategy=drnas", *re.findall(r"`'(.*)'`", METHODS)]]:
        found, _ = check.faults("search", overrides.quoted(words), (), multirun=False)
        assert found == [], words
