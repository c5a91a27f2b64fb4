/** The second tab: two regimens of a product side by side, and who would get prophylaxis. */

import { axis } from "./axis.js";
import { h, svg } from "./dom.js";
import { publishedRates } from "./content.js";
import { fixed, general } from "./numbers.js";
import { AS_PLANNED, armOf, atThreshold, difference, valuesOf, yamlOf } from "./regimens.js";
import { trialRow } from "./result.js";
import { aboutOf100, listed, of100, plainName, shortLabel } from "./wording.js";

/** @import { GridArm, GridChange, PageData, PageProduct, RegimenGrid, RegimenSettings } from "./types.js" */

const FIGURES = /** @type {const} */ ([
  { name: "crs_any", grade: 1, label: "CRS of any grade" },
  { name: "crs_grade2plus", grade: 2, label: "Grade 2 or more" },
  { name: "crs_grade3plus", grade: 3, label: "Grade 3 or more" },
]);
const COMMAND = "crsrisk forecast --design regimen.yaml";
const HARMS = { most: 0.3, step: 0.01, first: 0.05 };
const MOST_TRIALS = 3;

/**
 * @param {PageData} page
 * @param {RegimenGrid} grid
 * @returns {HTMLElement}
 */
export function designer(page, grid) {
  const known = grid.products.flatMap(({ product }) => page.products.find(({ name }) => name === product) ?? []);
  const chosen = h(
    "select",
    { id: "designed-product" },
    ...known.map(({ name, label, other_names: others }) =>
      h("option", { value: name }, others.length ? `${shortLabel(label)} (${others[0]})` : label),
    ),
  );
  const place = h("div", {});
  const show = () => {
    const product = known.find(({ name }) => name === chosen.value);
    if (product) place.replaceChildren(ofProduct(page, grid, product));
  };
  chosen.addEventListener("change", show);
  show();
  return h(
    "div",
    { class: "designer" },
    h("p", { class: "field" }, h("label", { for: "designed-product" }, "Product"), chosen),
    place,
  );
}

/**
 * @param {PageData} page
 * @param {RegimenGrid} grid
 * @param {PageProduct} product
 */
function ofProduct(page, grid, product) {
  const simulated = grid.products.find((one) => one.product === product.name);
  if (simulated === undefined) throw new Error(`no regimens of ${product.name}`);
  const sides = ["A", "B"].map((letter) => {
    const settings = { ...AS_PLANNED };
    return { letter, settings, ...controls(page, simulated, letter, settings, () => update()) };
  });
  const answer = h("div", { role: "status", id: "regimen-answer" });
  const update = () => {
    const arms = sides.map(({ settings, tell }) => {
      const arm = armOf(simulated, settings);
      tell(arm);
      return arm;
    });
    answer.replaceChildren(...answerOf(page, product, sides, arms));
  };
  update();
  return h(
    "div",
    {},
    h(
      "div",
      { class: "regimens" },
      ...sides.map(({ letter, element, settings }) =>
        h(
          "fieldset",
          { class: "part" },
          h("legend", {}, `Regimen ${letter}`),
          element,
          download(grid, product.name, letter, settings),
        ),
      ),
    ),
    answer,
    simulated.changes.length ? selection(product, simulated.changes, grid.model) : null,
    h(
      "p",
      { class: "note" },
      `${product.label}, ${plan(product)}. ${grid.members} sets of assumptions with ${grid.patients} simulated patients each; seed ${grid.seed}. Any other setting: `,
      h("code", {}, COMMAND),
      ".",
    ),
  );
}

/**
 * @param {PageProduct} product
 */
function plan({ regimens, default_regimen: name }) {
  const note = regimens.find((one) => one.name === name)?.note ?? "";
  return `as planned: ${plainName(name)}${note ? ` (${note.replace(/\.$/, "")})` : ""}`;
}

/**
 * @param {PageData} page
 * @param {import("./types.js").ProductGrid} simulated
 * @param {string} letter
 * @param {RegimenSettings} settings changed as they are chosen
 * @param {() => void} changed
 */
