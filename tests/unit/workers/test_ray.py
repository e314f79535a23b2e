"""On a real cluster of two Ray nodes on this machine; skipped where Ray is not installed."""

import sys

import pytest
from makes import PROPOSAL, Rough, broken, evaluated, with_loud, with_plain

from nascli.core.fault import Fault
from nascli.workers.ray import Ray


def test_without_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(Fault, match=r"workers=ray needs Ray: pip install 'nascli\[ray\]'"):
        Ray(with_plain)


@pytest.fixture(scope="module")
def cluster():
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    made.second = made.add_node(num_cpus=1)
    yield made
    made.shutdown()


@pytest.fixture
def ray(cluster):
    """Builds `Ray` on the cluster and ends it with the test."""
    made = []

    def build(*arguments, **options):
        made.append(Ray(*arguments, address=cluster.address, **options))
        return made[-1]

    yield build
    for working in made:
        working.close()


def test_room_for_one_trial_a_core(ray):
    assert ray(with_plain).capacity == 2


def test_a_process_that_dies_costs_its_own_trial_a_second_try(ray, tmp_path):
    make = Rough(tmp_path)
    done = evaluated(ray(make), 4)
    assert all(trial.error is None for trial in done.values())
    assert len(make.tries(1)) == 2


def test_a_trial_that_always_kills_its_process_fails_alone(ray, tmp_path):
    make = Rough(tmp_path, deaths=99, how="exit")
    done = evaluated(ray(make, retries=1), 4)
    assert done.pop(1).error.startswith("its worker process died 2 times, last message: The worker")
    assert len(make.tries(1)) == 2
    assert all(trial.error is None for trial in done.values())


def test_a_trial_that_hangs_is_ended(ray, tmp_path):
    working = ray(Rough(tmp_path, how="hang"), trial_seconds=0.05)
    working.submit(1, PROPOSAL)
    (ended,) = working.wait()
    assert ended.error == "took longer than workers.trial_seconds=0.05"
    assert working.busy == 0


def test_an_error_in_building_arrives_with_its_traceback(ray):
    working = ray(broken)
    working.submit(0, PROPOSAL)
    with pytest.raises(RuntimeError, match="in broken(.|\n)*ValueError: a bug of ours"):
        working.wait()


def test_stdout_stays_clean(ray, tmp_path, capfd):
    loud, dying = ray(with_loud), ray(Rough(tmp_path))
    evaluated(loud, 1)
    evaluated(dying, 2)
    dying.close()
    loud.close()
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"cpus": 3.5}, "workers.cpus is 3.5; it must be a whole number, 1 or above"),
        ({"gpus": -1}, "workers.gpus is -1; it must be a number, 0 or above"),
        ({"address": "ray://127.0.0.1:1"}, "Ray Client cannot run a search"),
        ({"address": "127.0.0.1:1"}, "no Ray cluster at workers.address=127.0.0.1:1: "),
    ],
)
def test_settings_that_make_no_sense(options, says):
    pytest.importorskip("ray")
    with pytest.raises(Fault) as caught:
        Ray(with_plain, **options)
    assert says in str(caught.value)


def test_a_trial_that_fits_nowhere(ray):
    with pytest.raises(Fault) as caught:
        ray(with_plain, gpus=1)
    assert str(caught.value) == (
        "a trial needs 1 core and 1 GPU (workers.cpus, workers.gpus), but the cluster has 2 and 0"
    )


def test_a_lost_machine_takes_no_place_with_it(ray, cluster):
    working = ray(with_plain)
    assert len(evaluated(working, 4)) == 4
    cluster.remove_node(cluster.second)
    assert working.capacity == 2
    assert all(trial.error is None for trial in evaluated(working, 6).values())
