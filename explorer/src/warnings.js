/** What decides how far a result can be read: `crsrisk/report/explanation_warnings.py`. */

import { isInRefusedGroup, isOutside } from "./predict.js";
import { logOdds, numberOf, wordOf } from "./model.js";
import { expit } from "./special.js";
import { amount, of100, shortLabel, significant } from "./wording.js";

/** @import { Column, PageProduct, Row } from "./types.js" */
/** @import { Model, ModelPair } from "./model.js" */
/** @import { PatientRisk } from "./risk.js" */

const PLAN = [
  "is_stepped_up",
  "has_steroid_premedication",
  "has_tocilizumab_prophylaxis",
  "has_lymphodepletion",
];
const MOST_MISSING = 3; // missing values that get a sentence of their own
const MATTERS = 5; // of 100: what moves the estimate by less is only named

/** @typedef {{column: string, values: [number, number], risks: [number, number]}} MissingRange */

/**
 * What is missing of a patient, in groups that one reading would fill.
 * @param {Model} model
 * @param {Row} row
 * @returns {string[][]}
 */
export function missingGroups(model, row) {
  /** @type {Map<string, string[]>} */
  const groups = new Map();
  for (const { name, kind } of model.contract.columns) {
    const [stem, rest] = name.split(/__(.*)/s);
    if (kind === "word" || !Number.isNaN(numberOf(row, name))) continue;
    const onset = (rest ?? "").startsWith("onset__");
    if (onset && !(numberOf(row, `grade__max__${rest.slice("onset__".length)}`) >= 1)) continue;
    const key = rest === undefined ? stem : `${stem}__`;
    groups.set(key, [...(groups.get(key) ?? []), name]);
  }
  return [...groups.values()];
}

/**
 * What each missing value leaves open: the risk with a low and a high value of the product's
 * training patients, the widest first.
 * @param {Model} model
 * @param {Row} row
 * @returns {MissingRange[]}
 */
export function missingRanges(model, row) {
  const group = model.document.reference[wordOf(row, "product")];
  if (group === undefined) return [];
  /** @type {MissingRange[]} */
  const ranges = [];
  for (const names of missingGroups(model, row)) {
    const isFlag = model.columns.get(names[0])?.kind === "flag";
    /** @param {number} flag @param {Record<string, number>} known */
    const end = (flag, known) =>
      Object.fromEntries(
        names.map((name) => [
          name,
          model.columns.get(name)?.kind === "flag" ? flag : (known[name] ?? null),
        ]),
      );
    const ends = [end(0, group.low), end(1, group.high)];
    if (ends.some((one) => one[names[0]] === null)) continue;
    const rows = ends.map((one) => ({ ...row, ...one }));
    if (rows.some((one) => isInRefusedGroup(model, one))) continue;
    const [low, high] = rows.map((one) => expit(logOdds(model, one)));
    ranges.push({
      column: names[0],
      values: isFlag ? [0, 1] : [Number(ends[0][names[0]]), Number(ends[1][names[0]])],
      risks: [low, high],
    });
  }
  /** @param {MissingRange} one */
  const width = (one) => Math.abs(one.risks[1] - one.risks[0]);
  return ranges.sort((one, other) => width(other) - width(one));
}

/**
 * Warnings about a patient who has a number, the gravest first.
 * @param {ModelPair} pair
 * @param {Pick<PageProduct, "name" | "label">} product
 * @param {Row} row
 * @param {PatientRisk} risk
 * @returns {string[]}
 */
export function warningsAbout(pair, product, row, risk) {
  const model = pair.grade2plus;
  return [
    ...untrainedPlan(model, product, row),
    ...outsideTraining(model, row),
    ...missingValues(model, row),
    ...modelsDiffer(risk),
  ];
}

/**
 * @param {Model} model
 * @param {Pick<PageProduct, "name" | "label">} product
 * @param {Row} row
 */
function untrainedPlan(model, product, row) {
  const seen = model.document.reference[product.name]?.seen ?? {};
  const strange = PLAN.filter(
    (name) => name in seen && !seen[name].includes(Boolean(row[name])),
  ).map((name) => model.document.labels[name].label.toLowerCase());
  if (!strange.length) return [];
  return [
    `No training patient under ${shortLabel(product.label)} had this plan ` +
      `(${strange.join(", ")} as here): the model cannot know its effect.`,
  ];
}

/**
 * @param {Model} model
 * @param {Row} row
 */
function outsideTraining(model, row) {
  return model.contract.columns.flatMap((column) => {
    const value = numberOf(row, column.name);
    if (column.trained === null || !isOutside(value, column.trained)) return [];
    const span = column.trained.map(significant).join(" to ");
    return [
      `${labelOf(model, column)} ${inUnit(model, column, significant(value))} is outside what ` +
        `training patients had (${inUnit(model, column, span)}): the model goes on as at the edge.`,
    ];
  });
}

/**
 * @param {Model} model
 * @param {Row} row
 */
function missingValues(model, row) {
  const columns = missingGroups(model, row).map((names) => names[0]);
  const told = missingRanges(model, row)
    .filter(({ risks }) => Math.abs(of100(risks[1]) - of100(risks[0])) >= MATTERS)
    .slice(0, MOST_MISSING);
  const others = columns.filter((name) => !told.some((one) => one.column === name));
  const measured = others.filter((name) => name !== "is_female");
  const names = measured.map((name) => model.document.labels[name].label).join(", ");
  const sentences = told.map((missing) => missingSentence(model, missing));
  if (measured.length < others.length) sentences.push("Sex not recorded.");
  if (measured.length) sentences.push(`${told.length ? "Also not" : "Not"} measured: ${names}.`);
  return sentences;
}

/**
 * @param {Model} model
 * @param {MissingRange} missing
 */
function missingSentence(model, missing) {
  const column = /** @type {Column} */ (model.columns.get(missing.column));
  const [low, high] = missing.risks.map(of100);
  const label = labelOf(model, column);
  if (missing.column === "is_female") {
    return `Sex not recorded: ${low} of 100 if male, ${high} if female.`;
  }
  if (column.kind === "flag") {
    return `${label} not known: ${low} of 100 without, ${high} with it.`;
  }
  const { unit } = model.document.labels[missing.column];
  const ends = missing.values.map((value) => `${significant(value)} ${unit}`.trim());
  return `${label} not measured: ${low} of 100 if low (${ends[0]}), ${high} if high (${ends[1]}).`;
}

/**
 * @param {PatientRisk} risk
 */
function modelsDiffer(risk) {
  if (!risk.isHeld) return [];
  return [
    "The model for grade 3 or more said more than the one for grade 2 or more, which cannot be: " +
      "it is held at that value. Both numbers are unsure.",
  ];
}

/**
 * @param {Model} model
 * @param {Column} column
 */
function labelOf(model, column) {
  return model.document.labels[column.name].label;
}

/**
 * @param {Model} model
 * @param {Column} column
 * @param {string} text
 */
function inUnit(model, column, text) {
  return amount(column.name, text, model.document.labels[column.name].unit || "1");
}
