/** Risk, status and reasons of one patient: `crsrisk/model/predict.py` and what follows it. */

import { whyOutside } from "./applicability.js";
import { contradictions } from "./identity.js";
import { logOdds, numberOf, wordOf } from "./model.js";
import { general } from "./numbers.js";
import { expit } from "./special.js";

/** @import { Bound, Column, IdentityFacts, RefusedGroup, Row, Span } from "./types.js" */
/** @import { Model } from "./model.js" */

const OTHER_PLATFORM = "other";

/**
 * @typedef {object} Prediction
 * @property {number} logOdds
 * @property {number | null} risk null without one
 * @property {"ok" | "warned" | "cannot estimate" | "refused"} status
 * @property {string[]} reasons why, one sentence each
 * @property {string[]} because those of them for which there is no risk
 * @property {string[]} missing columns that are empty
 */

/**
 * @param {Model} model
 * @param {IdentityFacts} identity
 * @param {Row} row
 * @returns {Prediction}
 */
export function predict(model, identity, row) {
  const { refusals, warnings, missing } = account(model, row);
  let reasons = [...refusals, ...warnings];
  const because = [...refusals];
  let isRefused = refusals.length > 0;
  const product = wordOf(row, "product");
  const levels = model.columns.get("product")?.levels;
  if (!isRefused && levels && product !== "" && !levels.includes(product)) {
    isRefused = true;
    reasons = [`product is not one that ${model.document.label} was trained on.`];
    because.push(reasons[0]);
  }
  for (const { column, expected } of contradictions(row, identity)) {
    isRefused = true;
    const told = `${column} contradicts another column; expected ${expected}.`;
    reasons.unshift(told);
    because.unshift(told);
  }
  const outside = isRefused ? "" : whyOutside(model, row);
  if (outside) {
    reasons.unshift(outside);
    because.unshift(outside);
  }
  const value = logOdds(model, row);
  return {
    logOdds: value,
    risk: isRefused || outside ? null : expit(value),
    status: isRefused
      ? "refused"
      : outside
        ? "cannot estimate"
        : warnings.length
          ? "warned"
          : "ok",
    reasons,
    because,
    missing,
  };
}

/**
 * Why a patient is refused, what to be warned of, and which columns are missing.
 * @param {Model} model
 * @param {Row} row
 * @returns {{refusals: string[], warnings: string[], missing: string[]}}
 */
function account(model, row) {
  /** @type {string[]} */
  const refusals = [];
  /** @type {string[]} */
  const warnings = [];
  /** @type {string[]} */
  const missing = [];
  for (const column of model.contract.columns) {
    const { name } = column;
    const word = wordOf(row, name);
    const number = numberOf(row, name);
    const isMissing = column.kind === "word" ? word === "" : Number.isNaN(number);
    if (isMissing) {
      missing.push(name);
      if (!column.was_missing_in_training) {
        warnings.push(`${name} is missing, but was known of every training patient.`);
      }
      continue;
    }
    if (column.kind === "word") {
      if (!column.levels.includes(word)) {
        warnings.push(
          `${name} is not one that the model was trained on: its own effect is unknown, ` +
            "the risk rests on the rest.",
        );
      }
      if (name === "platform" && word === OTHER_PLATFORM && !column.levels.includes(word)) {
        refusals.push(
          `platform ${OTHER_PLATFORM} is none of those that the model was trained on: a model ` +
            "that was trained on such patients is needed.",
        );
      }
    } else if (isImpossible(number, column)) {
      refusals.push(`${name} is impossible: outside ${inUnit(column.possible, column)}.`);
    } else if (isOutside(number, column.trained)) {
      const seen = inUnit(column.trained, column);
      warnings.push(
        `${name} is outside what the model has seen, ${seen}: the trees go on as at the edge.`,
      );
    }
  }
  for (const group of model.contract.refused) {
    if (isInGroup(row, group)) refusals.push(`No risk is given for ${groupInWords(group)}.`);
  }
  return { refusals, warnings, missing };
}

/**
 * @param {number} value
 * @param {Column} column
 * @returns {boolean}
 */
function isImpossible(value, column) {
  if (column.kind === "flag") return value !== 0 && value !== 1;
  return isOutside(value, column.possible);
}

/**
 * @param {number} value
 * @param {Span | null} span
 * @returns {boolean}
 */
export function isOutside(value, span) {
  return span !== null && (value < span[0] || value > span[1]);
}

/**
 * @param {Span | null} span
 * @param {Column} column
 * @returns {string}
 */
function inUnit(span, column) {
  const unit = column.unit === "1" ? "" : column.unit;
  const ends = span === null ? "any range" : `${general(span[0])} to ${general(span[1])}`;
  return `${ends} ${unit}`.trim();
}

/**
 * Whether a patient is of a group of whom the model gives no risk.
 * @param {Model} model
 * @param {Row} row
 * @returns {boolean}
 */
export function isInRefusedGroup(model, row) {
  return model.contract.refused.some((group) => isInGroup(row, group));
}

/**
 * @param {Row} row
 * @param {RefusedGroup} group
 * @returns {boolean}
 */
function isInGroup(row, group) {
  return group.bounds.every(({ column, at_least, below }) => {
    const value = numberOf(row, column);
    return value >= (at_least ?? -Infinity) && value < (below ?? Infinity);
  });
}

/**
 * @param {RefusedGroup} group
 * @returns {string}
 */
function groupInWords(group) {
  return `${group.bounds.map(boundInWords).join(" and ")}: ${group.reason}`;
}

/**
 * @param {Bound} bound
 * @returns {string}
 */
function boundInWords({ column, at_least, below }) {
  const low = at_least === null ? [] : [`>= ${general(at_least)}`];
  const high = below === null ? [] : [`< ${general(below)}`];
  return `${column} ${[...low, ...high].join(" and ")}`;
}
