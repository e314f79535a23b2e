import math

from fixtures import drawn_words as words

from nascli.core.genotype import Genotype
from nascli.core.trial import History, Trial
from nascli.report import curves


def test_training_shows_what_is_there():
    epochs = [
        {"epoch": e, "train_accuracy": 50.0 + e, "valid_accuracy": 40.0 + e, "train_loss": 2.0 / e}
        for e in range(1, 4)
    ]
    (drawn,) = curves.training(epochs).values()
    assert {"epoch", "accuracy (%)", "loss"} <= words(drawn)
    assert {"training accuracy", "validation accuracy", "training loss"} <= words(drawn)
    (alone,) = curves.training([{"epoch": 1, "train_loss": 1.0}]).values()
    assert "loss" in words(alone)
    assert not any("accuracy" in word for word in words(alone))


def test_training_without_numbers_gives_no_figure():
    assert curves.training([]) == {}
    assert curves.training([{"epoch": 1, "train_loss": math.nan}]) == {}


def looked_at(number, **metrics):
    return Trial(number, Genotype("toy", ("a",), (str(number),)), 1.0, metrics, 1.0)


def test_a_gradient_search_shows_its_signs_of_a_collapse():
    trials = [
        looked_at(
            n, accuracy=50.0 + n, path_accuracy=9.0, skips_normal=n, skips_reduce=1, entropy=1
        )
        for n in range(3)
    ]
    (drawn,) = curves.readout(History(trials)).values()
    assert {"skip connections", "normal", "reduce", "entropy", "path accuracy"} <= words(drawn)
    assert "eigenvalue" not in words(drawn)
    looked = [looked_at(n, accuracy=50.0, entropy=0.5, eigenvalue=2.0 + n) for n in range(3)]
    (drawn,) = curves.readout(History(looked)).values()
    assert "eigenvalue" in words(drawn)
    assert "skip connections" not in words(drawn)


def test_a_search_without_a_readout_has_no_such_figure():
    assert curves.readout(History([looked_at(0, accuracy=50.0)])) == {}
