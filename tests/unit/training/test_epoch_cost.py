import pytest
from nascli.gradient.effort import Effort


@pytest.fixture
def zone(tmp_path):
    """A processor's energy counter that turns over at 1 J."""
    folder = tmp_path / "intel-rapl:0"
    folder.mkdir()
    (folder / "max_energy_range_uj").write_text("1000000\n")

    def counts(microjoules):
        (folder / "energy_uj").write_text(f"{microjoules}\n")

    counts(0)
    return counts


def test_energy_is_the_mean_over_epochs_and_outlives_a_turn_of_the_counter(zone, tmp_path):
    effort = Effort("cpu", tmp_path)
    zone(200_000)
    with effort.epoch():
        zone(700_000)
    assert effort.metrics()["search_epoch_joules"] == pytest.approx(0.5)
    with effort.epoch():
        zone(100_000)
    assert effort.metrics()["search_epoch_joules"] == pytest.approx((0.5 + 0.4) / 2)


def test_energy_is_left_out_where_it_cannot_be_read(tmp_path):
    effort = Effort("cpu", tmp_path)
    with effort.epoch():
        sum(range(1000))
    found = effort.metrics()
    assert set(found) == {"search_epoch_seconds", "search_memory_mb"}
    assert 0 < found["search_epoch_seconds"] < 60
    assert 1 < found["search_memory_mb"] < 1e6
