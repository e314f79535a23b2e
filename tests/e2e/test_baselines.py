"""A network beside its baselines, as a command."""

import json

from fixtures import TINY, TINY_SPACE, Heard

import nascli

SMALL = (*TINY, *TINY_SPACE["cell"], "data.images=64", "training.epochs=1")


def test_a_network_beside_its_baselines_is_trained_and_gone_on_with(nas, tmp_path):
    words = ("genotype=darts_v2", "seeds=2", "baselines=[random]", "random_genotypes=1")
    done = nas("retrain", *words, *SMALL)
    assert done.code == 0, done.stderr
    assert "ranks can reach is 0.500; 0.05 takes random_genotypes=19" in done.stderr
    assert "this genotype" in done.stderr and "random 1" in done.stderr
    report = json.loads((tmp_path / done.run / "report.json").read_text())
    assert "no interval: one genotype only" in report["verdict"][0]
    assert report["verdict"][0] in done.stderr.replace("\n", " ")
    assert report["verdict"][0] in nas("show", str(done.run)).stdout
    (tmp_path / done.run / "report.html").unlink()  # as if it had been stopped before the end
    said = []
    again = nascli.retrain(resume=tmp_path / done.run, listener=Heard(warned=said.append))
    assert "resuming after 4 trainings" in said
    assert not any(" parameters on " in line for line in said)
    assert {**again.report, "seconds": 0} == {**report, "seconds": 0}
