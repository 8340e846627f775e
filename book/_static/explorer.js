// The page of samples: choose a collected cell, see its pictures and its numbers.
// `window.EXPLORER` is written beside the pictures when the book is built.
"use strict";
(() => {
  const box = document.getElementById("explorer");
  if (!box || !window.EXPLORER) return;
  const { datasets, metrics } = window.EXPLORER;
  const AXES = ["dataset", "model", "level", "seed"];
  const REFERENCES = ["real", "copies", "means"];
  const COLUMNS = 10, SAMPLES = 8;
  const pick = Object.fromEntries(AXES.map(a => [a, box.querySelector(`[name=${a}]`)]));
  const chosen = { dataset: "mnist", model: "ddpm", level: "0.4", seed: "0" };

  const levels = () => datasets[chosen.dataset].cells[chosen.model];
  const seeds = () => levels().find(([level]) => level === chosen.level)[1];
  const words = level => ({
    none: "not trained", sgd: "no noise (sgd)", clipped: "clipped, no noise",
  })[level] || `σ = ${level}`;
  const offered = {
    dataset: () => Object.entries(datasets).map(([name, d]) => [name, d.title]),
    model: () => Object.entries(datasets[chosen.dataset].models),
    level: () => levels().map(([level]) => [level, words(level)]),
    seed: () => Object.keys(seeds()).map(seed => [seed, seed]),
  };

  function offer(axis) {
    const options = offered[axis]();
    if (!options.some(([value]) => value === chosen[axis])) chosen[axis] = options[0][0];
    pick[axis].replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    pick[axis].value = chosen[axis];
  }

  function piece(source, row, rows, first, count, label) {
    const part = document.createElement("div");
    part.className = "piece";
    part.setAttribute("role", "img");
    part.setAttribute("aria-label", label);
    part.style.aspectRatio = `${count} / 1`;
    part.style.flex = `${count} 1 0`;
    part.style.backgroundImage = `url("${source}")`;
    part.style.backgroundSize = `${(100 * COLUMNS) / count}% ${100 * rows}%`;
    const x = (100 * first) / (COLUMNS - count), y = rows > 1 ? (100 * row) / (rows - 1) : 0;
    part.style.backgroundPosition = `${x}% ${y}%`;
    return part;
  }

  function rows() {
    const { classes } = datasets[chosen.dataset];
    const name = AXES.map(axis => chosen[axis]).join("-");
    const source = new URL(`../_static/explorer/${name}.webp`, document.baseURI).href;
    const head = document.createElement("div");
    head.className = "row head";
    head.innerHTML = `<span></span><div style="flex:${SAMPLES} 1 0">first images of the class</div>` +
      `<div style="flex:2 1 0">nearest · private</div>`;
    return [head, ...classes.map((label, row) => {
      const line = document.createElement("div");
      line.className = "row";
      const title = document.createElement("span");
      title.textContent = label;
      line.append(title,
        piece(source, row, classes.length, 0, SAMPLES, `Images of class ${label}`),
        piece(source, row, classes.length, SAMPLES, 2,
          `Class ${label}: the image nearest to a private one, and that private one`));
      return line;
    })];
  }

  // A number of a reference generator at the chosen seed, or at the first one there is.
  function reference(model, metric) {
    const found = datasets[chosen.dataset].cells[model];
    if (!found) return undefined;
    const bySeed = found[0][1];
    return (bySeed[chosen.seed] || Object.values(bySeed)[0])[metric];
  }

  const written = (value, digits) => value === undefined || value === null ? "–"
    : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

  function numbers() {
    const cell = seeds()[chosen.seed], own = datasets[chosen.dataset].models;
    const head = ["", "this cell", ...REFERENCES.map(r => own[r] || r)];
    const lines = Object.entries(metrics).map(([name, { title, digits }]) => [
      title, written(cell[name], digits), ...REFERENCES.map(r => written(reference(r, name), digits)),
    ]);
    lines.splice(1, 0, ["the same, trained on the private images", written(cell.ceiling, 3), "", "", ""]);
    const row = (cells, tag) => `<tr>${cells.map(c => `<${tag}>${c}</${tag}>`).join("")}</tr>`;
    return `<thead>${row(head, "th")}</thead><tbody>${lines.map(l => row(l, "td")).join("")}</tbody>`;
  }

  function show() {
    AXES.forEach(offer);
    const { title, models } = datasets[chosen.dataset], cell = seeds()[chosen.seed];
    const epsilon = cell["epsilon_1e-3"];
    const bound = REFERENCES.includes(chosen.model) ? "" : epsilon === undefined
      ? ", no guarantee at all" : `, guaranteed ε at most ${written(epsilon, epsilon < 10 ? 1 : 0)} (δ = 10⁻³)`;
    box.querySelector(".said").textContent =
      `${title}, ${models[chosen.model]}, ${words(chosen.level)}, seed ${chosen.seed}${bound}`;
    box.querySelector(".rows").replaceChildren(...rows());
    box.querySelector(".numbers").innerHTML = numbers();
  }

  function read() {
    const parts = decodeURIComponent(location.hash.slice(1)).split("/");
    if (parts.length === AXES.length && datasets[parts[0]]?.cells[parts[1]])
      AXES.forEach((axis, i) => { chosen[axis] = parts[i]; });
    show();
  }

  const keep = () => history.replaceState(null, "", "#" + AXES.map(a => chosen[a]).join("/"));

  AXES.forEach(axis => pick[axis].addEventListener("change", () => {
    chosen[axis] = pick[axis].value;
    show();
    keep();
  }));
  box.addEventListener("keydown", event => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.target.tagName === "SELECT") return;
    const there = levels().map(([level]) => level);
    const place = there.indexOf(chosen.level) + step;
    if (place < 0 || place >= there.length) return;
    event.preventDefault();
    chosen.level = there[place];
    show();
    keep();
  });
  window.addEventListener("hashchange", read);
  read();
})();
