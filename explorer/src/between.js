/** Regimens between those of the grid: `crsrisk/data/regimen_interpolation.py`, for the page. */

import { AS_PLANNED, armOf } from "./regimens.js";

/** @import { GridArm, GridFigureName, PlannedDoses, ProductGrid, RegimenSettings, ShownArm } from "./types.js" */

/** @typedef {"first_dose_multiple" | "interval_multiple" | "liver_metastases_share"} SliderName */

const SLIDERS = /** @type {SliderName[]} */ (["first_dose_multiple", "interval_multiple", "liver_metastases_share"]);
const CHOICES = /** @type {Exclude<keyof RegimenSettings, SliderName>[]} */ (
  Object.keys(AS_PLANNED).filter((name) => !SLIDERS.some((slider) => slider === name))
);
const PARTS = /** @type {const} */ (["median", "low", "high"]);
const CHANGE = "change_of_grade2plus";
const ACTS_WITHIN_H = 24;
const OFFSET = 0.0005; // half of what a member's rate is rounded to: log-odds of 0 and 1 are finite

/**
 * What trials of a regimen would report: as simulated, or between settings that were, with the
 * intervals widened by what such a setting may be off.
 * @param {ProductGrid} product
 * @param {RegimenSettings} settings
 * @returns {ShownArm | undefined} undefined beyond what was simulated
 */
export function shownArm(product, settings) {
  const arm = armOf(product, settings);
  if (arm) return { ...arm, off_per_100: 0, change_off_per_100: 0 };
  const found = ratesBetween(product, settings);
  if (found === undefined) return undefined;
  const { errors } = product.interpolation;
  const figures = /** @type {ShownArm["figures"]} */ ({});
  for (const name of names(found.figures)) {
    const off = errors[name].largest_per_100 / 100;
    const { median, low, high, mc_error } = found.figures[name];
    figures[name] = { median, low: Math.max(low - off, 0), high: Math.min(high + off, 1), mc_error };
  }
  return {
    design: settings,
    figures,
    rates_per_mille: found.members.map((rate) => 1000 * rate),
    off_per_100: largestError(product),
    change_off_per_100: errors[CHANGE].largest_per_100,
  };
}

/**
 * The most that a rate of a setting between simulated ones was off, of 100 patients.
 * @param {ProductGrid} product
 * @returns {number}
 */
export function largestError({ interpolation: { errors } }) {
  return Math.max(
    ...Object.entries(errors).flatMap(([name, { largest_per_100 }]) => (name === CHANGE ? [] : [largest_per_100])),
  );
}

/**
 * Simulated values of a slider beside these choices, in rising order.
 * @param {ProductGrid} product
 * @param {RegimenSettings} settings
 * @param {SliderName} name
 * @returns {number[]}
 */
export function simulatedValues(product, settings, name) {
  return valuesIn(like(product, settings), name);
}

/**
 * @param {ProductGrid} product
 * @param {RegimenSettings} settings
 */
export function ratesBetween(product, settings) {
  const arms = like(product, settings);
  const [first, interval, share] = SLIDERS.map((name) =>
    neighbours(settings[name], valuesIn(arms, name), scaleOf(product.doses, name)),
  );
  const strata = share.map(([liver_metastases_share, part]) => ({
    part,
    corners: first.flatMap(([first_dose_multiple, byDose]) =>
      interval.map(([interval_multiple, byInterval]) => ({
        weight: byDose * byInterval,
        arm: arms.find(
          ({ design }) =>
            design.first_dose_multiple === first_dose_multiple &&
            design.interval_multiple === interval_multiple &&
            design.liver_metastases_share === liver_metastases_share,
        ),
      })),
    ),
  }));
  const used = strata.flatMap(({ corners }) => corners.map(({ arm }) => arm));
  const known = used.filter((arm) => arm !== undefined);
  if (known.length === 0 || known.length < used.length) return undefined;
  /** @param {(arm: GridArm) => number} rateOf */
  const mixed = (rateOf) =>
    strata.reduce(
      (sum, { part, corners }) =>
        sum +
        part * shareOf(corners.reduce((all, { weight, arm }) => all + weight * logOdds(rateOf(/** @type {GridArm} */ (arm))), 0)),
      0,
    );
  const figures = /** @type {GridArm["figures"]} */ ({});
  for (const name of names(known[0].figures)) {
    const [median, low, high] = PARTS.map((part) => mixed(({ figures: of }) => of[name][part]));
    const mc_error = Math.max(...known.map(({ figures: of }) => of[name].mc_error));
    figures[name] = { median, low, high, mc_error };
  }
  const members = known[0].rates_per_mille.map((_, member) =>
    mixed(({ rates_per_mille: rates }) => rates[member] / 1000),
  );
  return { figures, members };
}

/**
 * Doses that can act within the window, each in so far as it has a day left.
 * @param {PlannedDoses} doses
 * @param {number} multiple of the time between doses
 * @returns {number}
 */
function actingDoses({ times_h, window_h }, multiple) {
  return times_h.reduce(
    (sum, time) => sum + Math.min(Math.max((window_h - multiple * time) / ACTS_WITHIN_H, 0), 1),
    0,
  );
}

/**
 * @param {PlannedDoses} doses
 * @param {SliderName} name
 * @returns {(value: number) => number}
 */
function scaleOf(doses, name) {
  if (name === "interval_multiple") return (value) => actingDoses(doses, value);
  return name === "first_dose_multiple" ? Math.log : Number;
}

/**
 * Simulated values on both sides with their weights; none beyond the ends.
 * @template {number | null} Value
 * @param {Value} value
 * @param {number[]} simulated
 * @param {(value: number) => number} scale
 * @returns {[number | null, number][]}
 */
function neighbours(value, simulated, scale) {
  if (value === null || simulated.includes(value)) return [[value, 1]];
  const after = simulated.findIndex((one) => one > value);
  if (after < 1) return [];
  const [below, above] = [simulated[after - 1], simulated[after]];
  const used = scale(below) === scale(above) ? Math.log : scale;
  const weight = (used(value) - used(below)) / (used(above) - used(below));
  return [[below, 1 - weight], [above, weight]];
}

/**
 * The settings that differ by sliders alone.
 * @param {ProductGrid} product
 * @param {RegimenSettings} settings
 */
function like({ arms }, settings) {
  return arms.filter(({ design }) =>
    CHOICES.every((name) => JSON.stringify(design[name]) === JSON.stringify(settings[name])),
  );
}

/**
 * @param {GridArm[]} arms
 * @param {SliderName} name
 * @returns {number[]}
 */
function valuesIn(arms, name) {
  const values = arms.map(({ design }) => design[name]).filter((value) => value !== null);
  return [...new Set(values)].sort((one, other) => one - other);
}

/**
 * @param {Record<GridFigureName, unknown>} figures
 */
function names(figures) {
  return /** @type {GridFigureName[]} */ (Object.keys(figures));
}

/**
 * @param {number} rate
 * @returns {number}
 */
function logOdds(rate) {
  return Math.log((rate + OFFSET) / (1 - rate + OFFSET));
}

/**
 * @param {number} odds as a logarithm
 * @returns {number}
 */
function shareOf(odds) {
  return (1 + 2 * OFFSET) / (1 + Math.exp(-odds)) - OFFSET;
}
