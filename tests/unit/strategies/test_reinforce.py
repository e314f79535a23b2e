import itertools
import math
import random
import statistics
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from nascli.core.fault import Fault
from nascli.core.trial import Trial
from nascli.strategies.policy import Learner, Policy, surrogate
from nascli.strategies.reinforce import Reinforce, Rewards

WIDTHS = (3, 2, 2)  # of the toy space
EVERY = torch.tensor(list(itertools.product(*map(range, WIDTHS))))  # (12, 3)


@pytest.fixture
def policy():
    """A small one in float64, away from uniform."""
    made = Policy(WIDTHS, hidden=4, seed=1).double()
    made._mask = made._mask.double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(12)
    return made


def plain(policy, choice):
    """log p(x) by the LSTM's equations, one decision at a time."""
    w = {name: value.detach() for name, value in policy.named_parameters()}
    h = c = torch.zeros(4, dtype=torch.float64)
    row, total = 0, 0.0
    for place, option in enumerate(choice):
        x = w["embedding.weight"][row]
        gates = w["lstm.weight_ih_l0"] @ x + w["lstm.bias_ih_l0"]
        gates = gates + w["lstm.weight_hh_l0"] @ h + w["lstm.bias_hh_l0"]
        i, f, g, o = gates.split(4)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        logits = [
            float(w["heads"][place, n] @ h + w["biases"][place, n]) for n in range(WIDTHS[place])
        ]
        total += logits[option] - math.log(sum(map(math.exp, logits)))
        row = 1 + sum(WIDTHS[:place]) + int(option)
    return total


def test_log_probabilities_follow_the_equations_and_sum_to_one(policy):
    logs = policy.log_probability(EVERY).detach()
    assert logs.tolist() == pytest.approx([plain(policy, choice) for choice in EVERY])
    assert float(logs.exp().sum()) == pytest.approx(1)
    assert float(logs.max() - logs.min()) > 1  # the case is not a trivial one


def test_draws_follow_the_policy(policy):
    drawn = policy.draw(20_000)
    chances = policy.log_probability(EVERY).detach().exp()
    for choice, chance in zip(EVERY, chances, strict=True):
        share = float((drawn == choice).all(1).double().mean())
        assert abs(share - chance) < 5 * math.sqrt(chance * (1 - chance) / 20_000)


def test_the_estimator_is_on_average_the_gradient_of_what_is_expected(policy):
    """sum_x p(x) * (gradient at x) against finite differences of J = E[r] + beta * H, by parameter.

    The baselines must drop out.
    """
    beta, baseline = 0.3, 0.7
    rewards = torch.linspace(-1, 2, 12, dtype=torch.float64).roll(5)

    def expected():
        logs = policy.log_probability(EVERY)
        return float((logs.exp() * (rewards - beta * logs)).sum().detach())

    logs = policy.log_probability(EVERY)
    bonus = rewards - beta * logs.detach() - baseline
    mean = 0.0
    for n in range(12):
        one = surrogate(logs[n : n + 1], bonus[n : n + 1])
        mean = mean + logs[n].detach().exp() * one
    mean.backward()
    step = 1e-6
    checked = 0
    for parameter in policy.parameters():
        flat, gradient = parameter.detach().view(-1), parameter.grad.view(-1)
        for place in range(0, len(flat), 7):
            value = float(flat[place])
            both = []
            for moved in (value + step, value - step):
                flat[place] = moved
                both.append(expected())
            flat[place] = value
            slope = (both[0] - both[1]) / (2 * step)
            assert -float(gradient[place]) == pytest.approx(slope, rel=1e-5, abs=1e-8)
            checked += 1
    assert checked > 30