function controls(page, simulated, letter, settings, changed) {
  const note = h("p", { class: "note" });
  const planned = simulated.arms[0].doses_in_window;
  /**
   * @template {keyof RegimenSettings} Name
   * @param {Name} name
   * @param {string} label
   * @param {(value: RegimenSettings[Name]) => string} inWords
   */
  const choice = (name, label, inWords) => {
    const values = valuesOf(simulated, name);
    if (values.length < 2) return null;
    const id = `${letter}-${name}`;
    const select = h(
      "select",
      { id },
      ...values.map((value, at) => h("option", { value: at }, inWords(value))),
    );
    select.addEventListener("change", () => {
      settings[name] = values[Number(select.value)];
      changed();
    });
    return h("p", { class: "field" }, h("label", { for: id }, label), select);
  };
  /**
   * @param {"first_dose_multiple" | "interval_multiple"} name
   * @param {string} label
   */
  const slider = (name, label) => {
    const values = valuesOf(simulated, name).sort((one, other) => one - other);
    if (values.length < 2) return null;
    const id = `${letter}-${name}`;
    const range = h("input", {
      id,
      type: "range",
      min: 0,
      max: values.length - 1,
      step: 1,
      value: values.indexOf(1),
    });
    const told = h("output", { for: id });
    const tell = () => {
      const words = times(values[Number(range.value)]);
      told.textContent = words;
      range.setAttribute("aria-valuetext", words);
    };
    range.addEventListener("input", () => {
      settings[name] = values[Number(range.value)];
      tell();
      changed();
    });
    tell();
    return h("p", { class: "field" }, h("label", { for: id }, label), h("span", { class: "controls" }, range, told));
  };
  return {
    element: h(
      "div",
      {},
      choice("step_up", "Step-up", (value) => (value === "none" ? "none: full dose first" : "as planned")),
      slider("first_dose_multiple", planned > 1 ? "First dose" : "Dose"),
      slider("interval_multiple", "Time between doses"),
      choice("premedication", "Premedication", (value) => (value === "none" ? "none" : "as planned")),
      choice("prophylaxis", "Prophylaxis before dose 1", (value) =>
        value.length ? listed(value.map((name) => page.agents[name] ?? name)) : "none",
      ),
      choice("liver_metastases_share", "Liver metastases", (value) =>
        value === null ? "as in this tumour" : value === 0 ? "nobody" : "everybody",
      ),
      note,
    ),
    /** @param {GridArm | undefined} arm */
    tell: (arm) => {
      note.textContent =
        arm && arm.doses_in_window < planned
          ? `${arm.doses_in_window} of ${planned} doses fall into the window.`
          : "";
    },
  };
}

/**
 * @param {number} multiple
 * @returns {string}
 */
function times(multiple) {
  if (multiple === 1) return "as planned";
  return multiple === 0.5 ? "half" : `${general(multiple)} times`;
}

/**
 * @param {PageData} page
 * @param {PageProduct} product
 * @param {{letter: string}[]} sides
 * @param {(GridArm | undefined)[]} arms
 */
function answerOf(page, product, sides, arms) {
  const [first, second] = arms;
  if (first === undefined || second === undefined) {
    return [h("p", { class: "cannot" }, "Not simulated: take another setting.")];
  }
  const isSame = first === second;
  const shown = isSame ? [{ letter: "A and B", arm: first }] : sides.map(({ letter }, at) => ({ letter, arm: [first, second][at] }));
  const groups = FIGURES.map(({ name, grade, label }) => ({
    title: label,
    rows: [
      ...shown.map(({ letter, arm }) => {
        const { median, low, high } = arm.figures[name];
        return /** @type {const} */ ({
          label: `Regimen ${letter}`,
          figure: `${of100(median)} of 100 (${of100(low)} to ${of100(high)})`,
          value: median,
          low,
          high,
          kind: "patient",
        });
      }),
      ...publishedRates(page, product, grade).slice(0, MOST_TRIALS).map(trialRow),
    ],
  }));
  return [
    h("h2", {}, "What trials would report"),
    isSame
      ? h("p", {}, "Both are the same: change one.")
      : h("p", { class: "number" }, ...inWords(first, second)),
    axis(groups),
    h(
      "p",
      { class: "note" },
      `Within ${product.window_d} days after the first dose. Median and 95% of what trials of unlimited size would report: what is not known of the assumptions, and how trials of one product differ. Monte Carlo error at most ${fixed(100 * Math.max(...shown.flatMap(({ arm }) => FIGURES.map(({ name }) => arm.figures[name].mc_error))), 1)} of 100.`,
    ),
  ];
}

/**
 * @param {GridArm} first
 * @param {GridArm} second
 */
function inWords(first, second) {
  const { low, median, high, has_fewer: share } = difference(first, second);
  const by = of100(Math.abs(median));
  const change = by === 0 ? "as many" : `${aboutOf100(Math.abs(median))} of 100 ${median < 0 ? "fewer" : "more"}`;
  return [
    h("b", {}, `Grade 2 or more with B: ${change}`),
    ` (95% ${signed(low)} to ${signed(high)}). Fewer with B in ${of100(share)} of 100 sets of assumptions.`,
  ];
}

/**
 * @param {number} share
 * @returns {string}
 */
function signed(share) {
  const whole = of100(share);
  return whole > 0 ? `+${whole}` : whole < 0 ? `−${-whole}` : "0";
}

/**
 * @param {RegimenGrid} grid
 * @param {string} product
 * @param {string} letter
 * @param {RegimenSettings} settings
 */
function download(grid, product, letter, settings) {
  const button = h("button", { type: "button" }, `Download ${letter} as YAML`);
  button.addEventListener("click", () => {
    const file = new Blob([yamlOf(grid, product, settings)], { type: "application/yaml" });
    const link = h("a", { href: URL.createObjectURL(file), download: "regimen.yaml" });
    link.click();
    URL.revokeObjectURL(link.href);
  });
  return h("p", {}, button);
}

