"""Another machine, reached by a command of the user's that runs an exported network there."""

from __future__ import annotations

import contextlib
import math
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nascli.core.device import Latency
from nascli.core.fault import Fault
from nascli.devices.settings import check

if TYPE_CHECKING:
    from torch import nn

NETWORK = "{network}"
_MOST_MS = 10 * 60 * 1000.0
_SHOWN = 200  # characters of what a command has printed


class Remote:
    """Writes networks as ONNX, runs a command on each, and reads milliseconds from what it prints.

    The command is one of the user's: it copies the file to where it is to run, runs it there, and
    prints on its last line the milliseconds of a pass, or of several passes with blanks between.
    It is started without a shell (write `sh -c '...'` for one) once a round for every network.

    Args:
        command: with `{network}` for the path of the file; it may have `{batch}` and `{threads}`.
        timeout: seconds after which a run of the command is ended.
        rounds: times that it runs on every network, all networks in turn.
        batch: images that the network takes at once.
        threads: told to the command, and recorded.
        int8: weights and activations of 8 bits, their ranges from random images: for speed only.

    Raises:
        Fault: a setting is not allowed.
    """

    name = "remote"

    def __init__(
        self,
        command: str,
        timeout: float = 120.0,
        rounds: int = 3,
        batch: int = 1,
        threads: int = 1,
        int8: bool = False,
    ) -> None:
        check(self.name, "float32", batch=batch, threads=threads, rounds=rounds)
        if not timeout > 0:
            raise Fault(f"device remote: timeout must be above 0, not {timeout}")
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise Fault(f"device.command '{command:.200}' cannot be split: {error}") from error
        if not any(NETWORK in word for word in self._words):
            raise Fault(
                f"device.command '{command:.200}' does not say where the network's file goes: "
                f"write {NETWORK} there, as in \"sh -c 'scp {NETWORK} pi:n && ssh pi ./time n'\""
            )
        self.command, self.timeout, self.rounds = command, timeout, rounds
        self.batch, self.threads, self.int8 = batch, threads, int8
        self._tried = False

    def check(self) -> None:
        """Runs the command on a network of one layer, once; see `nascli.core.device.Located`."""
        from nascli.formats.onnx import needed

        needed("device=remote", "device=cpu, or device=none to leave latency out")
        if shutil.which(self._words[0]) is None:
            raise Fault(
                f"device.command starts '{self._words[0]}', which is no program of this machine"
            )
        if not self._tried:
            import torch

            with torch.random.fork_rng(devices=[]), tempfile.TemporaryDirectory() as folder:
                self._run(self._written(torch.nn.Conv2d(1, 1, 1).eval(), (1, 8, 8), folder, 0))
            self._tried = True

    def conditions(self) -> dict[str, str | int]:
        """What its times depend on besides the network, as far as this machine knows."""
        from nascli.devices.running import conditions

        dtype = "int8" if self.int8 else "float32"
        program = f"remote: {self.command}"
        return conditions(program, "remote", dtype, self.batch, self.threads, channels_last=False)

    def latency(self, network: nn.Module, input_shape: tuple[int, ...]) -> Latency:
        """The latency of one forward pass over (batch, *input_shape); `network` stays as it is."""
        return self.latencies([(network, input_shape)])[0]

    def latencies(self, cases: Sequence[tuple[nn.Module, tuple[int, ...]]]) -> list[Latency]:
        """The same for many modules, in interleaved rounds.

        Raises:
            Fault: the command fails, takes too long or prints something else; it is named.
        """
        from nascli.devices.measuring import summed_up

        with tempfile.TemporaryDirectory() as folder:
            files = [self._written(*case, folder, number) for number, case in enumerate(cases)]
            taken: list[list[float]] = [[] for _ in files]
            for _ in range(self.rounds):
                for file, values in zip(files, taken, strict=True):
                    values += self._run(file)
        return [summed_up(values, self.conditions()) for values in taken]

    def _written(
        self, network: nn.Module, shape: tuple[int, ...], folder: str, number: int
    ) -> Path:
        from nascli.devices.running import images_of
        from nascli.formats.onnx import save

        file = Path(folder) / f"network{number}.onnx"
        images = images_of(max(2, self.batch), shape)
        save(network, images, file, int8=self.int8, batch=self.batch)
        return file

    def _run(self, file: Path) -> list[float]:
        """The milliseconds that the command reads for one file."""
        fields = {NETWORK: str(file), "{batch}": str(self.batch), "{threads}": str(self.threads)}
        words = self._words
        for field, value in fields.items():
            words = [word.replace(field, value) for word in words]
        try:
            started = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise self._fault(f"cannot be started: {error.strerror}") from error
        try:
            printed, said = started.communicate(timeout=self.timeout)
        except BaseException as error:  # what it has started must not outlive this
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)
            started.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                raise self._fault(f"has not ended after {self.timeout:g} s") from error
            raise
        if started.returncode != 0:
            last = said.strip() or printed.strip() or "nothing"
            raise self._fault(f"ended with exit code {started.returncode} and said: {_end(last)}")
        return self._milliseconds(printed)

    def _milliseconds(self, printed: str) -> list[float]:
        last = (printed.strip().splitlines() or [""])[-1]
        try:
            values = [float(word) for word in last.replace(",", " ").split()]
        except ValueError:
            values = []
        if not values:
            said = f"'{_end(last)}'" if last else "nothing"
            raise self._fault(f"printed {said} on its last line, where milliseconds belong")
        bad = [value for value in values if not 0 < value <= _MOST_MS or math.isnan(value)]
        if bad:
            raise self._fault(f"printed {bad[0]:g}, which is no time in milliseconds")
        return values

    def _fault(self, what: str) -> Fault:
        return Fault(f"device.command '{self.command}' {what}")


def _end(text: str) -> str:
    """The end of a long text, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"...{line[-_SHOWN:]}"
