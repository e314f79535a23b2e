"use strict";
// The charts and the table of all trials of report.html; the data stand in the page as JSON.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const trials = data.trials;
  const rowOf = new Map(trials ? trials.number.map((number, row) => [number, row]) : []);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name);

  const made = (tag, attributes = {}, ...inside) => {
    const node = Object.assign(document.createElement(tag), attributes);
    node.append(...inside);
    return node;
  };

  // ---- numbers as nascli.report.units writes them
  const COUNTS = ["params", "auxiliary_params", "macs", "flops", "live_params", "live_macs"];
  const UNITS = { _ms: "ms", _mb: "MB", _kib: "KiB", _joules: "J" };
  const short = (value, digits = 4) => String(Number(value.toPrecision(digits)));
  function scaled(value, digits = 4) {
    const size = Math.abs(value);
    const step = [[1e9, " G"], [1e6, " M"], [1e3, " k"]].find(([least]) => size >= least);
    return step ? short(value / step[0], digits) + step[1] : short(value, digits);
  }
  function readable(name, value) {
    if (value === null || value === undefined) return "–";
    if (name === "accuracy" || name === "macro_f1" || name.endsWith("_accuracy")) return value.toFixed(2) + " %";
    if (COUNTS.includes(name)) {
      const step = [[1e9, " G"], [1e6, " M"]].find(([least]) => Math.abs(value) >= least);
      if (!step) return Math.round(value).toLocaleString("en");
      return (value / step[0]).toFixed(value < 100 * step[0] ? 2 : 1) + step[1];
    }
    if (name === "seconds" || name.endsWith("_seconds")) {
      if (value < 0.1) return short(value * 1000, 3) + " ms";
      return value < 60 ? short(value, 3) + " s" : Math.floor(value / 60) + " min " + Math.round(value % 60) + " s";
    }
    const end = !name.startsWith("pressure_") && Object.keys(UNITS).find((one) => name.endsWith(one));
    if (end === "_mb" && Math.abs(value) < 1) return short(1000 * value) + " kB";
    const text = Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : short(value);
    return text + (end ? " " + UNITS[end] : "");
  }

  // ---- one trial: in words, and in a dialog with its drawing
  function choices(row) {
    const space = trials.spaces[trials.space[row]];
    return space.decisions.map((name, n) => [name, space.options[n][trials.genotype[row][n]]]);
  }
  function measures(row) {
    return trials.metrics.filter((m) => m.values[row] !== null).map((m) => [m.words, readable(m.name, m.values[row])]);
  }
  function pairs(rows) {
    const table = made("table", { className: "pairs" });
    for (const [name, text] of rows) table.append(made("tr", {}, made("th", {}, name), made("td", {}, text)));
    return table;
  }
  const dialog = made("dialog");
  document.body.append(dialog);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  function open(number) {
    const row = rowOf.get(number);
    if (row === undefined) return;
    const close = made("button", { textContent: "close" });
    close.addEventListener("click", () => dialog.close());
    const heading = made("h2", { textContent: "Trial " + number });
    heading.style.marginTop = 0;
    dialog.replaceChildren(heading);
    if (trials.state[row]) dialog.append(made("p", { className: "note", textContent: trials.state[row] }));
    if (trials.told[number]) dialog.append(made("pre", { textContent: trials.told[number] }));
    dialog.append(made("div", { innerHTML: trials.drawings[number] || "" }));
    const more = made("details", { open: !trials.told[number] }, made("summary", { textContent: "Genotype" }), pairs(choices(row)));
    dialog.append(pairs([...measures(row), ["fidelity", String(trials.fidelity[row])], ["time", readable("seconds", trials.seconds[row])]]), more, close);
    dialog.showModal();
  }

  // ---- charts: uPlot has the axes and the zoom, the points are drawn here
  const DASHES = { "": [], dashed: [7, 4], dotted: [2, 3] };
  const SIZE = 12.5; // pixels of the lettering
  const font = SIZE + "px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif";
  function range(values, room) {
    let low = Infinity, high = -Infinity;
    for (const value of values) if (value !== null) { low = Math.min(low, value); high = Math.max(high, value); }
    if (low > high) return [0, 1];
    const gap = high > low ? (high - low) * room : Math.abs(high) * 0.05 || 1;
    return [low - gap, high + gap];
  }
  function path(u, series, pixel) {
    const way = new Path2D();
    const corner = (n) => [u.valToPos(series.x[n], "x", true), u.valToPos(series.y[n], "y", true)];
    for (let n = 0; n < series.x.length; n++) {
      if (series.y[n] === null) continue;
      const [x, y] = corner(n);
      if (series.kind === "dots") { way.moveTo(x + pixel, y); way.arc(x, y, pixel, 0, 7); continue; }
      if (n === 0) { way.moveTo(x, y); continue; }
      const [before, above] = corner(n - 1);
      if (series.kind === "steps") way.lineTo(x, above);
      if (series.kind === "stairs") way.lineTo(before, y);
      way.lineTo(x, y);
    }
    return way;
  }
  function band(u, series) {
    const way = new Path2D();
    const [low, high] = series.band;
    const at = (n, values) => [u.valToPos(series.x[n], "x", true), u.valToPos(values[n], "y", true)];
    const all = [...series.x.keys()], steps = series.kind === "steps";
    all.forEach((n) => { const [x, y] = at(n, high); if (n && steps) way.lineTo(x, at(n - 1, high)[1]); way.lineTo(x, y); });
    all.reverse().forEach((n, step) => { const [x, y] = at(n, low); if (step && steps) way.lineTo(at(n + 1, low)[0], y); way.lineTo(x, y); });
    way.closePath();
    return way;
  }
  function points(u, chart) {
    const scale = window.devicePixelRatio || 1, context = u.ctx;
    context.save();
    context.beginPath();
    context.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    context.clip();
    for (const series of chart.series) {
      const colour = css(series.colour);
      const few = series.x.length < 500;
      context.fillStyle = context.strokeStyle = colour;
      context.lineWidth = 2 * scale;
      context.setLineDash(DASHES[series.dashes].map((length) => length * scale));
      if (series.band) { context.globalAlpha = 0.18; context.fill(band(u, series)); context.globalAlpha = 1; }
      if (series.kind === "dots") {
        context.globalAlpha = 0.6;
        context.fill(path(u, series, (few ? 3.2 : 2.2) * scale));
        context.globalAlpha = 1;
        continue;
      }
      context.stroke(path(u, series, 0));
      if (series.marked) context.fill(path(u, { ...series, kind: "dots" }, (few ? 4 : 3) * scale));
    }
    context.restore();
  }
  const ticks = (chart, values) => values.map((value) => {
    if (value === null) return "";
    return chart.scale === "large" ? scaled(value) : Math.abs(value) >= 1e5 ? scaled(value) : short(value, 6);
  });
  // of a logarithmic axis: 1, 2, 5 and powers of ten, as many as there is room for; less than a decade in even steps
  function decades(low, high, most) {
    const found = (heads) => {
      const all = [];
      for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++)
        all.push(...heads.map((head) => head * 10 ** power).filter((value) => value >= low && value <= high));
      return all;
    };
    const [many, few] = [found([1, 2, 5]), found([1])];
    if (many.length > 1 && many.length <= most) return many;
    if (few.length > 1) return few.filter((_, n) => n % Math.ceil(few.length / most) === 0);
    const least = (high - low) / most, power = 10 ** Math.floor(Math.log10(least));
    const step = power * [1, 2, 5, 10].find((head) => head * power >= least);
    const all = [];
    for (let n = Math.ceil(low / step); n * step <= high; n++) all.push(n * step);
    return all;
  }
  function nearest(u, chart) {
    const { left, top } = u.cursor;
    let found = null, least = 30 * 30;
    if (left < 0) return null;
    for (const series of [...chart.series].reverse()) {
      for (let n = 0; n < series.x.length; n++) {
        if (series.y[n] === null) continue;
        const across = u.valToPos(series.x[n], "x") - left, down = u.valToPos(series.y[n], "y") - top;
        const far = across * across + down * down;
        if (far < least) { least = far; found = { series, n, left: left + across, top: top + down }; }
      }
    }
    return found;
  }
  function tell(tip, u, chart, found) {
    tip.hidden = !found;
    if (!found) return;
    const { series, n } = found;
    const number = series.trials[n], row = rowOf.get(number);
    const lines = row === undefined
      ? [series.name, chart.x + ": " + ticks(chart, [series.x[n]])[0], chart.y + ": " + short(series.y[n], 5)]
      : ["trial " + number + ": " + measures(row).slice(0, 4).map((pair) => pair.join(" ")).join(", ")];
    if (row !== undefined) {
      const told = choices(row);
      lines.push(...(trials.told[number] || "").split("\n").filter(Boolean).slice(0, 12));
      if (!trials.told[number]) lines.push(...told.slice(0, 8).map((pair) => pair.join(" = ")));
      lines.push(trials.drawings[number] ? "click for its drawing" : "click for all of it");
    }
    tip.replaceChildren(...lines.filter(Boolean).map((line) => made("div", { textContent: line })));
    const wide = u.over.offsetLeft + found.left;
    tip.style.left = Math.max(0, Math.min(wide + 14, u.root.offsetWidth - tip.offsetWidth)) + "px";
    tip.style.top = u.over.offsetTop + u.root.offsetTop + found.top + 16 + "px";
  }
  function legend(chart) {
    const box = made("div", { className: "legend" });
    if (chart.series.length > 1 || (chart.series[0].name && chart.series[0].name !== chart.y)) {
      for (const series of chart.series) {
        const mark = made("i", { className: series.kind === "dots" ? "dots" : "" });
        mark.style.background = series.dashes
          ? `repeating-linear-gradient(90deg, var(--${series.colour}) 0 ${series.dashes === "dotted" ? 2 : 5}px, transparent 0 8px)`
          : `var(--${series.colour})`;
        box.append(made("span", {}, mark, series.name));
      }
    }
    if (chart.note) box.append(made("span", { className: "axis", textContent: chart.note.replace("\n", " ") }));
    return box;
  }
  function draw(place, chart) {
    const box = made("div", { className: "chart" }), tip = made("div", { className: "tip", hidden: true });
    place.append(box);
    const across = chart.series.flatMap((series) => series.x);
    const xs = chart.scale === "log"
      ? range(across.filter((x) => x > 0).map(Math.log10), 0.03).map((power) => 10 ** power)
      : range(across, 0.03);
    const ys = chart.window
      ? range(chart.window, 0.05)
      : range(chart.series.flatMap((series) => [...series.y, ...(series.band || []).flat()]), 0.06);
    const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6];
    const counts = chart.series.every((series) => series.y.every(Number.isInteger));
    const axis = (label, more) => ({
      label, font, labelFont: font, labelSize: 20, stroke: () => css("ink"),
      grid: { stroke: () => css("line"), width: 1 }, ticks: { stroke: () => css("line"), width: 1 }, ...more,
    });
    const plot = new uPlot({
      mode: 2, width: Math.max(200, box.clientWidth), height: 300, legend: { show: false },
      padding: [12, 28, 0, 0], // on the right: half of a wide label
      scales: {
        x: { time: false, distr: chart.scale === "log" ? 3 : 1, range: (u, low, high) => (u.zoomed ? [low, high] : xs) },
        y: { range: (u, low, high) => (u.zoomed ? [low, high] : ys) },
      },
      axes: [
        axis(chart.x, { space: 64, size: 32, values: (u, splits) => ticks(chart, splits),
          ...(chart.scale === "whole" ? { incrs: WHOLE } : {}),
          ...(chart.scale === "log" ? { splits: (u, n, low, high) => decades(low, high, Math.max(2, u.width / 90)), filter: (u, splits) => splits } : {}) }),
        axis(chart.y, { space: 40, ...(counts ? { incrs: WHOLE } : {}), values: (u, splits) => ticks({}, splits),
          size: (u, values) => 24 + 7 * Math.max(1, ...(values || [""]).map((text) => text.length)) }),
      ],
      series: [{}, { facets: [{ scale: "x", auto: true }, { scale: "y", auto: true }], paths: () => null, points: { show: false } }],
      cursor: { x: false, y: false, points: { show: false }, drag: { x: true, y: true, setScale: true }, dataIdx: () => null },
      hooks: {
        draw: [(u) => points(u, chart)],
        setCursor: [(u) => tell(tip, u, chart, nearest(u, chart))],
      },
    }, [null, [xs, ys]], box);
    box.prepend(legend(chart));
    box.append(tip);
    let pressed = null;
    plot.over.addEventListener("mousedown", (event) => { pressed = [event.clientX, event.clientY]; plot.zoomed = true; });
    plot.over.addEventListener("dblclick", () => { plot.zoomed = false; plot.setData(plot.data); }, true);
    plot.over.addEventListener("click", (event) => {
      if (!pressed || Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]) > 4) return;
      const found = nearest(plot, chart);
      if (found && found.series.trials.length) open(found.series.trials[found.n]);
    });
    plot.over.addEventListener("mouseleave", () => { tip.hidden = true; });
    new ResizeObserver(() => {
      const wide = Math.max(200, box.clientWidth);
      if (wide !== plot.width) plot.setSize({ width: wide, height: 300 });
    }).observe(box);
    return plot;
  }
  const plots = [...document.querySelectorAll("[data-charts]")].flatMap((place) =>
    data.charts[place.dataset.charts].map((chart) => draw(place, chart)));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => plots.forEach((plot) => plot.redraw(false, true)));

  // ---- the table of all trials: sorted by any column, a page of rows at a time
  const ROWS = 25;
  function table(place) {
    const column = (name, heading, values, show) => ({ name, heading, values, show });
    const columns = [column("number", "trial", trials.number, String)];
    for (const m of trials.metrics) columns.push(column(m.name, m.words, m.values, (value) => readable(m.name, value)));
    if (new Set(trials.fidelity).size > 1) columns.push(column("fidelity", "fidelity", trials.fidelity, String));
    columns.push(column("seconds", "time", trials.seconds, (value) => readable("seconds", value)));
    if (trials.state.some(Boolean)) columns.push(column("state", "what came of it", trials.state, (text) => text || "good"));
    const order = trials.number.map((_, row) => row);
    let by = columns[0], sign = 1, page = 0;
    const last = Math.ceil(order.length / ROWS) - 1;
    const head = made("tr"), body = made("tbody"), where = made("span");
    const compare = (a, b) => {
      const first = by.values[a], second = by.values[b];
      if (first === null || second === null) return (first === null) - (second === null);
      return sign * (first < second ? -1 : first > second ? 1 : 0) || a - b;
    };
    function show() {
      head.replaceChildren(...columns.map((one) => {
        const button = made("button", { textContent: one.heading + (one === by ? (sign > 0 ? " ▲" : " ▼") : "") });
        button.addEventListener("click", () => {
          sign = one === by ? -sign : one.name === "number" || one.name === "state" ? 1 : -1;
          by = one; page = 0;
          order.sort(compare);
          show();
        });
        return made("th", { className: one.name === "state" ? "" : "number" }, button);
      }));
      body.replaceChildren(...order.slice(page * ROWS, (page + 1) * ROWS).map((row) => {
        const line = made("tr", {}, ...columns.map((one) => made("td",
          { className: one.name === "state" ? "" : "number", textContent: one.show(one.values[row]) })));
        const button = made("button", { textContent: trials.number[row] });
        button.addEventListener("click", () => open(trials.number[row]));
        line.firstChild.replaceChildren(button);
        return line;
      }));
      where.textContent = `${page * ROWS + 1} to ${Math.min(order.length, (page + 1) * ROWS)} of ${order.length.toLocaleString("en")}`;
      pager.forEach(([button, to]) => { button.disabled = to() === page; });
    }
    const pager = [["first", () => 0], ["back", () => Math.max(0, page - 1)], ["on", () => Math.min(last, page + 1)], ["last", () => last]]
      .map(([name, to]) => {
        const button = made("button", { textContent: name });
        button.addEventListener("click", () => { page = to(); show(); });
        return [button, to];
      });
    place.append(made("div", { className: "wide" }, made("table", {}, made("thead", {}, head), body)));
    if (last > 0) place.append(made("div", { className: "pager" }, ...pager.map(([button]) => button), where));
    show();
  }
  const place = document.getElementById("trials");
  if (place) table(place);

  // ---- a run that is still going on: the page is drawn anew when its history has grown
  if (data.following) {
    setInterval(async () => {
      try {
        const answer = await fetch("stamp", { cache: "no-store" });
        if (answer.ok && (await answer.text()) !== data.following && !dialog.open) location.reload();
      } catch { /* the server has ended */ }
    }, 2000);
  }
})();
