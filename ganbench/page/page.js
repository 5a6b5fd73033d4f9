// One state for each suite (method, level of a factor, trial) filters the data of all its charts. Everything is set as
// text (textContent, option labels): no string of the data becomes markup.
(function () {
  "use strict";

  const MOST_SVG = 3000; // rows beyond which a chart is drawn on a canvas

  function expand(packed) { // columns to rows; a column may be {names, codes}
    const names = Object.keys(packed);
    const columns = names.map((name) => {
      const column = packed[name];
      return Array.isArray(column) ? column : column.codes.map((code) => column.names[code]);
    });
    const count = columns.length ? columns[0].length : 0;
    return Array.from({ length: count }, (_, i) => {
      const row = {};
      names.forEach((name, k) => { row[name] = columns[k][i]; });
      return row;
    });
  }

  function fresh(row) { // a copy without the mark that Vega leaves on rows it knows (`...row` would copy that too)
    return Object.fromEntries(Object.entries(row));
  }

  function look() { // the colours of charts, from those of the page
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const [ink, faint, grid, line] = ["--ink", "--faint", "--grid", "--line"].map(colour);
    const font = getComputedStyle(document.body).fontFamily;
    return {
      ink,
      config: {
        background: "transparent", font,
        axis: {
          labelColor: faint, titleColor: ink, gridColor: grid, domainColor: line, tickColor: line, labelFontSize: 12,
          titleFontSize: 12, titleFontWeight: "normal", labelOverlap: "greedy", labelSeparation: 12,
          labelFlush: true, titleLimit: 320,
        },
        axisY: { titleLimit: 260 },
        view: { stroke: null },
      },
    };
  }

  function option(value, text) {
    const element = document.createElement("option");
    element.value = value;
    element.textContent = text;
    return element;
  }

  class Suite {
    constructor(root) {
      this.root = root;
      this.data = JSON.parse(root.querySelector("script.data").textContent);
      this.trials = expand(this.data.trials);
      this.trials.forEach((trial, t) => { trial.t = t; });
      this.form = root.querySelector("form.choices");
      this.charts = new Map();
      this.fill();
      this.form.addEventListener("submit", (event) => event.preventDefault());
      this.form.addEventListener("change", () => this.refresh());
      this.form.addEventListener("reset", () => setTimeout(() => this.refresh()));
      root.querySelectorAll("button.pick").forEach((button) => {
        button.addEventListener("click", () => { this.choose(Number(button.dataset.trial)); this.showTrial(true); });
      });
    }

    fill() { // the choices of the three lists
      const { method, level } = this.form.elements;
      this.data.methods.forEach((name, place) => method.append(option(String(place), name)));
      this.levels = [];
      Object.entries(this.data.factors).forEach(([factor, levels]) => {
        const group = document.createElement("optgroup");
        group.label = factor;
        const byValue = new Map();
        Object.entries(levels).forEach(([architecture, value]) => {
          if (!byValue.has(value)) byValue.set(value, new Set());
          byValue.get(value).add(architecture);
        });
        [...byValue.keys()].sort((a, b) => a.localeCompare(b, "en", { numeric: true })).forEach((value) => {
          group.append(option(String(this.levels.length), `${factor}: ${value}`));
          this.levels.push(byValue.get(value));
        });
        level.append(group);
      });
      if (!this.levels.length) level.closest("label").hidden = true;
      if (this.data.methods.length < 2) method.closest("label").hidden = true;
      this.fillTrials();
    }

    fillTrials() {
      const list = this.form.elements.trial, chosen = list.value;
      list.replaceChildren(option("", "none"));
      this.trials.filter((trial) => this.passes(trial)).forEach((trial) => {
        list.append(option(String(trial.t), `${trial.short} ${trial.method}, ${trial.words}, seed ${trial.seed}`));
      });
      list.value = chosen;
      if (list.value !== chosen) list.value = "";
    }

    get method() {
      const value = this.form.elements.method.value;
      return value === "" ? null : this.data.methods[Number(value)];
    }

    get level() {
      const value = this.form.elements.level.value;
      return value === "" ? null : this.levels[Number(value)];
    }

    get chosen() {
      const value = this.form.elements.trial.value;
      return value === "" ? -1 : Number(value);
    }

    passes(trial) {
      return (this.method === null || trial.method === this.method)
        && (this.level === null || this.level.has(trial.architecture));
    }

    keeps(row) { // whether the choices leave a row of a chart
      if (row.u !== undefined) { // a pair of trials
        const sides = [row.t, row.u].map((t) => this.trials[t]).filter(Boolean);
        return this.level === null || sides.some((trial) => this.level.has(trial.architecture));
      }
      if (row.t !== undefined) return this.passes(row);
      return row.method === undefined || this.method === null || row.method === this.method;
    }

    choose(t) {
      if (t >= 0 && !this.passes(this.trials[t])) {
        this.form.elements.method.value = "";
        this.form.elements.level.value = "";
        this.fillTrials();
      }
      this.form.elements.trial.value = t < 0 ? "" : String(t);
      this.refresh();
    }

    showTrial(scroll) { // above all charts, and beside its course
      const [above, beside] = this.root.querySelectorAll(".trial"), trial = this.trials[this.chosen];
      [above, beside].filter(Boolean).forEach((place) => {
        place.hidden = !trial;
        if (trial) place.replaceChildren(...this.describe(trial));
      });
      if (trial && scroll) above.scrollIntoView({ block: "center" });
    }

    describe(trial) {
      const line = document.createElement("p"), command = document.createElement("code"), how = document.createElement("p");
      line.textContent = `Trial ${trial.short}: ${trial.method} on ${trial.dataset}, ${trial.words}, seed ${trial.seed}; `
        + `${trial.outcome}.`;
      const samples = this.data.samples[trial.folder]; // none where the trials were imported
      command.textContent = samples ? samples.replace("--of KEY", () => `--of ${trial.short}`) : "";
      how.append(samples ? "Its course is below. Its samples: " : "Its course is below.", command);
      return [line, how, ...this.picture(trial)];
    }

    picture(trial) { // its samples, where the page has them
      const [words, png] = this.data.pictures[trial.t] ?? [];
      if (!png) return [];
      const image = document.createElement("img");
      image.src = `data:image/png;base64,${png}`;
      image.alt = `Trial ${trial.short}, ${trial.method}: ${words}.`;
      return [image];
    }

    rows(name, packed) {
      return expand(packed).map((row) => (row.t === undefined ? row : { ...this.trials[row.t], ...row }));
    }

    async draw(id, chart) {
      const place = document.getElementById(id), { ink, config } = look();
      let frames = new Map(Object.entries(chart.frames).map(([name, packed]) => [name, this.rows(name, packed)]));
      if (chart.courses) frames = this.course(id, chart, frames.get("quartiles"));
      const spec = JSON.parse(JSON.stringify(chart.spec).replaceAll('"#000000"', JSON.stringify(ink)));
      if (chart.courses) this.scaleCourse(id, chart, spec);
      const drawn = [...frames].filter(([name]) => name !== "values");
      spec.datasets = Object.fromEntries(drawn.map(([name, rows]) => [name, rows.map(fresh)])); // a scale of no data would warn
      const size = Math.max(0, ...[...frames.values()].map((rows) => rows.length));
      const { view } = await vegaEmbed(place, spec, {
        actions: false, config, logLevel: 1, renderer: size > MOST_SVG ? "canvas" : "svg", ast: false,
        loader: { load: () => Promise.reject(new Error("a page loads nothing")) },
      });
      place.firstElementChild.setAttribute("aria-hidden", "true"); // the chart as a whole has its words
      const follows = [...frames.values()].some((rows) => rows.some((row) => row.t !== undefined && row.v === undefined));
      if (follows) {
        place.classList.add("clickable");
        view.addEventListener("click", (_, item) => {
          const datum = item && item.datum;
          if (!datum || datum.t === undefined) return;
          const sides = [datum.t, datum.u ?? -1].filter((t) => t >= 0); // of a pair: A's trial, B's, then none
          this.choose(sides[sides.indexOf(this.chosen) + 1] ?? -1);
        });
      }
      this.charts.get(id)?.view.finalize();
      this.charts.set(id, { view, frames, follows });
      this.update(id);
    }

    choices(id) { // of the chart of courses: which series, over what, which trials
      const figure = document.getElementById(id).closest("figure");
      return ["series", "axis", "single"].map((name) => figure.querySelector(`select.${name}`));
    }

    course(id, chart, quartiles) { // the rows of the chosen series
      const [series, axis, single] = this.choices(id), { grids, curves, pace } = chart.courses;
      if (!series.options.length) {
        chart.courses.series.forEach((each, place) => series.append(option(String(place), each.title)));
        [series, axis].forEach((list) => list.addEventListener("change", () => this.draw(id, chart)));
        single.addEventListener("change", () => this.update(id));
      }
      const s = Number(series.value), seconds = axis.value === "seconds", rows = [];
      curves.filter((curve) => curve[1] === s).forEach(([t, , grid, values]) => {
        values.forEach((value, i) => {
          const x = seconds ? pace[t] * grids[grid][i] : grids[grid][i];
          rows.push({ ...this.trials[t], x, value });
        });
      });
      const shown = quartiles.filter((row) => row.s === s).map((row) => ({ ...row, x: row.step * (seconds ? chart.courses.series[s].pace[row.method] : 1) }));
      return new Map([["quartiles", shown], ["single", rows]]);
    }

    scaleCourse(id, chart, spec) { // the axes of the chosen series
      const [series, axis] = this.choices(id), chosen = chart.courses.series[Number(series.value)];
      spec.layer.forEach(({ encoding }) => {
        if (encoding.x.title) encoding.x.title = axis.options[axis.selectedIndex].text;
        if (encoding.y.title) encoding.y.title = chosen.title;
        if (chosen.log) encoding.y.scale = { type: "log", nice: false };
      });
    }

    update(id) {
      const { view, frames, follows } = this.charts.get(id), chart = this.data.charts[id];
      const alone = chart.courses && this.choices(id)[2].value === "chosen";
      frames.forEach((rows, name) => {
        if (name === "values") return; // these are counted, not drawn
        if (name === "curve" && chart.recount && this.level !== null) {
          rows = this.recount(rows, frames.get("values"), chart.recount);
        }
        const whole = follows && this.level !== null && name === "summary"; // quartiles are of all architectures
        view.data(name, whole ? [] : rows.filter(
          (row) => this.keeps(row) && !(alone && name === "single" && row.t !== this.chosen)).map(fresh));
      });
      if (follows || chart.courses) view.signal("chosen", this.chosen);
      view.runAsync();
    }

    recount(curve, values, direction) { // success rates of the chosen architectures alone, at the thresholds of the curve
      const higher = direction === "higher", byMethod = new Map();
      values.filter((row) => this.passes(row)).forEach(({ method, v }) => {
        if (!byMethod.has(method)) byMethod.set(method, []);
        byMethod.get(method).push(v);
      });
      return curve.filter((row) => byMethod.has(row.method)).map((row) => {
        const scores = byMethod.get(row.method);
        const count = scores.filter((v) => v !== null && (higher ? v > row.threshold : v < row.threshold)).length;
        const rate = count / scores.length;
        return { ...row, rate, low: rate, high: rate };
      });
    }

    refresh() {
      this.fillTrials();
      this.root.querySelectorAll(".whole").forEach((note) => { note.hidden = this.level === null; });
      this.showTrial(false);
      this.charts.forEach((_, id) => this.update(id));
    }

    async drawAll() {
      for (const [id, chart] of Object.entries(this.data.charts)) await this.draw(id, chart);
    }
  }

  async function start() {
    const suites = [...document.querySelectorAll(".suite")].map((root) => new Suite(root));
    for (const suite of suites) await suite.drawAll();
    document.documentElement.dataset.drawn = "yes";
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", async () => {
      for (const suite of suites) await suite.drawAll();
    });
    addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
  }

  start();
})();
