"""What the documents promise stands in the files that keep it."""

import json
import re
import statistics

import pytest
from fixtures import CHECKOUT, options

from nascli.genotypes import published

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
RESULTS = (CHECKOUT / "docs" / "results.md").read_text(encoding="utf-8")
COMMANDS = [
    "pip install -e . && nas search strategy=darts space=cell",
    "pip install -e '.[test]' && pytest",
]


def raw(name):
    return json.loads((CHECKOUT / "benchmarks" / "results" / f"{name}.json").read_text())


@pytest.mark.parametrize("command", COMMANDS)
def test_ci_runs_the_readmes_two_commands(command):
    assert f"```sh\n{command}\n```" in README
    lines = (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert command in lines


def test_every_result_has_its_raw_file():
    rows = re.findall(r"^\|.*\| `(\w+\.json)` \|$", RESULTS, flags=re.MULTILINE)
    assert rows
    for name in rows:
        assert json.loads((CHECKOUT / "benchmarks" / "results" / name).read_text())


def test_figures_of_whole_searches_are_those_of_the_raw_files():
    random = raw("nasbench201_random")["rows"]["cifar10"]
    assert f"{random['mean_test_accuracy']:.3f} ± {random['standard_error']}" in RESULTS
    search, retrain = raw("cifar10_search"), raw("cifar10_retrain")
    assert f"{search['result']['accuracy']:.1f} %" in RESULTS
    assert f"{search['costs']['params']:,.0f} parameters" in RESULTS
    assert f"test {retrain['result']['test_accuracy']:.2f} %" in RESULTS
    assert f"{retrain['costs']['params']:,.0f} parameters" in RESULTS


def test_what_is_said_of_the_interpreter_stands_in_its_raw_file():
    found = raw("micro_arena")["summary"]
    said = (CHECKOUT / "docs" / "microcontrollers.md").read_text(encoding="utf-8")
    assert (found["published_equal"], found["random_equal"], found["random"]) == (5, 100, 100)
    assert "equals the interpreter's on all 105" in said
    low, high = (f"{100 * share:.0f}" for share in found["tail_share"])
    assert f"{low} to {high} % of head and tail together" in said
    assert max(map(abs, found["tail_error"])) <= 0.005


def test_figures_of_the_search_for_a_microcontroller_are_those_of_the_raw_file():
    said = (CHECKOUT / "docs" / "microcontrollers.md").read_text(encoding="utf-8")
    found = raw("fashion_mnist_mcu")
    for one in found["summary"].values():
        seeds, small = one["test_accuracy"], one["int8_test_accuracy"]
        row = [f"{one['mean']:.2f}", *(", ".join(f"{v:.2f}" for v in r) for r in (seeds, small))]
        assert f"| {' | '.join(row)} |" in said
        assert -0.2 <= one["worst_int8_gap"] < 0 and "cost 0.2 points at most" in said
        assert max(one["flash_kib"]) <= 0.75 * 38.82 or one is found["summary"]["mobilenet"]
    ahead = (found["summary"][name]["test_accuracy"] for name in ("evolution", "random"))
    assert all(a > b for a, b in zip(*ahead, strict=True)) and "and in each of them" in said
    mean = {name: one["mean"] for name, one in found["summary"].items()}
    assert f"by {mean['evolution'] - mean['random']:.1f} points in the mean" in said
    assert min(mean["evolution"], mean["random"]) > mean["mobilenet"] + 3
    for name in ("evolution", "random"):
        good = [row["trials"]["good"] for row in found["rows"] if row["network"] == name]
        assert f"{min(good)} to {max(good)}" in said
    trials = [row["trials"] for row in found["rows"] if row["network"] == "random"]
    share = sum(one["good"] for one in trials) / sum(one["all"] for one in trials)
    assert share == pytest.approx(1 / 1000, rel=0.1) and "One random network in a thousand" in said


def test_how_well_latencies_are_predicted_is_that_of_the_raw_file():
    found = raw("latency_prediction")
    said = (CHECKOUT / "docs" / "hardware.md").read_text(encoding="utf-8")
    for name, one in found["medians"].items():
        rounds = found["rounds"][name]
        fresh = statistics.median(r["fresh process"]["median_error"] for r in rounds)
        row = [*(f"`{word}`" for word in name.split()), f"{len(rounds)}"]
        row += [f"{100 * one['median_error']:.1f} %"]
        row += [f"{100 * one['within_10']:.0f} %", f"{one['spearman']:.3f}", f"{100 * fresh:.1f} %"]
        assert f"| {' | '.join(row)} |" in said


def test_what_kept_memory_brings_is_that_of_the_raw_file():
    found = raw("kept_memory")["evaluation"]
    said = (CHECKOUT / "docs" / "hardware.md").read_text(encoding="utf-8")
    assert f"met {found['given back']['faults']:,} page faults a pass" in said
    assert f"took {found['ratio']:.2f} times as long" in said and found["kept"]["faults"] == 0


def test_how_well_networks_are_known_beside_each_other_is_that_of_the_raw_file():
    found = raw("latency_levels")["estimators"]
    said = " ".join((CHECKOUT / "docs" / "hardware.md").read_text(encoding="utf-8").split())
    for name in ("lower quartile", "levelled"):
        middle, most = (100 * found[name][key] for key in ("beside_median", "beside_p90"))
        assert f"{middle:.1f} % (90th percentile {most:.1f} %)" in said


def test_how_far_latencies_differ_is_that_of_the_raw_file():
    spreads = raw("latency_repeatability")["spreads"]
    ours, loop = (
        [100 * spreads[name][key] for key in ("first network", "their ratio")]
        for name in ("cpu", "plain loop")
    )
    said = " ".join((CHECKOUT / "docs" / "hardware.md").read_text(encoding="utf-8").split())
    assert f"spread by {ours[0]:.1f} %" in said
    assert f"ratio of two networks by {ours[1]:.1f} %" in said
    assert f"in a plain loop by {loop[0]:.1f} and {loop[1]:.1f} %" in said


def test_the_cell_that_is_drawn_is_the_one_that_is_printed():
    said = (CHECKOUT / "docs" / "start.md").read_text(encoding="utf-8")
    (cell,) = re.findall(r"(?:^normal .*\n)+", said, flags=re.MULTILINE)
    text = (CHECKOUT / "docs" / "found_cell.svg").read_text(encoding="utf-8")
    drawn = re.findall(r">(\w+_\w+)<", text)
    assert sorted(drawn) == sorted(re.findall(r"(\w+_\w+)\(", cell)) and len(drawn) == 8


def test_every_page_has_its_place_on_the_site():
    named = re.findall(r'"(\w+\.md)"', (CHECKOUT / "zensical.toml").read_text(encoding="utf-8"))
    assert sorted(named) == sorted(page.name for page in (CHECKOUT / "docs").glob("*.md"))


FIGURES = re.findall(
    r"^\| .* \| `(\w+)\.py[^`]*` \| `(\w+)\.json` \|$",
    (CHECKOUT / "docs" / "figures.md").read_text(encoding="utf-8"),
    flags=re.MULTILINE,
)
BY_HAND = {"cifar10_search", "cifar10_retrain", "cifar10_random_cell"}  # by commands there


def test_the_table_of_figures_has_every_raw_file_and_the_script_that_gives_it():
    there = {file.stem for file in (CHECKOUT / "benchmarks" / "results").glob("*.json")}
    listed = {name for _, name in FIGURES} | BY_HAND
    assert (there - listed, listed - there) == (set(), set())  # without a row; without a file
    for script, name in FIGURES:
        assert (CHECKOUT / "benchmarks" / f"{script}.py").is_file()
        command = raw(name).get("command", f"{script}.py")
        assert f"{script}.py" in command, name
        assert not re.search(r"[\s=]/", command), f"{name}: a place of one machine alone"


def test_every_published_genotype_answers_alike_in_every_format():
    rows = raw("exports")["rows"]
    assert [row["genotype"] for row in rows] == list(published())
    for row in rows:
        assert all(row[form] < 1e-4 for form in options("format")), row["genotype"]
    worst = max(row[form] for row in rows for form in options("format"))
    said = " ".join((CHECKOUT / "docs" / "using.md").read_text(encoding="utf-8").split())
    assert f"Of the {len(rows)} published genotypes, in all four formats, none differs" in said
    assert f"by more than {worst:.1e} " in said


def test_every_strategy_has_a_paragraph_and_a_place_on_the_page_that_compares_them():
    pages = ("strategies", "methods", "shared_weights")
    texts = [(CHECKOUT / "docs" / f"{page}.md").read_text(encoding="utf-8") for page in pages]
    paragraphs = {name for text in texts for name in re.findall(r"\*\*(\w+)\*\*", text)}
    compared = set(re.findall(r"(?:`|\*\*)(\w+)(?:`|\*\*)", texts[0]))
    assert set(options("strategy")) - paragraphs == set()
    assert set(options("strategy")) - compared == set()


_AT = {"evolution": "200", "local_search": "200"}
DATASETS = ("cifar10", "cifar100", "imagenet16")


def row(values, digits):
    return " / ".join(f"{value:.{digits}f}" for value in values)


def page(name):
    return " ".join((CHECKOUT / "docs" / f"{name}.md").read_text(encoding="utf-8").split())


def test_figures_of_the_strategies_are_those_of_the_raw_files():
    datasets = DATASETS
    strategies = raw("nasbench201_strategies")["rows"]
    rows = {name: [strategies[f"{name} {d}"] for d in datasets] for name in _AT}
    rows["predictor"] = [raw("nasbench201_predictor")["rows"][d] for d in datasets]
    for name, found in rows.items():
        queries = _AT.get(name, "100")
        assert row((f["test_accuracy"][queries]["mean"] for f in found), 2) in RESULTS
        assert row((f["queries_to_optimum"]["mean"] for f in found), 0) in RESULTS
    halving = {(r["data set"], r["strategy"]): r for r in raw("nasbench201_asha")["rows"]}
    for name in ("random", "asha", "hyperband", "bohb"):
        assert row((halving[d, name]["test_accuracy"]["mean"] for d in datasets), 2) in RESULTS
    nsga2 = raw("nasbench201_nsga2")["rows"]
    for name in ("nsga2", "random"):
        assert row((nsga2[d]["percent_200"][name]["mean"] for d in datasets), 2) in RESULTS
    tau = raw("nasbench201_predictor_tau")["rows"]["gaussian_process"].values()
    assert row((found["test"]["mean"] for found in tau), 3) in RESULTS
    without = raw("nasbench201_baselines")["rows"]["cifar10"]
    assert f"{without['without_none']['mean']} in the mean" in RESULTS
    assert f"{without['without_none']['median']} in the median" in RESULTS
    assert f"convolutions alone\n  {without['convolutions']['mean']}" in RESULTS
    assert f"six 3x3 convolutions {without['six_3x3']}" in RESULTS


def test_baselines_stand_beside_what_strategies_find():
    """A figure in docs/strategies.md and the cheapest thing that could explain it."""
    said = page("strategies")
    found = raw("nasbench201_strategies")["rows"]
    random = [raw("nasbench201_baselines")["rows"][d]["random_search"] for d in DATASETS]
    policy = {
        (r["data set"], r["queries"]): r["test_accuracy"]
        for r in raw("nasbench201_reinforce")["rows"]
    }

    def of(name, *keys):
        rows = [found[f"{name} {d}"] for d in DATASETS]
        return [r["queries_to_optimum"] if not keys else r["test_accuracy"][keys[0]] for r in rows]

    assert f"{row((v['mean'] for v in of('evolution', '200')), 2)} % after 200 queries" in said
    assert f"random search has {row((r['200'] for r in random), 2)}" in said
    needed = [[v["mean"] for v in of(name)] for name in ("local_search", "evolution")]
    assert f"({row(needed[0][:2], 0)} beside {row(needed[1][:2], 0)})" in said
    assert f"({needed[0][2]:.0f} beside {needed[1][2]:.0f})" in said
    for queries, sign in ((100, " %"), (500, "")):
        own = row((policy[d, queries]["mean"] for d in DATASETS), 2)
        assert f"({own}{sign} beside {row((r[str(queries)] for r in random), 2)}" in said
    halving = raw("nasbench201_asha")["rows"]
    for name in ("asha", "hyperband", "bohb", "random", "once"):
        own = [r["test_accuracy"]["mean"] for r in halving if r["strategy"] == name]
        assert row(own, 2) in said, name
    tested = [r["p_against_random"] for r in halving if "p_against_random" in r]
    assert len(tested) == 9 and f"Holm's correction {max(tested):.1e})" in said
    fronts = raw("nasbench201_nsga2")["rows"]["cifar10"]
    early, late = fronts["percent_100"], fronts["percent_200"]
    assert f"{early['nsga2']['mean']:.2f} and {early['random']['mean']:.2f} % of" in said
    low, high = early["above_random"][1:]
    assert f"difference {low:.2f} to {high:.2f})" in said
    assert f"200 trials {late['nsga2']['mean']:.2f} and {late['random']['mean']:.2f}." in said
    scores = raw("zero_cost")["sets"]["all"]["rows"]
    counted, joined = (scores[n]["test_cifar10"]["kendall"] for n in ("live_macs", "ensemble"))
    assert f"have {counted:.3f}, the `ensemble`" in said and f"(zero_cost.md) {joined:.3f} " in said


def test_the_readme_repeats_the_results():
    """Its few lines have the figures of the table, beside what explains them."""
    said = " ".join(README.split())
    found = raw("nasbench201_predictor")["rows"], raw("nasbench201_strategies")["rows"]
    random = raw("nasbench201_baselines")["rows"]
    queries = [
        row((found[0][d]["queries_to_optimum"]["mean"] for d in DATASETS), 0),
        row((found[1][f"evolution {d}"]["queries_to_optimum"]["mean"] for d in DATASETS), 0),
    ]
    cells = random["cifar10"]["cells"]["cells"]  # one of them is the best: in the mean half-way
    half = f"{(cells + 1) / 2:,.0f}"
    assert f"{queries[0]} (`predictor`), {queries[1]} (`evolution`), {half} (random)" in said
    table = raw("nasbench201_supernets")["table"]
    for name in ("beta_darts", "darts"):
        answer = table[name]["answer"]
        assert f"`{name}` {answer['mean']:.2f} ± {answer['standard_error']:.2f}" in said
    assert f"without a search, {random['cifar10']['six_3x3']}." in said
    scores = raw("zero_cost")["sets"]["all"]["rows"]
    joined, macs = (scores[n]["test_cifar10"]["kendall"] for n in ("ensemble", "live_macs"))
    assert f"tau {joined:.3f}".replace("0.", ".") in said
    assert f"multiply-adds alone {macs:.3f}".replace(" 0.", " .") in said
    latency = raw("nasbench201_latency")
    assert f"Spearman {latency['few_mean']:.3f}".replace(" 0.", " .") in said
    step = raw("darts_step")["rows"]["first_order"]
    share = 100 * step["native/plain, memory"]
    assert f"{step['plain/native, seconds']:.1f} times as fast as a plain one" in said
    assert f"in {share:.0f} % of the memory" in said
    story = raw("cifar10_story")["retrained"]
    verdicts = [story[name]["comparisons"][0] for name in ("beta_darts", "evolution", "random")]
    leads = [f"{one['difference']:+.1f}" for one in verdicts]
    assert f"{leads[0]}, {leads[1]} and {leads[2]} points" in said
    assert all(one["low"] < 0 < one["high"] for one in verdicts)


def test_what_the_predictor_needs_elsewhere_is_that_of_the_raw_file():
    said = (CHECKOUT / "docs" / "strategies.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| .+ \| ([\d.]+) \((\d+)\) \| (\d+) \| ([\d.]+) \((\d+)\) \| (\d+) \|$",
        said,
        flags=re.MULTILINE,
    )
    table = raw("predictor_objectives")["table"]
    assert [tuple(map(float, row)) for row in rows] == [
        tuple(
            float(found[variant][key])
            for variant in ("decisions", "local_search")
            for key in ("median", "most", "missed")
        )
        for found in table.values()
    ]
    seeds = {e[v]["seeds"] for e in table.values() for v in ("decisions", "local_search")}
    assert f"{max(seeds)} searches each" in said and len(seeds) == 1


def test_figures_of_speed_are_those_of_the_raw_files():
    steps = raw("darts_step")["rows"]
    two = steps.pop("threads")["16 channels, 32x32"]["one/two, seconds"]
    assert f"bits are the same) | {two:.2f} times as fast" in RESULTS
    other = raw("darts_step_avx2")["rows"]
    first, second = (
        tuple(
            f"{other[order][f'{plain}/native, seconds']:.1f}"
            for plain in ("plain", "plain_channels_last")
        )
        for order in ("first_order", "second_order")
    )
    assert "{} times as fast as the plain one and {} times with channels last".format(*first) in (
        RESULTS
    )
    assert "the second-order step {} and {}\ntimes".format(*second) in RESULTS
    both = other["threads"]["16 channels, 32x32"]["one/two, seconds"]
    assert f"two threads {both:.2f} times as fast as one" in RESULTS
    elastic = raw("elastic_step")["rows"]
    ratios = [elastic[name]["plain/ours"] for name in ("once_for_all_small", "once_for_all")]
    assert f"{ratios[0]:.2f} and {ratios[1]:.2f} times as fast; gradients" in RESULTS
    spent = raw("search_seconds")["rows"]
    epochs = spent["epochs"]["now_processor"] / spent["epochs"]["before_processor"]
    whole, rest = (
        spent[name]["now_over_before_processor"]
        for name in ("whole search", "everything but epochs")
    )
    assert f"{whole:.2f} of them: {epochs:.2f} of those of epochs, {rest:.2f} of all" in RESULTS
    for name, step in steps.items():
        for by in ("ours",) if name == "nasbench201" else ("ours", "native"):
            fast, last = step[f"plain/{by}, seconds"], step[f"plain_channels_last/{by}, seconds"]
            memory = 100 * step[f"{by}/plain, memory"]
            assert (
                f"{fast:.1f} times as fast, {last:.1f} times with channels last, in {memory:.0f} %"
            ) in RESULTS
    for name in ("random", "evolution"):
        rate = raw("framework_cost")["rows"][f"nas {name} 1,000,000"]["trials_per_second"]
        assert f"`{name}` {rate:,}" in RESULTS
    over = raw("workers")["processes_over"]["serial, threads=2"]["median"]
    assert f"{over:.1f} times the trials a minute" in RESULTS
    kernels = raw("launches")["kernels a step"]["first_order"]
    asked = f"{kernels['side by side']:,}, where the plain step asks for {kernels['plain']:,}"
    assert asked in RESULTS


def test_rows_of_the_gradient_methods_are_those_of_the_raw_file():
    table = raw("nasbench201_supernets")["table"]

    def figure(found):
        error = found["standard_error"]
        return f"{found['mean']:.2f}" + ("" if error is None else f" ± {error:.2f}")

    assert f"The average cell has {table.pop('a random cell')['mean']}." in RESULTS
    assert len(table) > 8
    for row, found in table.items():
        name = f"`{row}`".replace("_deep`", "`, five cells a stage")
        name = name.replace("_small`", "`, 16 pixels")
        published = f"{found['published']:.2f}" if found["published"] else ""
        cells = [name, figure(found["answer"]), f"{found['least']:.2f}", figure(found["last"])]
        assert f"| {' | '.join(cells)} | {found['seeds']} | {published} |" in RESULTS
    worst = {row: f"{found['least']:.2f}" for row, found in table.items()}
    assert (
        f"the best of the worst: {worst['beta_darts']}, beside {worst['pc_darts']} of `pc_darts` "
        f"and {worst['darts']} of `darts`" in page("methods")
    )
    assert worst["beta_darts"] == max(v for row, v in worst.items() if not row.endswith("_small"))
    for row in ("gdas", "random_ws"):
        assert f"{figure(table[row]['answer'])} %" in page("methods")
    without = raw("nasbench201_baselines")["rows"]["cifar10"]
    search, six = without["random_search"]["32"], without["six_3x3"]
    assert f"search ({six}) and random search after 32 trained cells ({search})" in page("methods")
    drnas = figure(table["drnas"]["answer"])
    assert f"{drnas}, below six 3x3 convolutions without any search, {six})" in page("methods")


def test_accuracies_by_the_kernels_are_those_of_the_raw_file():
    found = raw("kernel_seeds")
    low, high = found["interval"]
    said = f"by {found['native_less_torch']:.2f} points in the mean, 95 % interval {low} to {high}"
    assert f"{said} (" in page("shared_weights") and low < 0 < high


def test_what_enas_finds_stands_beside_random_search():
    table, said = raw("enas_random")["table"], page("shared_weights")

    def figure(name):
        return f"{table[name]['mean']:.2f} ± {table[name]['standard_error']:.2f}"

    assert f"its answers have {figure('enas')} %, those {figure('random')} (five seeds" in said
    assert f"Wilcoxon p {table['enas - random']['wilcoxon_p']:.3f}".replace(" 0.", " .") in said
    assert f"a random cell {table['a random cell']['mean']}." in said
    assert f"alone, find cells of {figure('alone')} " in said
    (test,) = raw("enas_random")["nas compare"]["tests"]
    interval = f"{test['low']:.2f} to {test['high']:.2f}"
    assert f"differ by {test['lead']:.2f}, 95 % interval {interval})" in said


def test_latencies_from_ten_cells_stand_beside_what_needs_none():
    found = raw("nasbench201_latency")
    rows = {
        "ours": {name: row["mean"] for name, row in found["few"].items()} | {"": found["few_mean"]},
        "multiply-adds alone": found["unmeasured"]["macs"],
        "mean rank on the known devices": found["unmeasured"]["known_devices"],
    }
    said = page("budgets")
    for name, values in rows.items():
        told = re.search(rf"\| {name} ((?:\| [^|]+)+)\|", said)[1]
        printed = [float(cell) for cell in re.findall(r"\| (\.\d+)", told)[: len(values)]]
        assert printed == pytest.approx(list(values.values()), abs=6e-4), name


def test_rows_of_the_scores_of_untrained_networks_are_those_of_the_raw_file():
    text, found = (CHECKOUT / "docs" / "zero_cost.md").read_text(encoding="utf-8"), raw("zero_cost")
    sets = ("cifar10", "cifar100", "imagenet16")

    def taus(row, split):
        return " / ".join(f"{row[f'{split}_{name}']['kendall']:.3f}" for name in sets)

    every, live = (found["sets"][which]["rows"] for which in ("all", "live"))
    assert len(every) > 20
    for name, row in every.items():
        columns = [f"`{name}`", taus(row, "test"), taus(row, "valid"), taus(live[name], "test")]
        assert f"| {' | '.join(columns)} |" in text, name
    for which in found["one_pass"].values():
        row = which["rows"]["ensemble"]
        columns = [f"({which['cells']:,})", taus(row, "test"), taus(row, "valid")]
        assert " | ".join(columns) in text


def test_the_order_in_a_once_for_all_supernet_is_that_of_the_raw_files():
    text = page("once_for_all")
    tables = [raw(f"once_for_all_order{which}")["table"] for which in ("", "_before")]

    def numbers(row):
        return [f"{v:.3f}".replace("0.", ".") for v in (row["tau"], *row["interval"])]

    for by, key in {
        "accuracy of the path on 500 validation images, as a search scores it": "path",
        "accuracy of the path on the 10,000 test images": "path on the test images",
        "multiply-adds": "macs",
    }.items():
        columns = ["{} ({} to {})".format(*numbers(table[key])) for table in tables]
        assert f"| {by} | {' | '.join(columns)} |" in text
    now, before = (numbers(table["path on the test images, less macs"]) for table in tables)
    assert "({} more, {} to {}; before {}, {} to {})".format(*now, *before) in text


def test_networks_for_three_devices_are_those_of_the_raw_file():
    text, table = page("once_for_all"), raw("once_for_all_devices")["table"]
    told = {
        name: f"{row['seconds']:.0f} | {row['answer']['accuracy']} %" for name, row in table.items()
    }
    answers = {name: row["answer"] for name, row in table.items()}
    small = answers["microcontroller"]
    assert f"| {told['macs']} by {answers['macs']['macs'] / 1e6:.2f} M |" in text
    latency = answers["latency table"]["latency_ms"]
    assert f"| {told['latency table']} in {latency:.2f} ms |" in text
    sizes = f"{small['flash_kib']:.1f} and {small['ram_kib']:.1f} KiB"
    assert f"| {told['microcontroller']} in {sizes} |" in text
    (tau,) = {row["tau of the predictor on networks held out"] for row in table.values()}
    assert f"(Kendall's tau {tau:.2f} on networks held out)".replace("0.", ".") in text
    assert max(row["seconds"] for row in table.values()) < 60


def test_ranks_of_a_chain_are_those_of_the_raw_files():
    text = page("shared_weights")
    now, before = (raw(f"one_shot_ranking_chain{which}")["table"] for which in ("", "_before"))

    def written(*values):
        return [f"{v:.3f}".replace("0.", ".") for v in values]

    def numbers(row):
        return written(row["tau"], *row["interval"])

    best = max(("synflow", "snip", "jacob_cov", "score", "vote"), key=lambda n: now[n]["tau"])
    names = {"uniform": "uniform 0", "fair": "fair 0", "sandwich": "sandwich 0", "MACs": "macs"}
    names |= {"uniform, 240 passes": "uniform, 4 times as long, 0", "params": "params"}
    names |= {f"best score of untrained networks (`{best}`)": best}
    for said, name in names.items():
        share = "" if name == "macs" else f" {100 * now[name]['better_than_macs']:.0f} %"
        assert f"| {said} | {'{} ({} to {})'.format(*numbers(now[name]))} |{share} |" in text, name
    two = [", ".join(written(*t["ceiling"]["tau_between_two_seeds"])) for t in (now, before)]
    assert f"| {two[0]} | |" in text and f"agreed on the order ({two[1]})" in text
    old = (*numbers(before["uniform 0"]), *written(before["macs"]["tau"]))
    assert "(uniform {}, {} to {}; MACs {})".format(*old) in text
    ceiling = now["ceiling"]
    assert f"(here by {ceiling['deviation_over_networks']:.2f} points, and" in text
    assert f"from seed to seed by {ceiling['deviation_over_seeds']:.2f})" in text
    for name in ("uniform 0", "sandwich 0"):
        assert now["macs"]["tau"] < now[name]["tau"] and now[name]["better_than_macs"] < 0.975
    lift = statistics.mean(
        row["uniform, 4 times as long, 0"] - row["uniform 0"] for row in now["all"]
    )
    assert round(lift) == 9 and "lift the paths by about nine points" in text


def test_ranks_of_supernets_of_the_benchmark_are_those_of_the_raw_files():
    text = (CHECKOUT / "docs" / "shared_weights.md").read_text(encoding="utf-8")
    now, before = (raw(f"one_shot_ranking_bench{which}")["table"] for which in ("", "_before"))
    middle = now["seed 0, median accuracy of the paths"]
    names = {"uniform": "uniform", "fair": "fair", "sampled Gumbel (`gdas`)": "gumbel"}
    plain = "uniform, the same weights, `recalibration_images=plain`"
    names |= {plain: "uniform, statistics of plain images"}
    names |= {"uniform, 240 passes": "uniform, 4 times as long"}
    names |= {"params, MACs": "macs", "MACs on a path from input to output": "live macs"}

    def said(row):
        figures = (f"{v:.3f}".replace("0.", ".") for v in (row["tau"], *row["interval"]))
        return "{} ({} to {})".format(*figures)

    for words, name in names.items():
        row, old = now["seed 0"][name], before["seed 0"].get(name)
        was = f" {said(old).partition(' ')[0]} |" if old else " |"
        some = now["seed 0, with a convolution on a path"][name]
        half = f" {middle[name]} % |" if name in middle else " |"
        assert f"| {words} | {said(row)} |{was} {said(some)} |{half}" in text, name


def test_how_searches_under_budgets_stand_is_that_of_the_raw_file():
    text = (CHECKOUT / "docs" / "budgets.md").read_text(encoding="utf-8")
    told = raw("latency_budgets")
    rows = [row for setting in ("titan_rtx_256", "eyeriss") for row in told[setting].values()]
    for row in rows:  # all answers of all searches
        for found in row.values():
            kept, _, tried = found["kept"].partition(" of ")
            assert kept == tried and found["mean"] > 0

    def counted(one, other):
        sides = [0, 0, 0]
        for row in rows:
            low, high = row[other]["interval"]
            sides[1 + (row[one]["mean"] > high) - (row[one]["mean"] < low)] += 1
        return sides  # below, within, above

    assert counted("evolution", "random") == [0, 4, 16]
    assert "the 95 % interval of random search's mean at 16 of 20 budgets and within" in text
    assert counted("reinforce", "random") == [0, 11, 9] and "above at 9 of 20, within" in text
    assert {rows[0][name]["kept"] for name in ("random", "evolution")} == {"100 of 100"}
    assert counted("gradient", "random_trained") == [0, 1, 19]
    assert "above the interval of random's mean at 19 of 20 budgets and within at one" in text
    assert "the tightest of Eyeriss\n  (88.92 beside [87.76, 89.28])" in text
    assert counted("gradient", "random_5") == [4, 3, 13]
    assert "it is above at 13, within at 3 and\n  below at 4" in text
    assert told["epochs_of_gradient"] == 16 and rows[0]["gradient"]["kept"] == "30 of 30"
    assert "16 epochs of digits, 30 seeds" in text
    later = [0, 0, 0]  # of seeds that nobody had looked at
    for setting in ("titan_rtx_256", "eyeriss"):
        for budget, row in told[setting].items():
            runs = [told["gradient_runs"][f"{setting} {budget} {seed}"] for seed in range(5, 30)]
            mean = sum(accuracy for _, accuracy in runs) / len(runs)
            low, high = row["random_trained"]["interval"]
            later[1 + (mean > high) - (mean < low)] += 1
            assert all(ms <= float(budget) for ms, _ in runs)
    assert later == [0, 1, 19] and "alone they are above at 19 and within at one as well" in text


def test_slow_tests_are_there():
    lines = (CHECKOUT / "tests" / "slow.txt").read_text(encoding="utf-8").splitlines()
    named = [line for line in lines if not line.startswith("#")]
    assert len(set(named)) == len(named) > 0
    for line in named:
        file, _, test = line.partition("[")[0].partition("::")
        assert f"def {test}(" in (CHECKOUT / file).read_text(encoding="utf-8"), line
