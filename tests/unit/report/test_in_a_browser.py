"""The page in a real browser, where there is one: nothing is cut, and its figures are there."""

import json
import re
import shutil
import subprocess

import pytest
from fixtures import ToyTask, composed

from nascli.core.genotype import Genotype
from nascli.core.problem import Problem
from nascli.core.trial import History, Trial
from nascli.report import contents, summary
from nascli.report.chart import Bar, Bars, Chart, Series
from nascli.report.page import page
from nascli.report.units import readable
from nascli.spaces.nasbench201 import NASBench201

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDTHS = (360, 800, 1600)
OPTIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ("1<-0", "2<-0", "2<-1", "3<-0", "3<-1", "3<-2")
LONG = "a" * 90

# A page of its own around the report, for its script may look inside where the report's may not be
# added to: what of the page is wider than its window, and what is there.
LOOK = """<!DOCTYPE html><body><script>
const frames = [];
for (const width of WIDTHS) {
  const frame = document.createElement("iframe");
  Object.assign(frame, { src: "report.html", width, height: 800 });
  frames.push(new Promise((done) => {
    frame.addEventListener("load", () => setTimeout(() => done(frame), 300));
  }));
  document.body.append(frame);
}
// Moves over a chart until a genotype is told that has a drawing, and clicks there.
function hovered(chart) {
  const over = chart.querySelector(".u-over"), tip = chart.querySelector(".tip");
  const { left, top, width, height } = over.getBoundingClientRect();
  for (let x = 2; x < width; x += 8) {
    for (let y = 2; y < height; y += 8) {
      const at = { clientX: left + x, clientY: top + y, bubbles: true };
      const { MouseEvent } = chart.ownerDocument.defaultView;
      const does = (name) => over.dispatchEvent(new MouseEvent(name, at));
      does("mousemove");
      if (!tip.textContent.includes("drawing")) continue;
      does("mousedown");
      does("mouseup");
      does("click");
      return tip.textContent;
    }
  }
  return "";
}
Promise.all(frames).then((all) => {
  const found = all.map((frame) => {
    const inside = frame.contentDocument, most = inside.documentElement.clientWidth;
    const named = (node) => node.tagName + "." + (node.className.baseVal ?? node.className);
    const all = (what) => [...inside.querySelectorAll(what)];
    const seen = all("body *").filter((node) => node.offsetParent !== null);
    const wide = seen.filter((node) => !node.closest(".wide table, .tip, canvas")
      && node.getBoundingClientRect().right > most + 1);
    const cut = seen.filter((node) => node.matches("p, pre, dd, td, .card, .value, .name, .note")
      && node.scrollWidth > node.clientWidth + 1);
    const size = (node) => node.getBoundingClientRect();
    const words = all("svg text").filter((node) => size(node).width);
    const told = hovered(inside.querySelectorAll(".chart")[1]);
    return {
      told, drawn: all("dialog[open] .drawing svg").length,
      page: inside.documentElement.scrollWidth - most, wide: wide.map(named), cut: cut.map(named),
      charts: all("canvas").map((canvas) => size(canvas).width),
      rows: all("#trials tbody tr").length,
      written: all("#trials tbody tr").map((row) =>
        [...row.cells].slice(1, -1).map((cell) => cell.textContent)),
      feet: all("[data-charts=readout] canvas").map((canvas) => size(canvas).bottom),
      tracks: new Set(all(".track").map((track) => Math.round(size(track).width))).size,
      letters: Math.min(...words.map((node) => size(node).height)),
    };
  });
  document.title = JSON.stringify(found);
});
</script>"""


def history(count):
    trials = []
    for n in range(count):
        options = tuple(OPTIONS[(n // 5**place) % 5] for place in range(6))
        metrics = {"accuracy": 50 + n % 41, "params": 1000.0 * (1 + n % 83), "macs": 7e6 + 1e5 * n}
        metrics |= {
            "peak_memory_mb": 0.0125441 * (1 + 9 * n),
            "latency_ms": 0.7234567 * (1 + 97 * n),
        }
        trials.append(Trial(n, Genotype("nasbench201", EDGES, options), 1.0, metrics, 0.5))
    return History(trials)


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    space = NASBench201(
        ToyTask(), {name: {} for name in composed("space=nasbench201").space.operations}
    )
    problem = Problem(space, ToyTask(), recipe=None)
    trials = history(300)
    genotype = trials.answer(problem.goal)
    report = summary.search(trials, problem, genotype, 3.0, {}, ended=LONG)
    content = contents.search(
        trials,
        problem,
        {**report, "notice": f"{LONG} {LONG}", "failures": {LONG: 3}},
        genotype,
        figures={
            "times": Bars(LONG, [Bar(LONG, 1.0, "0.00258 ms"), Bar("b", 2.0, "1 s")]),
            "readout": [  # the one has a legend, the other none
                Chart(
                    "epoch", "skips", [Series(LONG, (1, 2), (1, 2)), Series("b", (1, 2), (2, 1))]
                ),
                Chart("epoch", "entropy", [Series("", (1, 2), (0.5, 1.0))]),
            ],
        },
        then=[("go on:", f"nas search resume={LONG}")],
        environment={"command": f"nas search {LONG}", "choices": {"strategy": "evolution"}},
        config={"data": {"path": f"/{LONG}/{LONG}"}},
    )
    folder = tmp_path_factory.mktemp("page")
    (folder / "report.html").write_text(page(content), encoding="utf-8")
    (folder / "look.html").write_text(LOOK.replace("WIDTHS", json.dumps(WIDTHS)), encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += ["--allow-file-access-from-files", "--virtual-time-budget=20000"]
    command += [f"--user-data-dir={folder / 'profile'}", f"file://{folder / 'look.html'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title, done.stderr
    return dict(zip(WIDTHS, json.loads(title[1]), strict=True))


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_and_every_figure_is_there(looked, width):
    found = looked[width]
    assert found["page"] <= 0 and found["wide"] == [] and found["cut"] == []
    assert len(found["charts"]) == 6  # anytime; accuracy over params, macs, latency; the two given
    assert all(200 <= chart <= width for chart in found["charts"])
    assert found["rows"] == 25
    assert found["tracks"] == 1  # bars are as long as their values, whatever stands beside them
    if width == 1600:
        assert len(set(found["feet"])) == 1  # plots side by side stand on one line
    assert found["letters"] > 10  # pixels from the top of a letter to its foot


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")
def test_a_point_tells_its_genotype_and_a_click_draws_it(looked):
    for found in looked.values():
        assert "trial " in found["told"] and "node 3 = " in found["told"], found["told"]
        assert found["drawn"] == 2  # for a broad and for a narrow window


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")
def test_the_table_of_trials_writes_values_as_everything_else_does(looked):
    for trial, written in zip(history(25), looked[800]["written"], strict=True):
        assert written == [readable(name, value) for name, value in trial.metrics.items()]
