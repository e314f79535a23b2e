"""Sizes beyond any network are refused by a stated bound, whatever the space."""

import pytest
from fixtures import ToyTask, composed
from hydra.utils import instantiate

from nascli.core.fault import Fault

MANY, WIDE = 501, 65_537
CASES = [
    ("cell", {"cells": MANY}, "space.cells is 501; it must be a whole number from 1 to 500"),
    ("cell", {"channels": WIDE}, "space.channels is 65537; .* from 2 to 65,536"),
    ("cell", {"nodes": 1000}, "space.nodes is 1000; .* from 1 to 20"),
    ("nasbench201", {"cells_per_stage": MANY}, "space.cells_per_stage is 501; .* to 500"),
    ("nasbench201", {"channels": WIDE}, "space.channels is 65537; .* from 1 to 65,536"),
    ("mobile", {"widths": [8], "depths": [1000]}, r"space.depths is \[1000\]; .* 500 together at"),
    ("mobile", {"widths": [8, 8], "depths": [300, 300]}, "space.depths .* 500 together at most"),
    ("mobile", {"stem_width": WIDE}, "stem/width is '65537'; .* channels, from 1 to 65,536"),
    ("mobile", {"classifier": "hidden_999999_relu"}, "classifier is 'hidden_999999_relu'; it must"),
    ("mobile", {"kernels": [101]}, "space.kernels has 101"),
    ("chain", {"layers": [{"channels": 8, "repeats": MANY}]}, "repeats is 501; .* from 1 to 500"),
    ("chain", {"layers": [{"channels": 8, "repeats": 300}] * 2}, "there are 600 layers, .* 500"),
    ("chain", {"width": 1e4}, "space.width is 10000, which makes 1,280,000 channels; at most"),
    ("hierarchical", {"cells": [MANY, 1, 1]}, "space.cells has 501 for stage 1; .* from 0 to 500"),
    ("hierarchical", {"cells": [300, [1, 300], 1]}, "space.cells are 601 together; at most 500"),
    ("once_for_all_small", {"depths": [2, MANY]}, "space.depths has 501; .* from 1 to 500"),
    ("once_for_all_small", {"widths": [16, 32, WIDE]}, "space.widths has 65537; .* to 65,536"),
    ("once_for_all_small", {"multipliers": [1000]}, "multipliers has 1000, which makes 192,000"),
    ("once_for_all_small", {"kernels": [3, 101]}, "space.kernels has 101; .* pixels up to 99"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "settings", "text"), CASES, ids=str)
def test_absurd_sizes_are_refused(name, settings, text):
    make = instantiate(composed(f"space={name}").space, _partial_=True)
    with pytest.raises(Fault, match=text):
        make(ToyTask(input_shape=(3, 32, 32)), **settings)
