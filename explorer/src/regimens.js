/** Simulated regimens: looked up at the settings of the page, compared, and written as a file. */

import { quantile } from "./numbers.js";

/** @import { GridArm, GridChange, ProductGrid, RegimenGrid, RegimenSettings } from "./types.js" */

/** @type {RegimenSettings} */
export const AS_PLANNED = {
  step_up: "as_planned",
  first_dose_multiple: 1,
  interval_multiple: 1,
  premedication: "as_planned",
  prophylaxis: [],
  liver_metastases_share: null,
};
const SETTINGS = /** @type {(keyof RegimenSettings)[]} */ (Object.keys(AS_PLANNED));
const [LOW, MIDDLE, HIGH] = [0.025, 0.5, 0.975];

/**
 * The values of a setting that were simulated for a product, as planned first.
 * @template {keyof RegimenSettings} Name
 * @param {ProductGrid} product
 * @param {Name} name
 * @returns {RegimenSettings[Name][]}
 */
export function valuesOf(product, name) {
  const texts = new Set(product.arms.map(({ design }) => JSON.stringify(design[name])));
  return [...texts].map((text) => JSON.parse(text));
}

/**
 * @param {ProductGrid} product
 * @param {RegimenSettings} settings
 * @returns {GridArm | undefined} undefined where it was not simulated
 */
export function armOf(product, settings) {
  const asked = SETTINGS.map((name) => JSON.stringify(settings[name])).join();
  return product.arms.find(
    ({ design }) => SETTINGS.map((name) => JSON.stringify(design[name])).join() === asked,
  );
}

/**
 * How the rate of grade 2 or more changes from one regimen to another, member by member: median and
 * middle 95% of the differences, and the share of members in which the second has fewer. Shares.
 * @param {GridArm} first
 * @param {GridArm} second
 */
export function difference(first, second) {
  const changes = second.rates_per_mille.map(
    (rate, member) => (rate - first.rates_per_mille[member]) / 1000,
  );
  return {
    low: quantile(changes, LOW),
    median: quantile(changes, MIDDLE),
    high: quantile(changes, HIGH),
    has_fewer: changes.filter((change) => change < 0).length / changes.length,
  };
}

/**
 * What treating at a risk brings to 100 patients, less what courses cost.
 * @param {GridChange} change
 * @param {number} percent
 * @param {number} harm of one course, in CRS events
 */
export function atThreshold(change, percent, harm) {
  const found = change.thresholds.find((one) => one.percent === percent);
  if (found === undefined) throw new Error(`no threshold of ${percent}%`);
  return { ...found, net_benefit_per_100: found.averted_per_100 - harm * found.treated_per_100 };
}

/**
 * The file that `crsrisk forecast --design` reads: what differs from the plan, and how it was or is
 * simulated.
 * @param {RegimenGrid} grid
 * @param {ProductGrid} product
 * @param {RegimenSettings} settings
 * @returns {string}
 */
export function yamlOf(grid, product, settings) {
  const isSimulated = armOf(product, settings) !== undefined;
  const lines = SETTINGS.filter(
    (name) => JSON.stringify(settings[name]) !== JSON.stringify(AS_PLANNED[name]),
  ).map((name) => `${name}: ${yamlValue(settings[name])}`);
  return [
    `# A regimen ${isSimulated ? "as simulated" : "between simulated ones, to simulate it"}: crsrisk forecast --design regimen.yaml`,
    `product: ${product.product}`,
    ...lines,
    `patients: ${grid.patients}`,
    `seed: ${grid.seed}`,
    "",
  ].join("\n");
}

/**
 * @param {RegimenSettings[keyof RegimenSettings]} value
 * @returns {string}
 */
function yamlValue(value) {
  if (Array.isArray(value)) return `[${value.join(", ")}]`;
  return Number.isInteger(value) ? `${value}.0` : String(value);
}
