"""`nas audit`: how far an estimator can be trusted, by its rank correlation with a reference."""

from __future__ import annotations

from nascli import ui
from nascli.commands.interrupts import stoppable
from nascli.config import audit as config
from nascli.config.compose import Asked
from nascli.core.failures import words as kinds_in_words
from nascli.core.trial import Trial
from nascli.core.words import counted
from nascli.programs import audit as program
from nascli.report import audit as words


def main(asked: Asked) -> None:
    """Audits, or goes on with an audit; prints the folder's path.

    Raises:
        Fault: the input is wrong, or too little came of it.
        KeyboardInterrupt: the user has stopped it; every network that has ended is saved.
    """
    listener = ui.Heard()
    run, parts = config.begin(asked, listener)
    total, ended, failed = len(parts.genotypes), 0, 0
    with ui.logging_to(run):
        ui.say(f"auditing {counted(total, 'network')} of {parts.problem.space.name} in {run.path}")
        with ui.Progress("network", total) as bar, stoppable(asked, run.path):

            def step(done: float, text: str) -> None:
                bar.update(ended + min(done, 0.99), text)

            def one_more(trial: Trial) -> None:
                nonlocal ended, failed
                ended, failed = ended + 1, failed + (trial.error is not None)
                bar.update(ended, f"{failed} failed" if failed else "")

            listener.step, listener.ended = step, one_more
            found = program.audit(run, parts)
        ui.table(
            f"{found.report['title']} · {found.networks} networks", *words.table(found.verdict)
        )
        for line in words.lines(found.verdict):
            ui.say(line)
        if found.report["failures"]:
            ui.say(f"failed: {kinds_in_words(found.report['failures'])}")
        ui.say(f"report: {run.path / 'report.html'}")
    ui.path(run.path)
