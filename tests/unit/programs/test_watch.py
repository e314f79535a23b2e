import http.client
import json
import os
import re
import threading
from html import unescape

import pytest
from fixtures import ToySpace, ToyTask

from nascli.core import history_file
from nascli.core.fault import Fault
from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.trial import Trial
from nascli.programs import watch

SPACE = ToySpace("toy", {"a": ("x", "y")})
PROBLEM = Problem(SPACE, ToyTask(), recipe=None)
COMMAND = "nas search strategy=random"


def trial(number, accuracy=50.0):
    return Trial(number, Genotype("toy", ("a",), ("x",)), 1.0, {"accuracy": accuracy}, 1.0)


def append(folder, *trials):
    with (folder / "history.jsonl").open("ab") as file:
        file.writelines(history_file.line(one, 1.0, 2.0) for one in trials)


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "outputs" / "search" / "one & only"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("seed: 0\nstrategy: {}\n")
    known = {"command": COMMAND, "choices": {"strategy": "random"}, "overrides": []}
    (folder / "environment.json").write_text(json.dumps(known))
    (folder / "log.txt").write_text("a word from the log\n")
    append(folder, trial(0, 40.0), trial(1, 60.0))
    return folder


def watched(*folders, problem_of=lambda _folder: PROBLEM):
    return watch.Watched(folders, problem_of)


def numbers(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])["trials"][
        "number"
    ]


def test_a_run_that_goes_on_is_drawn_anew_once_its_history_has_grown(run):
    seen = watched(run)
    page, state = seen.answer("/"), seen.answer("/stamp")
    assert numbers(page) == [0, 1] and "60.00\N{NO-BREAK SPACE}%" in page
    assert f'"following":"{state}"' in page and "a word from the log" in page
    assert seen.answer("/") is page  # nothing has come of it
    append(run, trial(2, 70.0))
    assert seen.answer("/stamp") != state
    assert numbers(seen.answer("/")) == [0, 1, 2] and "70.00\N{NO-BREAK SPACE}%" in seen.answer("/")


def test_half_a_line_waits_for_its_end(run):
    with (run / "history.jsonl").open("ab") as file:
        file.write(history_file.line(trial(2))[:-9])
    assert numbers(watched(run).answer("/")) == [0, 1]


def test_a_run_that_has_ended_shows_its_own_page_until_it_goes_on(run):
    (run / "report.html").write_text("the end")
    seen = watched(run)
    assert seen.answer("/") == "the end"
    append(run, trial(2))
    later = (run / "report.html").stat().st_mtime_ns + 10**9
    os.utime(run / "history.jsonl", ns=(later, later))
    assert numbers(seen.answer("/")) == [0, 1, 2]


def test_nothing_is_written(run):
    before = {file: file.stat().st_mtime_ns for file in run.rglob("*")}
    watched(run).answer("/")
    assert {file: file.stat().st_mtime_ns for file in run.rglob("*")} == before


def test_a_space_that_is_not_here_costs_the_drawings_alone(run):
    def missing(_folder):
        raise Fault("no such <space>")

    page = watched(run, problem_of=missing).answer("/")
    assert "no such &lt;space&gt;" in page and "a word from the log" in page


def test_all_runs_below_a_folder_have_an_address_each(run):
    seen = watched(run.parent.parent)
    listed = seen.answer("/")
    assert 'href="search/one%20%26%20only/"' in listed and "<td>2</td>" in unescape(listed)
    assert numbers(seen.answer("/search/one & only/")) == [0, 1]
    for nothing in ("/search/", "/../", "/search/one & only/config.yaml", "/stamp", "/etc/passwd"):
        assert seen.answer(nothing) is None, nothing


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(Fault, match="no run folder at"):
        watched(tmp_path / "nowhere")


def test_the_server_answers_this_machine_alone(run):
    with watch.serving(watched(run), 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            assert server.server_address[0] == "127.0.0.1"
            port = server.server_port

            def got(path, host="127.0.0.1"):
                line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                line.request("GET", path, headers={"Host": f"{host}:{port}"})
                answer = line.getresponse()
                return answer.status, answer.getheader("Content-Type"), answer.read().decode()

            status, kind, text = got("/")
            assert (status, kind) == (
                200,
                "text/html; charset=utf-8",
            ) and "60.00\N{NO-BREAK SPACE}%" in text
            assert got("/stamp")[1] == "text/plain; charset=utf-8"
            assert got("/nothing")[0] == 404
            assert got("/", host="evil.example")[0] == 404
            with (
                pytest.raises(Fault, match=f"port {port} cannot be taken"),
                watch.serving(watched(run), port),
            ):
                pass
        finally:
            server.shutdown()
            thread.join()