/**
 * Who gets an agent, by predicted risk.
 * @param {PageProduct} product
 * @param {GridChange[]} changes
 * @param {string} model whose risks decide
 */
function selection(product, changes, model) {
  const offered = changes.filter(({ kind }) => kind === "prophylaxis");
  if (offered.length === 0) return null;
  const agent = h("select", { id: "agent" }, ...offered.map(({ label }, at) => h("option", { value: at }, label)));
  const percents = offered[0].thresholds.map(({ percent }) => percent);
  const threshold = h("input", { id: "threshold", type: "range", min: 0, max: percents.length - 1, step: 1, value: 2 });
  const harm = h("input", { id: "harm", type: "range", min: 0, max: HARMS.most, step: HARMS.step, value: HARMS.first });
  const [atRisk, cost] = [h("output", { for: "threshold" }), h("output", { for: "harm" })];
  const told = h("div", { role: "status" });
  const update = () => {
    const change = offered[Number(agent.value)];
    const percent = percents[Number(threshold.value)];
    const found = atThreshold(change, percent, Number(harm.value));
    atRisk.textContent = percent ? `${percent} of 100 or more` : "everybody";
    cost.textContent = `${fixed(100 * Number(harm.value), 0)} events for 100 courses`;
    threshold.setAttribute("aria-valuetext", atRisk.textContent);
    harm.setAttribute("aria-valuetext", cost.textContent);
    const one = (/** @type {number} */ value) => fixed(value, 0);
    told.replaceChildren(
      h(
        "p",
        { class: "number" },
        h("b", {}, `Of 100 patients ${one(found.treated_per_100)} treated, ${one(found.averted_per_100)} averted`),
        ` (over assumptions ${one(found.low)} to ${one(found.high)}; Monte Carlo error ${fixed(found.mc_error, 1)}); ${one(found.needless_per_100)} treated who would have had no grade 2 or more.`,
      ),
      curve(change, percents, percent, Number(harm.value)),
      h(
        "p",
        { class: "note" },
        `Net benefit: averted events less what the courses cost, both in events. Risks by ${model}; ${product.window_d} days. Effect on the tumour unknown.`,
      ),
    );
  };
  for (const input of [agent, threshold, harm]) input.addEventListener("input", update);
  update();
  return h(
    "section",
    { "aria-label": "Who gets prophylaxis" },
    h("h2", {}, "Who gets prophylaxis"),
    h("p", { class: "field" }, h("label", { for: "agent" }, "Agent"), agent),
    h("p", { class: "field" }, h("label", { for: "threshold" }, "Treated at a risk of"), h("span", { class: "controls" }, threshold, atRisk)),
    h("p", { class: "field" }, h("label", { for: "harm" }, "Harm of a course"), h("span", { class: "controls" }, harm, cost)),
    told,
  );
}

/**
 * Net benefit for 100 patients against the threshold; nobody treated is 0.
 * @param {GridChange} change
 * @param {number[]} percents
 * @param {number} now
 * @param {number} harm
 */
function curve(change, percents, now, harm) {
  const [width, height, left, bottom] = [520, 170, 44, 34];
  const values = percents.map((percent) => atThreshold(change, percent, harm).net_benefit_per_100);
  const [least, most] = [Math.min(0, ...values), Math.max(1, ...values)];
  const last = percents[percents.length - 1];
  /** @param {number} percent */
  const x = (percent) => left + ((width - left - 8) * percent) / last;
  /** @param {number} value */
  const y = (value) => 8 + ((height - bottom - 8) * (most - value)) / (most - least);
  const at = percents.indexOf(now);
  const text = (/** @type {Record<string, string | number>} */ place, /** @type {string} */ words) =>
    svg("text", place, words);
  return h(
    "figure",
    { class: "curve" },
    svg(
      "svg",
      {
        viewBox: `0 0 ${width} ${height}`,
        role: "img",
        "aria-label": `Net benefit for 100 patients: ${percents.map((percent, k) => `${fixed(values[k], 1)} at ${percent}`).join(", ")}`,
      },
      ...[0, most].map((value) => [
        svg("line", { class: "grid", x1: left, x2: width - 8, y1: y(value), y2: y(value) }),
        text({ x: left - 6, y: y(value) + 4, "text-anchor": "end" }, fixed(value, 0)),
      ]),
      ...percents
        .filter((percent) => percent % 20 === 0)
        .map((percent) => text({ x: x(percent), y: height - 18, "text-anchor": "middle" }, String(percent))),
      text({ x: (left + width) / 2, y: height - 3, "text-anchor": "middle" }, "treated at a risk of … of 100 or more"),
      svg("polyline", { class: "line", points: percents.map((percent, k) => `${x(percent)},${y(values[k])}`).join(" ") }),
      svg("circle", { class: "point", cx: x(now), cy: y(values[at]), r: 6 }),
    ),
    h("figcaption", {}, `Net benefit for 100 patients: ${fixed(values[at], 1)}`),
  );
}
