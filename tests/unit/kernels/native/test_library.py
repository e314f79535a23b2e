"""The kernels get onto a machine with a compiler, and nothing is lost on one without."""

import ctypes
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from types import SimpleNamespace

import pytest
import torch

from nascli.kernels.native import compiling, library

COMPILER = next(filter(shutil.which, ("cc", "gcc", "clang")), None)
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and an empty folder for what is temporary."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "cache" / "nascli" / "kernels"


@pytest.fixture
def source(tmp_path, monkeypatch):
    """Puts a C file in place of ours."""
    folder = tmp_path / "sources"
    folder.mkdir()
    monkeypatch.setattr(compiling, "SOURCES", folder)

    def write(check, more=""):
        text = f"{more}\nint nas_check(int first) {{ (void)first; {check} }}\n"
        (folder / "all.c").write_text(text)

    write("return 0;")
    return write


def script(path, text):
    path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exec {COMPILER} --version\n{text}\n')
    path.chmod(0o700)
    return str(path)


@needs_compiler
def test_where_a_compiler_is_the_library_loads():
    assert library.load() is not None, library.why()
    assert library.why() == "" and library.load() is library.load()
    with library.without():
        assert library.load() is None and library.why() == "kernels=torch"
    assert library.load() is not None


@needs_compiler
def test_it_computes_with_the_threads_of_torch():
    before = torch.get_num_threads()
    try:
        for count in (3, 2):
            torch.set_num_threads(count)
            assert library.load().omp_get_max_threads() == count
    finally:
        torch.set_num_threads(before)


@needs_compiler
def test_an_openmp_of_another_name_is_the_one_that_is_used(cache, source, monkeypatch, tmp_path):
    """As in wheels that bring a copy under a name of their own."""
    own = tmp_path / "libgomp-1234.so.1"
    (tmp_path / "own.c").write_text(
        "int calls;\nint omp_get_num_threads(void) { return 1; }\n"
        "int omp_get_thread_num(void) { return 0; }\n"
        "void GOMP_parallel(void (*work)(void *), void *data, unsigned threads, unsigned flags)\n"
        "{ calls++; work(data); }\n"
    )
    flags = ["-shared", "-fPIC", f"-Wl,-soname,{own.name}"]
    subprocess.run([COMPILER, *flags, tmp_path / "own.c", "-o", own], check=True)
    monkeypatch.setattr(compiling, "_runtime", lambda: (own, False))
    loop = "\n#pragma omp parallel for\nfor (int i = 0; i < 4; i++) a[i] = i;\n"
    # In the process of the check: in this one, torch's is found before all others by anything.
    source(f"{loop} return first && calls != 1;", "extern int calls; int a[4];")
    compiling.library()


@needs_compiler
def test_a_library_is_compiled_once(cache, source, monkeypatch):
    said = []
    compiling.library(said.append)
    (file,) = cache.iterdir()
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    made = file.stat().st_mtime_ns
    compiling.library(said.append)
    assert file.stat().st_mtime_ns == made
    assert said == ["compiling kernels for this processor, once; this takes some seconds"]
    source("return 0;", "int more;")
    compiling.library()
    monkeypatch.setattr(compiling, "_processor", lambda: "another")
    compiling.library()
    monkeypatch.setenv("NASCLI_CFLAGS", "-O1")
    compiling.library()
    assert len(list(cache.iterdir())) == 4


@needs_compiler
@pytest.mark.parametrize("damage", [b"", b"\x7fELF damaged"])
def test_a_damaged_library_is_compiled_anew(damage, cache, source):
    cache.mkdir(parents=True, mode=0o700)
    (cache / "one.so").write_bytes(damage)
    said: list[str] = []
    command = [COMPILER, str(compiling.SOURCES / "all.c"), "-fPIC", "-shared"]
    assert compiling._loaded(cache / "one.so", command, said.append).nas_check(0) == 0


