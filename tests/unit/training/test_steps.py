import pytest
from fixtures import build, composed

from nascli.core.fault import Fault
from nascli.training.steps import check_steps

SMALL = ("data=synthetic", "device=none", "space.channels=2", "space.nodes=1")


def stated(*settings):
    return build.stated(composed(*SMALL, "estimator=train", *settings))


def test_one_image_at_a_time_leaves_batch_norm_nothing_where_one_pixel_is_left():
    # Two reductions leave 4 -> 1 pixels a side.
    problem = stated("data.size=4", "space.cells=3")
    with pytest.raises(Fault) as caught:
        check_steps(problem, 1)
    assert "leaves one pixel of images of 4x4: batch norm cannot train on one" in str(caught.value)
    check_steps(problem, 2)
    check_steps(stated("data.size=8", "space.cells=3"), 1)  # 2 pixels a side
    pools = "operation@space.operations=[none,skip_connect,avg_pool_3x3]"
    with pytest.raises(Fault):  # cells still begin with batch norms
        check_steps(stated("data.size=4", "space.cells=3", pools), 1)


@pytest.mark.parametrize("part", ["estimator=train", "strategy=darts", "estimator=one_shot"])
def test_whoever_trains_looks_first(part):
    others = ["strategy=random"] if part.startswith("estimator") else []
    cells = ("data.size=4", "space.cells=3", "training.batch_size=1")
    config = composed(*SMALL, *others, part, *cells)
    with pytest.raises(Fault, match="^training.batch_size is 1|: training.batch_size is 1"):
        build.search(config)


def test_what_trains_nothing_may_take_one_image():
    small = ("data=synthetic", "data.size=4", "training.batch_size=1", "device=none")
    table = composed("space=nasbench201", "strategy=random", "estimator=table", *small)
    assert build.search(table).problem.recipe.batch_size == 1


def test_a_space_of_sizes_has_no_open_plan_and_is_looked_at_all_the_same():
    small = ("data=synthetic", "device=none", "space=once_for_all_small", "data.size=8")
    problem = build.stated(composed(*small, "space.resolutions=[8]", "estimator=train"))
    with pytest.raises(Fault, match="leaves one pixel of images of 8x8"):  # strides of 8 in all
        check_steps(problem, 1)
    check_steps(problem, 2)
