"""Memory that stays with the process, by what is asked of the C library."""

from types import SimpleNamespace

import pytest
from torch import nn

from nascli.core import memory
from nascli.devices.cpu import Cpu
from nascli.programs.threads import computing_with


@pytest.fixture
def asked(monkeypatch):
    """What is asked of a C library that takes all; in the end `keep` has been asked of none."""
    calls = []
    library = SimpleNamespace(calls=calls, mallopt=lambda *given: calls.append(given) or 1)
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: library)
    memory.keep.cache_clear()
    yield library
    memory.keep.cache_clear()


def test_the_process_keeps_the_memory_of_passes_from_the_first_one_on(asked):
    """M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of malloc.h are -3 and -1."""
    Cpu(repeats=1, warmup=0).latency(nn.Identity(), (3, 4, 4))
    Cpu(repeats=1, warmup=0).latency(nn.Identity(), (3, 4, 4))
    assert asked.calls == [(-3, 2**30), (-1, 2**30)]


def test_a_training_keeps_its_memory_too(asked):
    with computing_with(1, SimpleNamespace(task=SimpleNamespace(input_shape=(3, 4, 4)))):
        assert asked.calls == [(-3, 2**30), (-1, 2**30)]


def test_a_c_library_that_refuses_such_blocks_is_asked_for_what_it_allows(asked):
    """Before glibc 2.35 that was half of a heap, 32 MiB; one threshold alone would do harm."""
    calls = asked.calls
    asked.mallopt = lambda name, size: calls.append((name, size)) or int(size <= 2**25)
    memory.keep()
    assert calls == [(-3, 2**30), (-3, 2**25), (-1, 2**30)]
    calls.clear()
    asked.mallopt = lambda *given: calls.append(given) or 0
    memory.keep.cache_clear()
    memory.keep()
    assert calls == [(-3, 2**30), (-3, 2**25)]


def test_another_c_library_is_left_alone(asked):
    del asked.mallopt
    Cpu(repeats=1, warmup=0).latency(nn.Identity(), (3, 4, 4))