@needs_compiler
@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("return 3;", "their check fails: exit code 3"),
        ("__builtin_trap();", "their check fails: exit code -"),
        ("return no_such_thing;", "the compiler fails: .*no_such_thing"),
    ],
)
def test_what_computes_wrongly_never_gets_into_the_cache(check, said, cache, source):
    source(check)
    with pytest.raises(compiling.Unavailable, match=said):
        compiling.library()
    assert not list(cache.iterdir())


@pytest.mark.parametrize(
    ("given", "said"), [("", "there is no C compiler"), ("icc -O2", "CC=icc is no program")]
)
def test_no_compiler(given, said, cache, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CC", given)
    monkeypatch.setattr(library, "_TRIED", [])
    assert library.load() is None
    assert library.why() == said


@needs_compiler
def test_the_users_own_compiler_is_taken(cache, source, monkeypatch, tmp_path):
    mine = script(tmp_path / "mine", f'touch "{tmp_path}/used"; exec {COMPILER} "$@"')
    monkeypatch.setenv("CC", f"env {mine}")
    compiling.library()
    assert (tmp_path / "used").exists()


@needs_compiler
def test_another_place_where_the_cache_cannot_be_written(cache, source, tmp_path):
    (tmp_path / "cache").write_text("in the way")
    compiling.library()
    (folder,) = (tmp_path / "temporary").iterdir()
    assert folder.name == f"nascli-{os.getuid()}" and len(list(folder.iterdir())) == 1
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@needs_compiler
def test_another_place_where_nothing_may_run(cache, source, tmp_path, monkeypatch):
    def told(path):
        return SimpleNamespace(f_flag=os.ST_NOEXEC if str(path) == str(cache) else 0)

    monkeypatch.setattr(os, "statvfs", told)
    compiling.library()
    assert not list(cache.iterdir()) and list((tmp_path / "temporary").iterdir())


def open_to_all(folder, elsewhere):
    folder.mkdir()
    folder.chmod(0o777)


def link(folder, elsewhere):
    elsewhere.mkdir(mode=0o700)
    folder.symlink_to(elsewhere)


def of_somebody_else(folder, elsewhere):
    folder.mkdir(mode=0o700)
    os.chown(folder, os.getuid() + 1, -1)


@needs_compiler
@pytest.mark.parametrize("made", [open_to_all, link, of_somebody_else])
def test_a_folder_that_others_can_write_is_not_trusted(made, cache, source, tmp_path):
    if made is of_somebody_else and os.getuid():
        pytest.skip("only root can give a folder away")
    (tmp_path / "cache").write_text("in the way")
    made(tmp_path / "temporary" / f"nascli-{os.getuid()}", tmp_path / "elsewhere")
    with pytest.raises(compiling.Unavailable, match="is not a folder that only you can use"):
        compiling.library()


def child(work):
    number = os.fork()
    if not number:
        os.setsid()
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return number


@needs_compiler
def test_two_processes_compile_at_once(cache, source, monkeypatch, tmp_path):
    slow = f'touch "{tmp_path}/begun.$$"; until [ -e {tmp_path}/go ]; do sleep 0.01; done'
    monkeypatch.setenv("CC", script(tmp_path / "slow", f'{slow}; exec {COMPILER} "$@"'))
    both = [child(compiling.library) for _ in range(2)]
    wait_for(lambda: len(list(tmp_path.glob("begun.*"))) == 2)
    (tmp_path / "go").touch()
    assert [os.waitpid(number, 0)[1] for number in both] == [0, 0]
    (file,) = cache.iterdir()
    assert ctypes.CDLL(str(file)).nas_check(0) == 0


@needs_compiler
def test_killed_while_compiling(cache, source, monkeypatch, tmp_path):
    stuck = 'for last; do :; done; printf half > "$last"; exec sleep 60'
    with monkeypatch.context() as patch:
        patch.setenv("CC", script(tmp_path / "stuck", stuck))
        number = child(compiling.library)
        wait_for(lambda: cache.is_dir() and any(f.stat().st_size for f in cache.iterdir()))
        os.kill(number, signal.SIGKILL)
        os.waitpid(number, 0)
        os.killpg(number, signal.SIGKILL)  # the compiler
    assert compiling.library().nas_check(0) == 0


def wait_for(what):
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end
        time.sleep(0.005)
