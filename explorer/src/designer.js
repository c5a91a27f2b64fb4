/** The second tab: two regimens of a product side by side. */

import { axis } from "./axis.js";
import { h } from "./dom.js";
import { publishedRates } from "./content.js";
import { fixed, general } from "./numbers.js";
import { AS_PLANNED, armOf, difference, valuesOf, yamlOf } from "./regimens.js";
import { trialRow } from "./result.js";
import { selection } from "./selection.js";
import { aboutOf100, listed, of100, plainName, shortLabel } from "./wording.js";

/** @import { GridArm, PageData, PageProduct, RegimenGrid, RegimenSettings } from "./types.js" */

const FIGURES = /** @type {const} */ ([
  { name: "crs_any", grade: 1, label: "CRS of any grade" },
  { name: "crs_grade2plus", grade: 2, label: "Grade 2 or more" },
  { name: "crs_grade3plus", grade: 3, label: "Grade 3 or more" },
]);
const COMMAND = "crsrisk forecast --design regimen.yaml";
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