def test_a_step_goes_along_reward_and_entropy():
    """The first step of Adam moves every parameter by the learning rate, against the gradient."""
    learner, twin = (Learner(Policy(WIDTHS, hidden=4, seed=2), 1e-3, 0.5, 0.9) for _ in range(2))
    told = [((0, 0, 0), 1.0), ((2, 1, 1), -1.0), ((1, 0, 1), 0.25)]
    logs = twin._policy.log_probability(torch.tensor([choice for choice, _ in told]))
    # the entropy's baseline starts at the batch's own mean of -log p
    bonus = 0.5 * (-logs + logs.mean()).detach()
    surrogate(logs, torch.tensor([reward for _, reward in told]) + bonus).backward()
    before = [parameter.detach().clone() for parameter in learner._policy.parameters()]
    learner.step(told)
    pairs = zip(before, learner._policy.parameters(), twin._policy.parameters(), strict=True)
    for old, new, other in pairs:
        large = other.grad.abs() > 1e-5
        assert torch.allclose((new - old)[large], -1e-3 * other.grad.sign()[large], rtol=1e-2)


def test_temperature_and_tanh_constant_bound_the_policy(policy):
    bounded = Policy(WIDTHS, hidden=4, tanh_constant=0.5, temperature=2.0, seed=1).double()
    bounded.load_state_dict(policy.state_dict())
    logs = bounded.log_probability(EVERY).detach()
    assert float(logs.exp().sum()) == pytest.approx(1)
    assert 0 < float(logs.max() - logs.min()) < 3 * 2 * 0.5  # 3 decisions, logits in +- 0.5


def test_rewards_are_standardised_distances_from_the_baseline():
    rng = random.Random(3)
    losses = [rng.gauss(-90, 5) for _ in range(3)]
    losses += [-93.0, -80.0, math.inf, -95.0, -10.0, *(-90.0 - n / 10 for n in range(40))]
    made = Rewards(decay=0.9, clip=3.0)
    got = [made.of(loss) for loss in losses]
    baseline, squares, worst = losses[0], [], losses[0]
    assert got[0] == 0
    for number, (loss, reward) in enumerate(zip(losses[1:], got[1:], strict=True), 2):
        loss = worst if loss == math.inf else loss
        worst = max(worst, loss)
        distance = loss - baseline
        scale = math.sqrt(statistics.mean(squares)) if squares else abs(distance)
        assert reward == pytest.approx(max(-3.0, min(3.0, -distance / scale)))
        squares.append(distance**2)
        baseline += max(0.1, 1 / number) * distance
    assert min(got) == -3


def test_rewards_do_not_hang_on_the_unit():
    losses = [random.Random(n).gauss(5, 2) for n in range(30)]
    percent, share = Rewards(0.95, 3.0), Rewards(0.95, 3.0)
    assert [percent.of(100 * x) for x in losses] == pytest.approx([share.of(x) for x in losses])


def test_what_fails_teaches_nothing_before_there_is_a_good_trial(problem):
    strategy = Reinforce(problem, batch=1)
    for number, outcome in enumerate(({"error": "lost"}, {"infeasible": "params"})):
        (proposal,) = strategy.ask(1)
        strategy.tell([Trial(number, proposal.genotype, 1.0, **outcome)])
    assert not strategy._learner._steps


def run(strategy, count, start=0):
    """The digits' sum of each proposal; larger is better, 4 the best of the toy space."""
    sums = []
    for number in range(start, start + count):
        (proposal,) = strategy.ask(1)
        sums.append(float(sum(map(int, proposal.genotype.options))))
        trial = Trial(number, proposal.genotype, proposal.fidelity, {"accuracy": sums[-1]})
        strategy.tell([trial])
    return sums


def test_learns(problem):
    for seed in range(2):
        sums = run(Reinforce(replace(problem, seed=seed)), 500)
        # uniform draws: 2 on average, with a standard error of 0.15 over 50
        assert abs(statistics.mean(sums[:40]) - 2) < 0.75
        assert statistics.mean(sums[-50:]) > 3.5


def test_learns_to_avoid_what_is_infeasible(problem):
    """Half of the space breaks a constraint, and there is nothing else to learn but the sum."""
    strategy, broken = Reinforce(problem), []
    for number in range(500):
        (proposal,) = strategy.ask(1)
        bad = proposal.genotype.options[1] == "1"
        broken.append(bad)
        metrics = {"accuracy": float(sum(map(int, proposal.genotype.options)))}
        outcome = {"infeasible": "params"} if bad else {}
        strategy.tell([Trial(number, proposal.genotype, 1.0, metrics, **outcome)])
    assert statistics.mean(broken[-100:]) < 0.1


