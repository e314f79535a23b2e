"""What it takes to get the kernels onto a machine: compiling and loading them; and Numba beside it.

python benchmarks/kernel_library.py [PYTHON]     (of an environment that has Numba)

The library is compiled into an empty cache and then loaded from it, each in a process of its own
that has imported torch. Numba's row is one depthwise convolution of 3 x 3 pixels, first compiled
and then from its cache; the same in C stands beside it. Seconds of the processor and on the clock.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import tabular

from nascli.devices.processor import processor

ROUNDS = 5
KINDS = ("processor", "clock")
LIBRARY = """
import json, resource, time, torch
from nascli.kernels.native import compiling

def now():
    return sum(sum(resource.getrusage(who)[:2]) for who in (0, -1)), time.perf_counter()

begun = now()
found = compiling.library()
print(json.dumps([b - a for a, b in zip(begun, now())]))
"""
NUMBA = """
import json, sys, time

def now():
    return time.process_time(), time.perf_counter()

begun = now()
import numba, numpy
imported = now()

@numba.njit(parallel=True, cache=True)
def depthwise(x, w, y):
    for b in numba.prange(x.shape[0]):
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                for c in range(x.shape[3]):
                    y[b, i, j, c] = 0
                for k in range(max(0, 1 - i), min(3, x.shape[1] + 1 - i)):
                    for l in range(max(0, 1 - j), min(3, x.shape[2] + 1 - j)):
                        for c in range(x.shape[3]):
                            y[b, i, j, c] += w[k, l, c] * x[b, i + k - 1, j + l - 1, c]

x = numpy.ones((64, 8, 8, 16), "f")
depthwise(x, numpy.ones((3, 3, 16), "f"), numpy.empty_like(x))
print(json.dumps([b - a for a, b in zip(begun + imported, imported + now())]))
"""
C = """
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
void nas_depthwise(const float *x, const float *w, float *y, int B, int H, int W, int C)
{
#pragma omp parallel for schedule(static)
    for (int b = 0; b < B; b++)
        for (int i = 0; i < H; i++)
            for (int j = 0; j < W; j++) {
                float *to = y + ((b * H + i) * W + j) * C;
                for (int c = 0; c < C; c++)
                    to[c] = 0;
                for (int k = MAX(0, 1 - i); k < MIN(3, H + 1 - i); k++)
                    for (int l = MAX(0, 1 - j); l < MIN(3, W + 1 - j); l++)
                        for (int c = 0; c < C; c++)
                            to[c] += w[(k * 3 + l) * C + c] *
                                     x[((b * H + i + k - 1) * W + j + l - 1) * C + c];
            }
}
"""


def told(python: str, code: str, folder: Path, **environment: str) -> list[float]:
    """What a process prints."""
    file = folder / "code.py"
    file.write_text(code)
    paths = {"PYTHONPATH": str(Path(__file__).resolve().parents[1]), **environment}
    command = subprocess.run(
        [python, file], env=os.environ | paths, check=True, capture_output=True
    )
    return json.loads(command.stdout)


def row(found: list[list[float]], *names: str) -> dict[str, float]:
    """The medians."""
    columns = zip(*found, strict=True)
    return {name: round(statistics.median(v), 4) for name, v in zip(names, columns, strict=True)}


def compiled_in_c(folder: Path) -> dict[str, float]:
    (folder / "one.c").write_text(C)
    flags = ["-O3", "-march=native", "-fopenmp", "-fPIC", "-shared"]
    code = "import json, resource, subprocess, time; begun = time.perf_counter(); subprocess.run("
    code += f"{['cc', *flags, str(folder / 'one.c'), '-o', str(folder / 'one.so')]}, check=True); "
    code += "print(json.dumps([sum(resource.getrusage(-1)[:2]), time.perf_counter() - begun]))"
    found = [told(sys.executable, code, folder) for _ in range(ROUNDS)]
    return row(found, "compiling_processor_s", "compiling_clock_s")


def by_numba(python: str, folder: Path) -> dict[str, float]:
    caches = [str(folder / f"numba{number}") for number in range(ROUNDS)]
    first = [told(python, NUMBA, folder, NUMBA_CACHE_DIR=cache) for cache in caches]
    again = [told(python, NUMBA, folder, NUMBA_CACHE_DIR=cache)[2:] for cache in caches]
    size = "import json, pathlib, numba, llvmlite\nfolders = [pathlib.Path(m.__file__).parent "
    size += "for m in (numba, llvmlite)]\n"
    size += "print(json.dumps([sum(f.stat().st_size for d in folders for f in d.rglob('*'))]))"
    return {
        **row(
            first, *(f"{what}_{kind}_s" for what in ("importing", "first_call") for kind in KINDS)
        ),
        **row(again, *(f"cached_call_{kind}_s" for kind in KINDS)),
        "installed_bytes": told(python, size, folder)[0],
    }


def main() -> None:
    result: dict[str, object] = {"processor": processor(), "load": round(os.getloadavg()[0], 1)}
    with tempfile.TemporaryDirectory() as place:
        folder, fresh, again = Path(place), [], []
        for number in range(ROUNDS):
            cache = str(folder / f"cache{number}")
            fresh.append(told(sys.executable, LIBRARY, folder, XDG_CACHE_HOME=cache))
            again.append(told(sys.executable, LIBRARY, folder, XDG_CACHE_HOME=cache))
        result["library"] = {
            **row(fresh, "compiling_processor_s", "compiling_clock_s"),
            **row(again, "loading_processor_s", "loading_clock_s"),
            "bytes": max(file.stat().st_size for file in folder.glob("cache0/**/*.so")),
        }
        result["one kernel in C"] = compiled_in_c(folder)
        if sys.argv[1:]:
            result["the same by Numba"] = by_numba(sys.argv[1], folder)
    print(json.dumps(result, indent=2))
    tabular.save("kernel_library", result)


if __name__ == "__main__":
    main()
