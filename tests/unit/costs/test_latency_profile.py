import json
from dataclasses import replace

import pytest

from nascli.core.device import Kernel, Latency
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.costs import conditions
from nascli.costs.latency_profile import CHECK, FILE, FIT, Measured, Profile, read

CONDITIONS = {"threads": 1, "dtype": "float32", "device": "a processor", "runtime": "eager"}


def measured(number, ms, use=FIT):
    latency = Latency(ms, ms / 2, 2 * ms, 9, CONDITIONS, 0.9 * ms)
    return Measured(Genotype.of("toy", {"a": str(number)}), latency, 100.0 + number, use)


def profile(*rows):
    errors, check = {"sum": 0.3, "least squares": 0.01}, {"networks": 1, "mape": 0.02}
    return Profile("toy", "digits", "cpu", CONDITIONS, rows, "least squares", errors, check)


@pytest.fixture
def written(tmp_path):
    made = profile(*(measured(n, 1.0 + n) for n in range(9)), measured(9, 3.0, CHECK))

    def write(change=lambda data: None):
        data = made.to_json()
        change(data)
        (tmp_path / FILE).write_text(json.dumps(data), encoding="utf-8")
        return tmp_path

    return made, write


def test_comes_back_as_it_was_written(written, tmp_path):
    made, write = written
    assert read(tmp_path) is None
    assert read(write()) == made
    assert [one.use for one in made.of(CHECK)] == [CHECK]


KERNELS = (Kernel("conv 3x3", (3, 8, 8), (16, 4, 4), 0.25), Kernel("a", (1, 1, 1), (1, 1, 1), 1.0))


def test_what_the_runtime_said_of_kernels_comes_back(tmp_path):
    made = profile(replace(measured(0, 1.0), kernels=KERNELS), measured(1, 2.0))
    (tmp_path / FILE).write_text(json.dumps(made.to_json()), encoding="utf-8")
    assert read(tmp_path) == made and made.measured[1].kernels == ()


def test_anchors_are_from_the_fastest_to_the_slowest_network(written):
    made, _ = written
    assert [one.latency.median_ms for one in made.anchors] == [1, 3, 5, 7, 9]
    assert len(profile(*(measured(n, 3.0) for n in range(3))).anchors) == 3


def put(*path_and_value):
    *path, value = path_and_value

    def change(data):
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data.pop("format"), "format is missing"),
        (put("format", "x"), "format is 'x'"),
        (lambda data: data.pop("model"), "model is missing"),
        (put("model", ""), "model is empty"),
        (put("conditions", [1]), r"conditions is \[1\]; it must be an object"),
        (put("conditions", "threads", [1]), r"conditions.threads is \[1\]"),
        (put("measured", []), r"measured is \[\]; it must be a list of networks"),
        (put("measured", 0, 3), "measured has 3; each must be an object"),
        (put("measured", 0, "median_ms", -1), "median_ms is -1; it must be a number of at least 0"),
        (put("measured", 0, "p10_ms", 0), "0, 0.9, 1, 2 ms: out of order"),
        (put("measured", 0, "lower_quartile_ms", 0.02), "0.5, 0.02, 1, 2 ms: out of order"),
        (put("measured", 0, "p90_ms", 0.5), "0.5, 0.9, 1, 0.5 ms: out of order"),
        (put("measured", 0, "use", "show"), "use is 'show'; it must be fit or check"),
        (put("measured", 0, "genotype", {"space": 3}), "a genotype needs 'space'"),
        (
            lambda data: [row.update(use="check") for row in data["measured"]],
            "no network to predict",
        ),
        (
            put("measured", 0, "kernels", 3),
            "kernels has 3; each must be a name, two shapes, a share",
        ),
        (put("measured", 0, "kernels", [["a", [1, 8], [1, 8, 8], 0.5]]), "kernels has "),
        (put("measured", 0, "kernels", [["a", [1, 8, 8], [1, 8, 8.5], 0.5]]), "kernels has "),
        (put("measured", 0, "kernels", [["a", [1, 8, 8], [1, 0, 8], 0.5]]), "kernels has "),
        (put("measured", 0, "kernels", [["a", [1, 8, 8], [1, 8, 8], 1.5]]), "kernels has "),
        (put("measured", 0, "kernels", [[3, [1, 8, 8], [1, 8, 8], 0.5]]), "kernels has 3|3, "),
        (put("errors", {"sum": "x"}), "errors.sum is 'x'"),
        (put("check", None), "check is None"),
    ],
)
def test_a_damaged_one_is_named_with_what_is_wrong(written, change, says):
    _, write = written
    folder = write(change)
    with pytest.raises(Fault, match=f"profile.json' is damaged: .*{says}"):
        read(folder)


def test_one_of_a_later_version_is_said_to_be(written):
    folder = written[1](put("format", 2))
    with pytest.raises(Fault, match=r"^a later version of nascli has written '.*': take that"):
        read(folder)


def again(*milliseconds):
    return [Latency(ms, ms, ms, 9) for ms in milliseconds]


def test_anchors_give_the_scale_of_today_in_words():
    scale, told = conditions.scale([1.0, 2.0, 4.0], again(1.5, 2.9, 6.1))
    assert scale == 1.5  # of 1.5, 1.45 and 1.525
    assert told.startswith("3 of its networks measured again took 1.45 to 1.52 times what is")
    assert "scaled by 1.5" in told and "disagree" not in told
    _, told = conditions.scale([1.0, 2.0, 4.0], again(1.5, 2.6, 6.1))
    assert "they disagree by more than a tenth" in told


@pytest.mark.parametrize("spoilt", [0.7, 1.3])
def test_anchors_that_disagree_are_refused(spoilt):
    with pytest.raises(Fault, match="which no factor mends.*nas profile, or say device.scale=1"):
        conditions.scale([1.0, 1.0, 1.0], again(1.0, 1.0, spoilt))
    assert conditions.scale([1.0, 1.0, 1.0], again(1.0, 1.0, 1 + (spoilt - 1) / 1.5))[0] == 1.0


def test_conditions_are_compared_where_both_are_known():
    now = {**CONDITIONS, "threads": 2, "torch": "2.14"}
    assert conditions.differing(CONDITIONS, now) == "threads '1' then and '2' now"
    assert conditions.differing(CONDITIONS, CONDITIONS) == ""
    old = {"threads": 1}  # before runtimes were recorded, all ran layer by layer
    found = conditions.differing(old, {"threads": 1, "runtime": "compiled"})
    assert found == "runtime 'eager' then and 'compiled' now"
    assert conditions.words(CONDITIONS) == "a processor, threads 1, dtype float32, runtime eager"
