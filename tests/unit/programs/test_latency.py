"""An answer's latency beside what it was said to take, on a machine that changes its speed."""

from dataclasses import replace

import pytest
from fixtures import TINY, build, composed

from nascli.core.device import Latency
from nascli.core.genotype import Genotype
from nascli.programs.latency import beside
from nascli.report import latency_words

OPTIONS = ("avg_pool_3x3", "nor_conv_1x1", "nor_conv_3x3")


class Profiled:
    """Says of every network that it takes 2 ms; its anchors took 1, 2 and 4."""

    name, notice, how = "latency_table", "", "a sum"

    def __init__(self, anchors, scale):
        self.anchors, self.scale = anchors, scale

    def conditions(self):
        return {}

    def fits(self, space):
        pass

    def latency_ms(self, genotype):
        return 2.0

    def doubt(self, genotype):
        return ""

    def constant_ms(self):
        return 0.0

    def layer_ms(self, layer):
        return 1.0


class Clocked:
    """Gives times for networks in the order in which they are asked for."""

    name = "cpu"

    def __init__(self, *milliseconds):
        self.milliseconds = milliseconds

    def latencies(self, cases):
        assert len(cases) == len(self.milliseconds) and all(len(case) == 2 for case in cases)
        return [Latency(ms, ms, ms, 9) for ms in self.milliseconds]


@pytest.fixture
def made():
    problem = build.stated(composed("space=nasbench201", "space.channels=4", *TINY))
    names = tuple(problem.space.decisions)
    genotypes = [Genotype("nasbench201", names, (o,) * len(names)) for o in OPTIONS]
    anchors = list(zip(genotypes, (1.0, 2.0, 4.0), strict=True))
    return replace(problem, device=Profiled(anchors, scale=1.25)), genotypes[1]


def told(latency, words=latency_words.beside, **constraints):
    return list(words({"latency": latency, "problem": {"constraints": constraints}}))


def doubts(latency, **constraints):
    return told(latency, latency_words.doubts, **constraints)


def test_anchors_tell_how_fast_the_machine_is_beside_the_answer(made):
    """At the start all took 1.25 times what is recorded, at the end 1.5 times."""
    found = beside(*made, Clocked(3.0, 1.5, 3.0, 6.0), 2.5)
    assert (found["measured_ms"], found["predicted_ms"]) == (3.0, 2.5)
    assert found["predicted_now_ms"] == pytest.approx(3.0)
    assert found["error"] == pytest.approx(2.5 / 3 - 1)
    assert found["error_now"] == pytest.approx(0)
    (line,) = told(found)
    assert "2.500 ms predicted (-16.7%; as fast as its anchors are now: 3.000 ms, +0.0%)" in line


def test_a_slower_machine_is_no_broken_bound(made):
    """1.2 times as slow as when the search began: 3 ms are 2.5 at that speed."""
    found = beside(*made, Clocked(3.0, 1.5, 3.0, 6.0), 2.5)
    assert len(told(found, latency_ms=3.1)) == 1
    kept = told(found, latency_ms=2.6)[1]
    assert kept.startswith("measured now, the answer takes 3 ms, above constraints.latency_ms=2.6;")
    assert "at the speed that its anchors had it takes 2.5 ms and keeps it" in kept
    assert doubts(found) == doubts(found, latency_ms=2.6) == []
    assert len(told(found, latency_ms=2.4)) == 1
    (broken,) = doubts(found, latency_ms=2.4)
    assert broken == "measured now, the answer takes 3 ms, above constraints.latency_ms=2.4"


def test_what_was_kept_in_the_search_and_is_not_now_says_what_has_changed():
    found = {"measured_ms": 1.6, "median_ms": 1.7, "p10_ms": 1.5, "p90_ms": 1.8, "repeats": 9}
    (line,) = doubts(found | {"in_search_ms": 0.7785}, latency_ms=1.5)
    assert line.startswith("measured now, the answer takes 1.6 ms, above constraints.latency_ms")
    assert "and 0.7785 ms in the search: the machine's speed has changed; measure it" in line
    (line,) = doubts(found | {"in_search_ms": 1.55}, latency_ms=1.5)
    assert "machine's" not in line
    assert doubts(found | {"uncertain": "other work"}) == ["other work"]


def test_anchors_that_disagree_tell_nothing(made):
    found = beside(*made, Clocked(3.0, 1.5, 3.0, 12.0), 2.5)
    assert "predicted_now_ms" not in found and "error_now" not in found
    (line,) = told(found)
    assert "2.500 ms predicted (-16.7%) by: a sum" in line


def test_nothing_is_measured_without_a_device(made):
    found = beside(*made, None, 2.5)
    assert found == {"predicted_ms": 2.5, "predicted_by": "a sum"}
    (line,) = told(found)
    assert line == "latency: 2.500 ms predicted by: a sum"


def test_a_profile_says_how_well_its_networks_are_known_themselves():
    found = {"model": "a sum", "known_to": 0.012}
    seconds, rounds = {"repeats": 9, "seconds": 1.0, "batch": 1}, {"rounds": 5}
    said = latency_words.prediction({"prediction": found}, seconds)
    assert said.endswith("networks are measured to within 1.2% (median)")
    found["known_to"] = 0.031
    said = latency_words.prediction({"prediction": found}, seconds)
    assert said.endswith("within 3.1% (median; longer: device.seconds, device.repeats)")
    said = latency_words.prediction({"prediction": {"model": "a sum"}}, rounds)
    assert said.endswith("too few times to say how well; longer: device.rounds")


def test_an_answer_is_measured_as_it_is_deployed(made):
    """Anchors and answer alike: the search's own networks are smaller."""
    problem, genotype = made
    config = composed("space=nasbench201", "space.channels=4", *TINY, "+deploy.channels=16")
    deployed = replace(build.stated(config), device=problem.device)
    there = deployed.deployed.space
    seen = []

    class Weighing(Clocked):
        def latencies(self, cases):
            seen.extend(sum(p.numel() for p in network.parameters()) for network, _ in cases)
            return super().latencies(cases)

    beside(deployed, genotype, Weighing(3.0, 1.5, 3.0, 6.0), 2.5)
    expected = [genotype, *(anchor for anchor, _ in problem.device.anchors)]
    assert seen == [sum(p.numel() for p in there.network(g).parameters()) for g in expected]
