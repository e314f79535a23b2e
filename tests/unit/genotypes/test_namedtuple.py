"""Genotypes as papers' code has them are read, and never run."""

import pytest

from nascli.core.fault import Fault
from nascli.genotypes import load, namedtuple

# github.com/quark0/darts, cnn/genotypes.py
DARTS_V2 = """DARTS_V2 = Genotype(
    normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1),
            ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)],
    normal_concat=[2, 3, 4, 5],
    reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1),
            ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)],
    reduce_concat=[2, 3, 4, 5])"""


def test_the_published_text_is_the_published_genotype():
    assert load(DARTS_V2).choices == load("darts_v2").choices
    bare = DARTS_V2.partition("=")[2].replace("[2, 3, 4, 5]", "range(2, 6)")
    assert load(f"genotypes.{bare.strip()}").choices == load("darts_v2").choices


def test_a_published_name_may_have_other_letters(tmp_path, monkeypatch):
    assert load("DARTS_V2") == load("darts-v2")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "DARTS_V2").write_text("{}")
    with pytest.raises(Fault, match="DARTS_V2"):  # a file of that name goes before
        load("DARTS_V2")


SMALL = "Genotype(normal=[('a', 0), ('b', 1)], normal_concat=[2], reduce={}, reduce_concat=[2])"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SMALL.format("[('a', 0), ('b', 0)]"), "two different ones below 2"),
        (SMALL.format("[('a', 0), ('b', 2)]"), "two different ones below 2"),
        (SMALL.format("[('a', 0)]"), "two (operation, state) for every node"),
        (SMALL.format("[('a', 0), ('b', 1)]").replace("[2])", "[3])"), "concatenates [3]"),
        (SMALL.format("[('a', 0), ('b', 1)]").replace("[2])", "range(10000000000))"), "1000 nodes"),
        ("Genotype(normal=[])", "normal_concat"),
        ("Genotype(", "never closed"),
        ("Genotype(normal=open('x'), normal_concat=[2], reduce=1, reduce_concat=[2])", "malformed"),
        ("Genotype(1, 2, 3, 4); import os", "too many values"),
        (SMALL.format("[('a', 'x'), ('b', 1)]"), "invalid literal"),
        ("Genotype(" + "(" * 500, "not a genotype as papers' code has it"),
    ],
)
def test_what_is_none_is_a_fault(text, said):
    with pytest.raises(Fault) as caught:
        namedtuple.parse(text)
    assert said in str(caught.value) and "Genotype(normal=[('sep_conv_3x3', 0), ...]" in str(
        caught.value
    )


def test_nothing_of_it_runs(tmp_path):
    there = tmp_path / "there"
    for text in (f"Genotype(open({str(there)!r}, 'w'), [2], [], [2])", "Genotype(range(10**12))"):
        with pytest.raises(Fault):
            namedtuple.parse(text)
    assert not there.exists()
