from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import pytest
from omegaconf import OmegaConf

from nascli.config import kinds
from nascli.config.files import root
from nascli.core.budget import Budget


@pytest.mark.parametrize(
    ("annotation", "good", "bad", "words"),
    [
        (int, [0, -3], [True, 0.5, "3", None], "a whole number"),
        (float, [0, 0.5, float("inf")], [True, "3", None], "a number"),
        (bool, [True], [1, "yes"], "true or false"),
        (str, ["a", ""], [1, None, ["a"]], "a word"),
        (int | None, [3, None], ["a"], "a whole number or null"),
        (int | Literal["auto"], [3, "auto"], ["many"], "a whole number or auto"),
        (Literal["a", "b"], ["a"], ["c", 1], "a or b"),
        (Literal["a", "b", 3], ["a", 3], ["c", 1], "one of a, b, 3"),
        (Sequence[float], [[], [1, 2.5]], ["ab", 1], "a list [a,b]"),
        (Sequence[float], [[1]], [["a"]], "a list of which each is a number"),
        (tuple[float, float], [[1, 2]], [[1], [1, 2, 3]], "a list of 2"),
        (tuple[str, ...], [[], ["a", "b"]], [[1]], "a list of which each is a word"),
        (Mapping[str, Any], [{}], [[], 1], "a mapping {key: value}"),
        (Budget, [{}], [None, 5], "a mapping {key: value}"),
        (Callable[..., Any], [1, "a"], [None], "a component"),
        (Callable[..., Any] | None, [1, None, "a"], [], ""),
        (Any, [1, None], [], ""),
    ],
)
def test_what_an_annotation_allows(annotation, good, bad, words):
    assert [value for value in good if kinds.wanted(annotation, value)] == []
    assert [kinds.wanted(annotation, value) for value in bad] == [words] * len(bad)


def test_what_refers_to_another_value_is_looked_at_later():
    assert kinds.wanted(int, "${seed}") is None


def test_annotations_of_a_constructor_are_found():
    recipe = {"_target_": "nascli.training.recipe.Recipe"}
    assert kinds.of(recipe, "label_smoothing") is float
    assert kinds.of(recipe, "network") == Mapping[str, Any]
    assert kinds.of(recipe, "nothing") is Any
    assert kinds.of({"_target_": "nowhere.Nothing"}, "key") is Any


def test_defaults_of_parts_that_need_torch_say_what_kind_they_take():
    """So that a typo in one is told without importing it (`config.check`)."""
    looked = 0
    parts = ("relaxation", "sampler", "penalty", "perturbation", "discretisation", "stopper")
    groups = (*parts, "operation", "format", "surrogate")
    for file in [file for group in groups for file in sorted((root() / group).glob("*.yaml"))]:
        node = OmegaConf.to_container(OmegaConf.load(file))
        for key, default in node.items() if "_target_" in node else ():
            annotation = kinds.of(node, key)
            for value in ("x", 1.5, True, [], {}):
                if annotation is not Any and kinds.like(default, value):
                    looked += 1
                    assert kinds.wanted(annotation, value), (file, key, value)
    assert looked > 100
