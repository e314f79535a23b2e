"""What is said of the jobs of one multirun."""

from nascli.config.sweep import Progress, jobs

SWEEP = ["space=cell", "strategy=random,evolution", "seed=1,2", "budget.trials=3"]


def test_jobs_come_in_the_order_of_hydras_own_sweeper():
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_overrides(SWEEP)
    (theirs,) = BasicSweeper.split_arguments(parsed, None)
    ours = jobs(SWEEP)
    assert len(ours) == 4
    for job, all_of_it in zip(ours, theirs, strict=True):
        assert set(job.split()) == set(all_of_it) - {"space=cell", "budget.trials=3"}


def test_where_the_jobs_are_not_known_nothing_is_said():
    for overrides in (["seed=1"], ["strategy=glob(*)"], [*SWEEP, "hydra/sweeper=other"]):
        progress = Progress(overrides)
        assert progress.begins() == "" and progress.left() == []


def test_each_job_is_counted_and_what_is_left_is_named():
    progress = Progress(["seed=1,2,3,4"])
    assert progress.begins() == "[1/4] seed=1"
    for code in (0, 2):
        progress.ended(code)
    assert progress.begins() == "[3/4] seed=3"
    progress.ended(130)
    assert progress.left() == ["failed: seed=2", "interrupted: seed=3", "never began: seed=4"]
