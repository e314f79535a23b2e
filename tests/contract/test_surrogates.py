"""What every surrogate keeps to; the YAML folder says which there are."""

import numpy as np
import pytest
from fixtures import CHECKOUT, TINY, TINY_SPACE, ToySpace, build, composed, options
from hydra.utils import instantiate
from omegaconf import OmegaConf

from nascli.core import space as moves

QUICK = {
    "trees": 20,
    "rounds": 40,
    "epochs": 40,
    "members": 2,
}  # where the surrogate has such a key


@pytest.fixture(params=options("surrogate"))
def surrogate(request):
    config = OmegaConf.load(CHECKOUT / "configs" / "surrogate" / f"{request.param}.yaml")
    config.update({key: value for key, value in QUICK.items() if key in config})
    return instantiate(config)


def spaces():
    yield ToySpace()
    for name, tiny in TINY_SPACE.items():
        yield build.problem(composed(f"space={name}", *TINY, *tiny), build.Faults()).space


@pytest.fixture(params=list(spaces()), ids=lambda space: space.name)
def space(request):
    return request.param


def drawn(space, count, seed=0):
    import random

    rng = random.Random(seed)
    return tuple(moves.sample(space, rng) for _ in range(count))


def score(space, genotype):
    """More of each decision's last option is better, in the first decisions the more so."""
    pairs = zip(genotype.options, space.decisions.values(), strict=True)
    hits = [option == allowed[-1] for option, allowed in pairs]
    return 50.0 + sum(10 * hit / (1 + number) for number, hit in enumerate(hits))


def test_predictions_are_numbers_with_deviations_above_none(surrogate, space):
    made, known, asked = surrogate(space, 0), drawn(space, 8), drawn(space, 6, seed=1)
    made.fit(known, np.array([score(space, genotype) for genotype in known]))
    means, deviations = made.predict(asked, pending=known[:1])
    assert means.shape == deviations.shape == (6,)
    assert means.dtype == deviations.dtype == np.float64
    assert np.isfinite(means).all()
    assert (deviations >= 0).all()


def test_one_value_and_equal_values_are_enough(surrogate, toy):
    made, known = surrogate(toy, 0), drawn(toy, 4)
    for count in (1, 4):
        made.fit(known[:count], np.full(count, 71.0))
        means, _ = made.predict(known)
        assert means == pytest.approx(np.full(4, 71.0), abs=0.5)


def test_learns_what_two_thirds_of_a_small_space_say(surrogate, toy):
    everything = [moves.at(toy, number) for number in range(moves.size(toy))]
    values = np.array([score(toy, genotype) for genotype in everything])
    known = [number for number in range(len(everything)) if number % 3]
    made = surrogate(toy, 0)
    made.fit([everything[number] for number in known], values[known])
    means, _ = made.predict(tuple(everything))
    assert np.corrcoef(means, values)[0, 1] > 0.8


def test_the_seed_decides_and_an_earlier_fit_does_not(surrogate, toy):
    known, asked = drawn(toy, 8), drawn(toy, 5, seed=1)
    values = np.array([score(toy, genotype) for genotype in known])
    fresh, used = surrogate(toy, 3), surrogate(toy, 3)
    used.fit(known[::-1], -values)
    used.predict(asked)
    for made in (fresh, used):
        made.fit(known, values)
    for first, again in zip(fresh.predict(asked), used.predict(asked), strict=True):
        assert first == pytest.approx(again, abs=1e-6)


def test_goes_on_from_its_state(surrogate, toy):
    """The same numbers to the last digit, for a resumed search must take the same steps."""
    known, asked = drawn(toy, 9), drawn(toy, 5, seed=1)
    values = np.array([score(toy, genotype) for genotype in known])
    made, again = surrogate(toy, 0), surrogate(toy, 0)
    for count in (7, 8):
        made.fit(known[:count], values[:count])
        made.predict(asked)
    again.load_state_dict(made.state_dict())
    for part in (made, again):
        part.fit(known, values)
    for first, second in zip(made.predict(asked), again.predict(asked), strict=True):
        assert first.tolist() == second.tolist()
