/**
 * How far a patient lies from those that a model was trained on: `crsrisk/model/applicability.py`.
 */

import { fixed, general, grouped } from "./numbers.js";
import { gammaincc, ndtr, ndtriExp, surpriseOf } from "./special.js";
import { numberOf, wordOf } from "./model.js";
import { amount } from "./wording.js";

/** @import { Applicability, Row, Spread } from "./types.js" */
/** @import { Model } from "./model.js" */

const LEAST = 2.2250738585072014e-308; // the smallest normal double
const NAMED = 3; // values that a reason names
const SAME = 1e-9; // on the scale of the knots: nearer than this is the knot

/**
 * Groups that judge a patient, the nearest first.
 * @param {Applicability} summary
 * @param {Row} row
 * @returns {string[]}
 */
function chainOf(summary, row) {
  const product = `product ${wordOf(row, "product")}`;
  const platform = `platform ${wordOf(row, "platform")}`;
  const grade = summary.grade_column === null ? NaN : numberOf(row, summary.grade_column);
  const end = Number.isNaN(grade) ? "" : `, grade ${general(grade)}`;
  const names = [product + end, platform + end, ...(end ? [`all${end}`] : []), "all"];
  return names.filter((name) => name in summary.groups);
}

/**
 * Normal score of a value on its scale.
 * @param {Spread} spread
 * @param {number} value
 * @returns {number}
 */
function scoreOf(spread, value) {
  const { knots, scores, low, high } = spread;
  const last = knots.length - 1;
  if (value > knots[last] + SAME) return -ndtriExp(high[0] - (value - knots[last]) / high[1]);
  if (value < knots[0] - SAME) return ndtriExp(low[0] - (knots[0] - value) / low[1]);
  if (value >= knots[last]) return scores[last];
  if (value <= knots[0]) return scores[0];
  const at = knots.findIndex((knot) => knot > value) - 1;
  const slope = (scores[at + 1] - scores[at]) / (knots[at + 1] - knots[at]);
  return slope * (value - knots[at]) + scores[at];
}

/**
 * Squared Mahalanobis distance of scores, by a Cholesky decomposition.
 * @param {number[]} scores
 * @param {number[][]} correlation
 * @returns {number}
 */
function squaredDistance(scores, correlation) {
  const factor = correlation.map((numbers) => numbers.slice());
  const solved = scores.slice();
  let squared = 0;
  for (let row = 0; row < scores.length; row += 1) {
    for (let column = 0; column <= row; column += 1) {
      let sum = correlation[row][column];
      for (let k = 0; k < column; k += 1) sum -= factor[row][k] * factor[column][k];
      factor[row][column] = row === column ? Math.sqrt(sum) : sum / factor[column][column];
    }
    let left = scores[row];
    for (let k = 0; k < row; k += 1) left -= factor[row][k] * solved[k];
    solved[row] = left / factor[row][row];
    squared += solved[row] ** 2;
  }
  return squared;
}

/**
 * Why a patient gets no number; "" where the patient is not too far from those of training.
 * @param {Model} model
 * @param {Row} row
 * @returns {string}
 */
export function whyOutside(model, row) {
  const summary = model.document.applicability;
  if (summary === null) return "";
  const chain = chainOf(summary, row);
  /** @param {string} name */
  const groupOf = (name) => chain.find((group) => name in summary.groups[group]);
  const scores = summary.columns.map((name, place) => {
    const group = groupOf(name);
    const value = Math.asinh((3 * numberOf(row, name)) / summary.scales[place]);
    if (group === undefined || Number.isNaN(value)) return NaN;
    return scoreOf(summary.groups[group][name], value);
  });
  const known = [...scores.keys()].filter((place) => !Number.isNaN(scores[place]));
  const largest = Math.max(0, ...known.map((place) => Math.abs(scores[place])));
  const value = surpriseOf(largest);
  let combination = 0;
  if (known.length) {
    const squared = squaredDistance(
      known.map((place) => scores[place]),
      known.map((place) => known.map((other) => model.correlation[place][other])),
    );
    combination = -Math.log(Math.max(gammaincc(known.length, squared / 2), LEAST)) / Math.LN10;
  }
  const isFar = value / summary.value_limit > 1;
  if (!isFar && !(combination / summary.combination_limit > 1)) return "";
  const rate = `1 of ${grouped(1 / summary.false_alarm_rate)} of them`;
  if (value > summary.value_limit) {
    const beyond = known
      .map((place) => ({ place, size: surpriseOf(Math.abs(scores[place])) }))
      .sort((one, other) => other.size - one.size)
      .filter(({ size }) => size > summary.value_limit)
      .slice(0, NAMED)
      .map(({ place }) => usual(model, summary, place, groupOf(summary.columns[place]) ?? ""));
    return `Cannot estimate: ${beyond.join(" and ")}; farther out than ${rate}.`;
  }
  const pair = farthestPair(model, scores, known).map((k) => label(model, summary.columns[k]));
  const whom = chain.length ? groupInWords(chain[0]) : "";
  return (
    `Cannot estimate: no training patients ${whom} had values that go together like these, ` +
    `above all ${pair[0]} with ${pair[1]}; farther out than ${rate}.`
  );
}

/**
 * @param {Model} model
 * @param {string} name
 */
function label(model, name) {
  return model.document.labels[name].label;
}

/**
 * The two columns whose combination lies farthest out, in their order.
 * @param {Model} model
 * @param {number[]} scores
 * @param {number[]} known
 * @returns {[number, number]}
 */
function farthestPair(model, scores, known) {
  /** @type {[number, number]} */
  let pair = [known[0], known[0]];
  let farthest = -Infinity;
  known.forEach((first, place) => {
    for (const second of known.slice(place + 1)) {
      const [one, other] = [scores[first], scores[second]];
      const tie = model.correlation[first][second];
      const far = (one ** 2 + other ** 2 - 2 * tie * one * other) / (1 - tie ** 2);
      if (far > farthest) [farthest, pair] = [far, [first, second]];
    }
  });
  return pair;
}

/**
 * A column with what nearly all training patients had.
 * @param {Model} model
 * @param {Applicability} summary
 * @param {number} place
 * @param {string} group
 * @returns {string}
 */
function usual(model, summary, place, group) {
  const name = summary.columns[place];
  const spread = summary.groups[group][name];
  const ends = [spread.knots[0], spread.knots[spread.knots.length - 1]].map((end) =>
    general((Math.sinh(end) * summary.scales[place]) / 3, 3),
  );
  const share = ndtr(spread.scores[spread.scores.length - 1]) - ndtr(spread.scores[0]);
  const many = share > 0.9 ? "nearly all" : `${fixed(100 * share, 0)} of 100`;
  const unit = model.columns.get(name)?.unit ?? "1";
  const span = ends.join(" to ");
  const told = unit === "1" ? span : amount(name, span, unit);
  return (
    `${label(model, name)} (${name}) is far from that of training patients ` +
    `${groupInWords(group)} (${many}: ${told})`
  );
}

/**
 * @param {string} group
 * @returns {string}
 */
function groupInWords(group) {
  const [kind, grade = ""] = group.split(", grade ");
  const [what, ...rest] = kind.split(" ");
  const name = rest.join(" ");
  const whom =
    what === "product"
      ? `under ${name}`
      : what === "platform"
        ? `of the platform ${name}`
        : "of any product";
  return grade ? `${whom} with worst CRS grade ${grade} so far` : whom;
}
