"""From a command line to a composed config to checked, built parts; every fault at once.

The only place that sees Hydra's `DictConfig`. `files` says what there is to choose; `overrides`
makes of a command line or a Python call what Hydra reads, `following` adds what follows from a run
that it names, `check` finds what is wrong with it and `compose` composes; `values` and `building`
make parts of a config. For every verb a file of its name gives `build(asked, listener)`, the parts
of its program, and `begin`, with the run folder too.
"""

from nascli.config.files import FREE, GIVEN, catalogue, description, root, targets

__all__ = ["FREE", "GIVEN", "catalogue", "description", "root", "targets"]
