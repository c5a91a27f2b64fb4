/** The second tab: two regimens of a product side by side. */

import { axis } from "./axis.js";
import { shownArm } from "./between.js";
import { h } from "./dom.js";
import { publishedRates } from "./content.js";
import { fixed } from "./numbers.js";
import { AS_PLANNED, difference, yamlOf } from "./regimens.js";
import { trialRow } from "./result.js";
import { selection } from "./selection.js";
import { settingsFields } from "./settings.js";
import { aboutOf100, of100, plainName, shortLabel, typeset } from "./wording.js";

/** @import { PageData, PageProduct, ProductGrid, RegimenGrid, RegimenSettings, ShownArm } from "./types.js" */

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
    return { letter, settings, element: settingsFields(page, grid, simulated, letter, settings, () => update()) };
  });
  const answer = h("div", { role: "status", id: "regimen-answer" });
  const update = () => {
    const arms = sides.map(({ settings }) => shownArm(simulated, settings));
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
          download(grid, simulated, letter, settings),
        ),
      ),
    ),
    answer,
    simulated.changes.length ? selection(product, simulated.changes, grid.model) : null,
    h(
      "p",
      { class: "note" },
      `${typeset(product.label)}, ${plan(product)}. ${grid.members} sets of assumptions with ${grid.patients} simulated patients each; seed ${grid.seed}. Any other setting: `,
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
 * @param {PageProduct} product
 * @param {{letter: string}[]} sides
 * @param {(ShownArm | undefined)[]} arms
 */
function answerOf(page, product, sides, arms) {
  const [first, second] = arms;
  if (first === undefined || second === undefined) {
    return [h("p", { class: "cannot" }, "Not simulated: take another setting.")];
  }
  const isSame = JSON.stringify(first.design) === JSON.stringify(second.design);
  const shown = isSame ? [{ letter: "A and B", arm: first }] : sides.map(({ letter }, at) => ({ letter, arm: [first, second][at] }));
  const groups = FIGURES.map(({ name, grade, label }) => ({
    title: label,
    rows: [
      ...shown.map(({ letter, arm }) => {
        const { median, low, high } = arm.figures[name];
        return /** @type {const} */ ({
          label: `Regimen ${letter}${arm.off_per_100 ? ", interpolated" : ""}`,
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
    ...shown
      .filter(({ arm }) => arm.off_per_100)
      .map(({ letter, arm }) =>
        h(
          "p",
          { class: "note" },
          `Regimen ${letter} stands between simulated settings: its rates are within about ${Math.ceil(arm.off_per_100)} of 100 of a simulation of it, and its intervals are wider by that.`,
        ),
      ),
  ];
}

/**
 * @param {ShownArm} first
 * @param {ShownArm} second
 */
function inWords(first, second) {
  const { low, median, high, has_fewer: share } = difference(first, second);
  const off = (first.change_off_per_100 + second.change_off_per_100) / 100;
  const by = of100(Math.abs(median));
  const change = by === 0 ? "as many" : `${aboutOf100(Math.abs(median))} of 100 ${median < 0 ? "fewer" : "more"}`;
  return [
    h("b", {}, `Grade 2 or more with B: ${change}`),
    ` (95% ${signed(low - off)} to ${signed(high + off)}). Fewer with B in ${of100(share)} of 100 sets of assumptions.`,
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
 * @param {ProductGrid} product
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
  return h("p", { class: "download" }, button);
}