@pytest.mark.parametrize(("kept", "taught"), [(149, 0), (2, 0), (1, 1)])
def test_a_broken_constraint_teaches_only_where_one_in_a_hundred_keeps_it(problem, kept, taught):
    """Of 150 draws; the average weighs all alike."""
    strategy = Reinforce(problem, batch=1000, decay=0.999)
    genotype = strategy.ask(1)[0].genotype
    good = Trial(0, genotype, 1.0, {"accuracy": 1.0})
    bad = replace(good, infeasible="params")
    for number in range(149):
        strategy.tell([good if number < kept else bad])
    strategy._told, told = [], strategy._rewards.count
    strategy.tell([bad])
    assert len(strategy._told) == strategy._rewards.count - told == taught
    strategy.tell([replace(good, error="lost")])
    assert strategy._rewards.count - told == taught + 1  # a failure did cost something


def test_the_share_that_keeps_constraints_outlives_a_resume_and_a_version():
    rewards, again = Rewards(0.95, 3.0), Rewards(0.95, 3.0)
    for keeps in (True, False, False):
        rewards.count_draw(keeps)
    assert rewards.keeping == pytest.approx(1 / 3)
    again.load_state_dict(rewards.state_dict())
    assert (again.seen, again.keeping) == (3, rewards.keeping)
    old = {name: rewards.state_dict()[name] for name in ("count", "baseline", "square", "worst")}
    Rewards(0.95, 3.0).load_state_dict(old)


def test_several_workers_share_a_batch(problem):
    strategy = Reinforce(problem, batch=4)
    proposals = strategy.ask(6)
    assert len(proposals) == 6
    trials = [Trial(n, p.genotype, 1.0, {"accuracy": float(n)}) for n, p in enumerate(proposals)]
    strategy.tell(trials[:3])
    assert strategy._learner._steps == 0
    strategy.tell(trials[3:])
    assert strategy._learner._steps == 1


def test_goes_on_after_its_state_in_the_middle_of_a_batch(problem, tmp_path):
    strategy, again = Reinforce(problem, batch=4), Reinforce(replace(problem, seed=9), batch=4)
    run(strategy, 22)
    torch.save(strategy.state_dict(), tmp_path / "state.pt")
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for number in range(22, 60):
        (proposal,) = strategy.ask(1)
        assert again.ask(1)[0] == proposal
        trial = Trial(number, proposal.genotype, 1.0, {"accuracy": random.Random(number).random()})
        strategy.tell([trial])
        again.tell([trial])
    for ours, theirs in zip(
        strategy._learner._policy.parameters(), again._learner._policy.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_needs_no_torch_before_it_is_asked():
    code = "import sys, nascli.strategies.reinforce; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"batch": 0}, "batch is 0; it must be at least 1"),
        ({"hidden": 0}, "hidden is 0; it must be at least 1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; it must be above 0"),
        ({"temperature": -1.0}, "temperature is -1.0; it must be above 0"),
        ({"tanh_constant": 0.0}, "tanh_constant is 0.0; it must be above 0"),
        ({"entropy": -0.1}, "entropy is -0.1; it must be 0 or more"),
        ({"decay": 1.0}, "decay is 1.0; it must be from 0 to below 1"),
    ],
)
def test_values_that_make_no_sense_are_faults(problem, options, says):
    with pytest.raises(Fault, match=says):
        Reinforce(problem, **options)


def test_entropy_is_sought_where_rewards_say_nothing():
    """With J = beta H alone a policy becomes even: the entropy rises to log 12."""
    made = Policy(WIDTHS, hidden=4, seed=1)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(30)
    learner = Learner(made, 0.03, entropy=1.0, decay=0.9)

    def entropy():
        logs = made.log_probability(EVERY).detach()
        return float(-(logs.exp() * logs).sum())

    before = entropy()
    for _ in range(60):
        learner.step([(choice, 0.0) for choice in learner.draw(16)])
    assert before < 0.8 * math.log(12)
    assert entropy() > 0.95 * math.log(12)
