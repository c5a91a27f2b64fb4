/** Why a model gives a risk: reasons against the median patient of the product. */

import { rawLogOdds, referenceShapley } from "./forest.js";
import { features, filled, numberOf, wordOf } from "./model.js";
import { fixed, general, round } from "./numbers.js";
import { expit } from "./special.js";
import { amount, flagInWords } from "./wording.js";

/** @import { Cell, MedianPatient, Row, Variable } from "./types.js" */
/** @import { Model } from "./model.js" */

const NEARLY_EQUAL = 1e-6; // log-odds: below it the ratio of differences is replaced by its limit
const SMALL = 0.005; // of the level an hour: a smaller slope is no change anybody would speak of
const COURSE = /^(.+?)__(?:(max|min|slope|onset)__)?h(\d+)$/;
const THERAPY = ["product", "platform"];

/**
 * @typedef {object} Reason
 * @property {Variable} variable
 * @property {string} value
 * @property {number} points of risk
 * @property {number} wholePoints of 100
 * @property {string} sentence
 * @property {string} short the same without what its points say
 *
 * @typedef {object} Explanation
 * @property {MedianPatient} reference
 * @property {number} baseLogOdds
 * @property {Float64Array} contributions by variable, log-odds
 * @property {Reason[]} reasons the largest first
 */

/**
 * The median patient that a patient is compared with.
 * @param {Model} model
 * @param {Row} row
 * @returns {MedianPatient}
 */
function medianPatient(model, row) {
  const known = model.contract.median_patients;
  /** @param {string} group @param {string} name */
  const of = (group, name) => known.find((one) => one.group === group && one.name === name);
  const found =
    of("product", wordOf(row, "product")) ??
    of("platform", wordOf(row, "platform")) ??
    of("all", "");
  if (found === undefined) throw new Error("a model without the median patient of all");
  return found;
}

/**
 * @param {Model} model
 * @param {Row} row
 * @returns {Explanation}
 */
export function explain(model, row) {
  const { variables, columns } = model.contract;
  const { intercept, slope } = model.document.calibrator;
  const reference = medianPatient(model, row);
  /** @type {Record<string, Cell>} */
  const other = {};
  for (const { name } of columns) {
    other[name] = THERAPY.includes(name) ? (row[name] ?? null) : (reference.values[name] ?? null);
  }
  const here = filled(features(model, row), model.fill);
  const there = filled(features(model, other), model.fill);
  const found = referenceShapley(model.forest, here, there, model.players, variables.length);
  const contributions = found.map((share) => slope * share);
  const baseLogOdds = intercept + slope * rawLogOdds(model.forest, there);
  const risk = expit(intercept + slope * rawLogOdds(model.forest, here));
  return {
    reference,
    baseLogOdds,
    contributions,
    reasons: reasonsOf(model, row, risk, baseLogOdds, contributions),
  };
}

/**
 * @param {Model} model
 * @param {Row} row
 * @param {number} risk
 * @param {number} baseLogOdds
 * @param {Float64Array} contributions
 * @returns {Reason[]}
 */
function reasonsOf(model, row, risk, baseLogOdds, contributions) {
  const total = contributions.reduce((sum, share) => sum + share, 0);
  const base = expit(baseLogOdds);
  const end = expit(baseLogOdds + total);
  const steepness = Math.abs(total) < NEARLY_EQUAL ? end * (1 - end) : (end - base) / total;
  const points = Array.from(contributions, (share) => share * steepness);
  const whole = wholePoints(points, round(100 * risk) - round(100 * base));
  return model.contract.variables
    .map((variable, place) => {
      const value = said(model, variable, row);
      return {
        variable,
        value,
        points: points[place],
        wholePoints: whole[place],
        ...inWords(variable, value, points[place], whole[place]),
      };
    })
    .sort((one, other) => Math.abs(other.points) - Math.abs(one.points));
}

/**
 * Points of 100 as whole numbers that add up to `total`: cut, then given to the largest remainders.
 * @param {number[]} points
 * @param {number} total
 * @returns {number[]}
 */
export function wholePoints(points, total) {
  const exact = points.map((value) => 100 * value);
  const whole = exact.map(Math.trunc);
  const short = total - whole.reduce((sum, value) => sum + value, 0);
  const sign = short > 0 ? 1 : -1;
  const left = exact.map((value, place) => Math.max(sign * (value - whole[place]), 0));
  const order = [...exact.keys()].sort(
    (one, other) =>
      left[other] - left[one] || Math.abs(exact[other]) - Math.abs(exact[one]),
  );
  for (const place of order.slice(0, Math.abs(short))) whole[place] += sign;
  return whole.map((value) => value || 0); // no minus zero
}

