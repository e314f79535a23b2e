"""`nas watch [RUN|outputs ...] [port=N]`: the pages of runs in a browser, also while they go on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nascli import ui
from nascli.config import overrides
from nascli.core.fault import Fault, unknown
from nascli.core.words import counted

_USAGE = """\
nas watch [RUN | outputs ...] [port=8642] [--config-dir DIR]

Serves the page of a run, or of every run below a folder (outputs, unless said), on 127.0.0.1 and
for this machine alone. The page of a run that is still going on is drawn anew when its history has
grown. Nothing is written. Ctrl-C ends it."""
_PORT = 8642


def main(arguments: Sequence[str]) -> int:
    """Serves until it is interrupted.

    Raises:
        Fault: there is no such run, or the port is taken.
    """
    flags, words = overrides.split(arguments, ("-cd", "--config-dir"))
    if {"-h", "--help"} & set(flags):
        ui.out(_USAGE)
        return 0
    from nascli.config.watch import recorded_search
    from nascli.programs import watch as program

    keys = dict(word.split("=", 1) for word in words if "=" in word and not Path(word).exists())
    bad = [unknown("key", key, ("port",)) for key in keys if key != "port"]
    if bad:
        raise Fault("\n".join(bad))
    port = keys.get("port", str(_PORT))
    if not port.isdecimal() or int(port) > 65535:
        raise Fault(f"port is {port!r}; it must be a whole number from 0 (any free one) to 65535")
    folders = [Path(word) for word in words if word.partition("=")[0] not in keys]
    directories = overrides.directories(flags)
    watched = program.Watched(
        folders or [Path("outputs")], lambda f: recorded_search(f, directories)
    )
    with program.serving(watched, int(port)) as server:
        ui.say(f"watching {counted(len(watched.runs()), 'run')}; Ctrl-C ends it")
        ui.out(f"http://127.0.0.1:{server.server_port}/")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            ui.say("ended")
    return 0
