"""The two halves of the training images, as the two levels of a search take them."""

import pytest
from fixtures import TINY, TINY_SPACE, build, composed

from nascli.gradient.halves import Halves


@pytest.mark.parametrize(("batch", "steps"), [(36, 2), (37, 1), (72, 1), (100, 1)])
def test_an_epoch_is_as_many_steps_as_the_weights_half_has_whole_batches(batch, steps):
    words = ["strategy=darts", "space=nasbench201", *TINY, *TINY_SPACE["nasbench201"]]
    config = composed(*words, "data.images=256", f"training.batch_size={batch}")
    made = Halves(build.problem(config, build.Faults()))
    assert made.steps == steps
    assert len(made.train()[0]) == len(made.valid()[0]) == min(batch, 72)
