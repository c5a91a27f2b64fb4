/** A model made ready: trees as arrays, features and players by place. */

import { floats, rawLogOdds, readForest, readRefits } from "./forest.js";

/** @import { Column, ModelDocument, ModelPairDocument, Row } from "./types.js" */
/** @import { Forest, Refit } from "./forest.js" */

/**
 * @typedef {object} Model
 * @property {ModelDocument} document
 * @property {ModelDocument["contract"]} contract
 * @property {Map<string, Column>} columns
 * @property {Forest} forest
 * @property {Float64Array} fill
 * @property {number[]} players by feature, the place of its clinical variable
 * @property {Refit[]} refits
 * @property {Float64Array[]} correlation of the scores of applicability
 *
 * @typedef {object} ModelPair
 * @property {Model} grade2plus
 * @property {Model | null} grade3plus
 */

/**
 * @param {ModelDocument} document
 * @returns {Model}
 */
export function readModel(document) {
  const { contract, applicability } = document;
  const places = new Map(contract.variables.map((variable, place) => [variable.name, place]));
  const size = applicability?.columns.length ?? 0;
  const correlation = Array.from({ length: size }, () => new Float64Array(size));
  applicability?.correlation.forEach((numbers, row) => {
    correlation[row][row] = 1;
    numbers.forEach((number, column) => {
      correlation[row][column] = number;
      correlation[column][row] = number;
    });
  });
  return {
    document,
    contract,
    columns: new Map(contract.columns.map((column) => [column.name, column])),
    forest: readForest(document.forest),
    fill: floats(
      contract.features.map((feature) => feature.fill),
      NaN,
    ),
    players: contract.features.map((feature) => places.get(feature.variable) ?? -1),
    refits: document.refits === null ? [] : readRefits(document.refits),
    correlation,
  };
}

/**
 * @param {ModelPairDocument} document
 * @returns {ModelPair}
 */
export function readPair(document) {
  return {
    grade2plus: readModel(document.grade2plus),
    grade3plus: document.grade3plus === null ? null : readModel(document.grade3plus),
  };
}

/**
 * A value as a number; yes is 1, missing and words are NaN.
 * @param {Row} row
 * @param {string} name
 * @returns {number}
 */
export function numberOf(row, name) {
  const cell = row[name];
  return cell === null || cell === undefined || typeof cell === "string" ? NaN : Number(cell);
}

/**
 * A value as a word; missing is the empty word.
 * @param {Row} row
 * @param {string} name
 * @returns {string}
 */
export function wordOf(row, name) {
  const cell = row[name];
  return typeof cell === "string" ? cell : "";
}

/**
 * The features of a patient as measured, NaN = missing. A feature `column__word` is 1 for that word.
 * @param {Model} model
 * @param {Row} row
 * @returns {Float64Array}
 */
export function features(model, row) {
  return Float64Array.from(model.contract.features, ({ name }) => {
    const end = name.indexOf("__");
    const stem = end < 0 ? name : name.slice(0, end);
    if (model.columns.get(stem)?.kind !== "word") return numberOf(row, name);
    return wordOf(row, stem) === name.slice(end + 2) ? 1 : 0;
  });
}

/**
 * @param {Float64Array} table
 * @param {Float64Array} fill
 * @returns {Float64Array}
 */
export function filled(table, fill) {
  return table.map((value, place) => (value !== value ? fill[place] : value));
}

/**
 * Calibrated log-odds of a patient.
 * @param {Model} model
 * @param {Row} row
 * @returns {number}
 */
export function logOdds(model, row) {
  const { intercept, slope } = model.document.calibrator;
  return intercept + slope * rawLogOdds(model.forest, filled(features(model, row), model.fill));
}

/**
 * Calibrated log-odds by refit.
 * @param {Model} model
 * @param {Row} row
 * @returns {number[]}
 */
export function refitLogOdds(model, row) {
  const table = features(model, row);
  return model.refits.map(
    (refit) => refit.intercept + refit.slope * rawLogOdds(refit.forest, filled(table, refit.fill)),
  );
}