/**
 * The features of a variable, in the order of the contract.
 * @param {Model} model
 * @param {Variable} variable
 * @returns {string[]}
 */
function featuresOf(model, variable) {
  return model.contract.features
    .filter((feature) => feature.variable === variable.name)
    .map((feature) => feature.name);
}

/**
 * A patient's value of a variable in words; of one read after the first dose all that was read.
 * @param {Model} model
 * @param {Variable} variable
 * @param {Row} row
 * @returns {string}
 */
function said(model, variable, row) {
  if (model.columns.get(variable.name)?.kind === "word") {
    return wordOf(row, variable.name).replaceAll("_", " ") || "not given";
  }
  const names = featuresOf(model, variable);
  if (variable.theme === "course") {
    return courseInWords(
      names.map((name) => [name, numberOf(row, name)]),
      variable.unit,
    );
  }
  const shown = names.includes(variable.name)
    ? variable.name
    : (names.find((name) => name.includes("__max__")) ?? names[0]);
  const value = numberOf(row, shown);
  if (model.columns.get(shown)?.kind === "flag") return flagInWords(shown, value);
  if (Number.isNaN(value)) return "not measured";
  return amount(variable.name, number(value), variable.unit);
}

/**
 * @param {Variable} variable
 * @param {string} value
 * @param {number} points
 * @param {number} whole
 * @returns {{sentence: string, short: string}}
 */
function inWords(variable, value, points, whole) {
  const usual =
    variable.usual !== null && value !== "not measured"
      ? ` (usual ${general(variable.usual[0])} to ${general(variable.usual[1])})`
      : "";
  const size = whole ? `about ${Math.abs(whole)} of 100` : "less than 1 of 100";
  const direction = points > 0 ? "raises" : points < 0 ? "lowers" : "does not change";
  const end = points ? ` by ${size}` : "";
  const marker = {
    cause: "",
    marker: "; it travels with causes, without an effect of its own",
    mediator: "; it is part of the reaction, not its origin",
  }[variable.kind];
  const start = `${variable.label}: ${value}${usual}`;
  const why = `(${variable.why}${marker}).`;
  return { sentence: `${start} ${direction} the risk${end} ${why}`, short: `${start} ${why}` };
}

/**
 * One variable's features as a clinician says them.
 * @param {[string, number][]} values
 * @param {string} unit
 * @returns {string}
 */
export function courseInWords(values, unit) {
  /** @type {Record<string, number>} */
  const parts = {};
  let hour = "";
  for (const [name, value] of values) {
    const named = COURSE.exec(name);
    if (named !== null && !Number.isNaN(value)) {
      parts[named[2] ?? "last"] = value;
      hour = named[3];
    }
  }
  const level = parts.last ?? parts.max ?? parts.min;
  if (level === undefined) return "not measured";
  if (values.some(([name]) => name.startsWith("grade__"))) return gradeInWords(parts, hour);
  const start = `${number(level)} ${unit} ${"last" in parts ? "at" : "by"} ${hour} h`;
  const more = [];
  if ("last" in parts && "max" in parts) {
    const isLast = parts.max <= parts.last;
    more.push(isLast ? "the highest so far" : `highest ${number(parts.max)} ${unit}`);
  }
  if ("slope" in parts) more.push(slopeInWords(parts.slope, level, unit));
  return more.length ? `${start} (${more.join(", ")})` : start;
}

/**
 * @param {Record<string, number>} parts
 * @param {string} hour
 * @returns {string}
 */
function gradeInWords(parts, hour) {
  if (!parts.max) return `no CRS by ${hour} h`;
  const first = "onset" in parts ? ` (first seen by ${general(parts.onset)} h)` : "";
  return `grade ${general(parts.max)} by ${hour} h${first}`;
}

/**
 * @param {number} slope
 * @param {number} level
 * @param {string} unit
 * @returns {string}
 */
function slopeInWords(slope, level, unit) {
  const isSmall = Math.abs(slope) < SMALL * Math.abs(level);
  if (slope === 0 || (unit !== "degC" && unit !== "%" && isSmall)) return "unchanged";
  const size = general(Number(general(Math.abs(slope), 2)));
  return `${slope > 0 ? "rising" : "falling"} by ${size} ${unit} an hour`;
}

/**
 * @param {number} value
 * @returns {string}
 */
function number(value) {
  return Math.abs(value) >= 100 ? fixed(value, 0) : general(value, 3);
}
