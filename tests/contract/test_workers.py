"""What every kind of workers keeps to; the YAML folder says which there are."""

from importlib.util import find_spec

import pytest
from fixtures import build, composed, options
from makes import PROPOSAL, evaluated, faulty, with_at_fault, with_plain

from nascli.core.fault import Fault

NAMES = [
    pytest.param(name, marks=pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray"))
    if name == "ray"
    else name
    for name in options("workers")
]


@pytest.fixture(params=NAMES, scope="module")
def workers(request):
    """Builds workers of one kind; a Ray that all of them share takes its time only once."""
    if request.param != "ray":
        yield build.component(composed(f"workers={request.param}"), "workers")
        return
    import ray

    ray.init(address="local", num_cpus=2, log_to_driver=False, include_dashboard=False)
    yield build.component(composed("workers=ray"), "workers")
    ray.shutdown()


def test_every_proposal_comes_back_once(workers):
    working = workers(with_plain)
    assert working.capacity >= 1 and working.busy == 0
    done = evaluated(working, 5)
    working.close()
    assert {n: trial.metrics["accuracy"] for n, trial in done.items()} == {n: n for n in range(5)}
    assert all(trial.error is None and trial.fidelity == 0.5 for trial in done.values())
    assert all(trial.genotype is PROPOSAL.genotype for trial in done.values()), "a copy"


def test_closing_ends_what_is_under_way(workers):
    working = workers(with_plain)
    working.submit(0, PROPOSAL)
    assert working.busy == 1
    working.close()
    assert working.busy == 0
    working.close()


@pytest.mark.parametrize(
    ("make", "says"), [(faulty, "no such data"), (with_at_fault, "trial 7 is at fault")]
)
def test_a_fault_arrives_as_one(workers, make, says):
    with pytest.raises(Fault) as caught:
        working = workers(make)
        working.submit(7, PROPOSAL)
        try:
            working.wait()
        finally:
            working.close()
    assert str(caught.value) == says


def test_it_says_whether_it_has_processes_of_its_own(workers):
    import os

    working = workers(with_plain)
    process = evaluated(working, 1)[0].metrics["process"]
    working.close()
    assert working.traits.own_processes == (process != os.getpid())
    assert working.traits.own_processes == workers.func.traits.own_processes
