import math

import pytest

from nascli.report import units


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("accuracy", 93.7824, "93.78 %"),
        ("valid_accuracy", 5.0, "5.00 %"),
        ("test_accuracies", 14.333, "14.33 %"),
        ("params", 3349342, "3.35 M"),
        ("params", 73306.0, "73,306"),
        ("macs", 528359050, "528.4 M"),
        ("flops", 1056718100, "1.06 G"),
        ("latency_ms", 12.6149, "12.61 ms"),
        ("latency_ms", 0.0123456, "0.01235 ms"),
        ("latency_ms", 1234.5, "1,234 ms"),
        ("peak_memory_mb", 7.025152, "7.025 MB"),
        ("peak_memory_mb", 0.035072, "35.07 kB"),
        ("ram_kib", 16.71582, "16.72 KiB"),
        ("energy_mj", 337.91, "337.9 mJ"),
        ("expected_flash_kib", 25.4512, "25.45 KiB"),
        ("pressure_flash_kib", 0.0454912, "0.04549"),
        ("train_loss", 0.33333333, "0.3333"),
        ("seconds", 125.2, "2 min 5 s"),
        ("seconds", 8.16, "8.2 s"),
        ("seconds", 59.7, "1 min 0 s"),
        ("seconds", 7500, "2 h 5 min"),
        ("trial", 17, "17"),
        ("mape", 0.01153, "1.2 %"),
        ("worst_error", -0.0367, "-3.7 %"),
        ("within_10", 1, "100.0 %"),
        ("accuracy", math.nan, "nan"),
    ],
)
def test_values_as_people_read_them(metric, value, text):
    assert units.readable(metric, value) == text


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        ("accuracy", "accuracy (%)"),
        ("valid_accuracy", "validation accuracy (%)"),
        ("latency_ms", "latency (ms)"),
        ("peak_memory_mb", "peak memory (MB)"),
        ("params", "parameters"),
        ("my_metric", "my metric"),
    ],
)
def test_labels_name_the_unit(metric, text):
    assert units.label(metric) == text
