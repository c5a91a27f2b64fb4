/** The risks of one patient with the interval that is shown first: `crsrisk/studies/explain.py`. */

import { logOdds, refitLogOdds, wordOf } from "./model.js";
import { expit } from "./special.js";

/** @import { Row, WorldSpread } from "./types.js" */
/** @import { Model, ModelPair } from "./model.js" */

/**
 * @typedef {{value: number, low: number, high: number}} Estimate ends are NaN without an interval
 * @typedef {"refitting" | "refitting and assumptions" | "refitting, assumptions and products"} Holds
 * @typedef {{grade2plus: Estimate, grade3plus: Estimate | null}} ByGrade
 *
 * @typedef {object} PatientRisk
 * @property {Estimate} grade2plus
 * @property {Estimate | null} grade3plus
 * @property {boolean} isHeld
 * @property {Holds} holds
 * @property {ByGrade | null} refitRange where it is not what is shown first
 */

/**
 * Sample standard deviation.
 * @param {number[]} values
 * @returns {number}
 */
function sampleSd(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1));
}

/**
 * @param {Model} model
 * @param {number} value log-odds
 * @param {number[]} refits log-odds
 * @returns {Estimate}
 */
function refitRange(model, value, refits) {
  const { refit_reach: quantile } = model.document;
  if (!refits.length || quantile === null) return { value: expit(value), low: NaN, high: NaN };
  const reach = quantile * sampleSd(refits);
  return { value: expit(value), low: expit(value - reach), high: expit(value + reach) };
}

/**
 * The interval over refitting and assumptions: `crsrisk/model/world_spread.py`.
 * @param {Model} model
 * @param {WorldSpread} worlds
 * @param {number} value log-odds
 * @param {number[]} refits log-odds
 * @param {Row} row
 * @returns {Estimate}
 */
function overWorlds(model, worlds, value, refits, row) {
  const found =
    worlds.products[wordOf(row, "product")] ??
    worlds.new_products[wordOf(row, "platform")] ??
    worlds.new_products[""];
  const mean = value + found.shift + found.tilt * (value - found.centre);
  const inside = Math.min(Math.max(value, found.low), found.high) - found.centre;
  const own = Math.exp(found.log_sd + found.log_sd_tilt * inside);
  const reach = model.document.world_reach * Math.hypot(own, refits.length ? sampleSd(refits) : 0);
  return { value: expit(value), low: expit(mean - reach), high: expit(mean + reach) };
}

/**
 * Both risks; the ends for grade 3 or more do not pass those for grade 2 or more.
 * @param {Estimate} two
 * @param {Estimate | null} three
 * @returns {ByGrade}
 */
function nested(two, three) {
  if (three === null) return { grade2plus: two, grade3plus: null };
  /** @param {number} one @param {number} other */
  const smaller = (one, other) =>
    Number.isNaN(one) ? other : Number.isNaN(other) ? one : Math.min(one, other);
  return {
    grade2plus: two,
    grade3plus: {
      value: three.value,
      low: smaller(three.low, two.low),
      high: smaller(three.high, two.high),
    },
  };
}

/**
 * @param {ModelPair} pair
 * @param {Row} row
 * @returns {PatientRisk}
 */
export function patientRisk(pair, row) {
  const models = pair.grade3plus === null ? [pair.grade2plus] : [pair.grade2plus, pair.grade3plus];
  const values = models.map((model) => logOdds(model, row));
  const refits = models.map((model) => refitLogOdds(model, row));
  let isHeld = false;
  if (models.length > 1) {
    isHeld = values[1] > values[0];
    values[1] = Math.min(values[1], values[0]);
    if (refits[0].length && refits[0].length === refits[1].length) {
      refits[1] = refits[1].map((value, place) => Math.min(value, refits[0][place]));
    }
  }
  const ranges = models.map((model, k) => refitRange(model, values[k], refits[k]));
  const range = nested(ranges[0], ranges[1] ?? null);
  const worlds = models.flatMap((model) => model.document.worlds ?? []);
  if (worlds.length < models.length) {
    return { ...range, isHeld, holds: "refitting", refitRange: null };
  }
  const first = models.map((model, k) => overWorlds(model, worlds[k], values[k], refits[k], row));
  const isKnown = worlds.every((spread) => wordOf(row, "product") in spread.products);
  return {
    ...nested(first[0], first[1] ?? null),
    isHeld,
    holds: isKnown ? "refitting and assumptions" : "refitting, assumptions and products",
    refitRange: refits[0].length ? range : null,
  };
}
