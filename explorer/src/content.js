/** What the page's engine says of one patient, as words and numbers; nothing of how it looks. */

import { withCourse } from "./course.js";
import { explain } from "./explain.js";
import { predict } from "./predict.js";
import { patientRisk } from "./risk.js";
import { expit } from "./special.js";
import { warningsAbout } from "./warnings.js";
import {
  aboutOf100,
  hoursInWords,
  of100,
  plainName,
  rangeOf100,
  shortLabel,
  typeset,
  windowInWords,
} from "./wording.js";

/** @import { Answer, GradeAnswer, MedianPatient, PageData, PageFacts, PageProduct, PublishedRate, RiskAnswer, Row, ShownProduct } from "./types.js" */
/** @import { Entries } from "./entries.js" */
/** @import { Explanation } from "./explain.js" */
/** @import { Model, ModelPair } from "./model.js" */
/** @import { Estimate, PatientRisk } from "./risk.js" */

const FEWEST_VALUES = 3; // of the patient, before a number is shown
const N_REASONS = 3; // shown in each direction

/**
 * @typedef {{kind: "waiting", text: string}} WaitingContent
 * @typedef {(Answer & {row: Row}) | WaitingContent} Content
 */

/**
 * @param {PageData} page
 * @param {ModelPair | null} pair
 * @param {Entries} entries
 * @returns {Content}
 */
export function contentOf(page, pair, entries) {
  const { product, problems, count } = entries;
  if (product === null && !problems.has("product")) return waiting("Choose a product.");
  if (problems.size || product === null) {
    return waiting(`Correct what is marked (${problems.size}), then the number is shown.`);
  }
  if (count < FEWEST_VALUES) {
    const left = FEWEST_VALUES - count;
    return waiting(`Fill in ${left} more value${left > 1 ? "s" : ""} of the patient.`);
  }
  if (pair === null) return waiting("The model is being unpacked.");
  const { contract } = pair.grade2plus;
  let { row } = entries;
  if (contract.landmark_h) {
    const course = withCourse(row, entries.readings, contract, page.hours);
    if ("problem" in course) return waiting(course.problem);
    row = course.row;
  }
  return { ...answerOf(page, pair, product, row), row };
}

/**
 * What the models say of a patient.
 * @param {Pick<PageData, "identity" | "interval_names">} page
 * @param {ModelPair} pair
 * @param {Pick<PageProduct, "name" | "label" | "platform">} product
 * @param {Row} row
 * @returns {Answer}
 */
export function answerOf(page, pair, product, row) {
  const prediction = predict(pair.grade2plus, page.identity, row);
  if (prediction.risk === null) {
    const because = prediction.because.map((text) => inLabels(text, pair.grade2plus));
    return { kind: "cannot", because, instead: [], warnings: [] };
  }
  return riskAnswer(page, pair, product, row);
}

/**
 * A reason of the model with the labels of its columns in the place of their names.
 * @param {string} text
 * @param {Model} model
 * @returns {string}
 */
function inLabels(text, model) {
  const names = Object.keys(model.document.labels).sort((one, other) => other.length - one.length);
  const told = names.reduce(
    (said, name) =>
      said
        .replaceAll(` (${name})`, "")
        .replace(new RegExp(`(?<!\\w)${name}(?!\\w)`, "g"), model.document.labels[name].label),
    text.replace(/^Cannot estimate: /, ""),
  );
  return typeset(told[0].toUpperCase() + told.slice(1));
}

/**
 * @param {string} text
 * @returns {WaitingContent}
 */
function waiting(text) {
  return { kind: "waiting", text };
}

/**
 * @param {Pick<PageData, "interval_names">} page
 * @param {ModelPair} pair
 * @param {Pick<PageProduct, "name" | "label" | "platform">} product
 * @param {Row} row
 * @returns {RiskAnswer}
 */
function riskAnswer(page, pair, product, row) {
  const { contract, document } = pair.grade2plus;
  const landmark = contract.landmark_h;
  const risk = patientRisk(pair, row);
  const days = contract.window_d[product.platform] ?? contract.window_d.default;
  const window = windowInWords(days, landmark);
  const whom = landmark
    ? `patients like this one at ${hoursInWords(landmark)}, without grade 2 or more so far`
    : "patients like this one";
  /** @param {Estimate} estimate @param {string} start @param {string} end @returns {GradeAnswer} */
  const graded = ({ value, low, high }, start, end) => ({
    value,
    low: Number.isNaN(low) ? null : low,
    high: Number.isNaN(high) ? null : high,
    count: aboutOf100(value).replace(/^about /, ""),
    sentence: `${start}, ${aboutOf100(value)} would develop ${end}.`,
    range: Number.isNaN(low) ? "" : rangeOf100(low, high),
  });
  const range = risk.refitRange?.grade2plus;
  const { value, low, high } = risk.grade2plus;
  const covers = document.covers[risk.holds];
  const isInside = !(value < low || value > high);
  return {
    kind: "risk",
    grade2plus: graded(
      risk.grade2plus,
      `Of 100 ${whom}`,
      `CRS of grade 2 or more ${window}`,
    ),
    grade3plus:
      risk.grade3plus && graded(risk.grade3plus, "Of the same 100", "grade 3 or more"),
    interval_name: page.interval_names[risk.holds],
    covers: Number.isNaN(low) || !covers
      ? ""
      : `${covers}.${isInside ? "" : " The number itself lies outside: most worlds disagree with it."}`,
    refit_range: range
      ? `${page.interval_names.refitting} alone ${rangeOf100(range.low, range.high)}` +
        ` (95%, ${document.refits?.refits.length} refits).`
      : "",
    beside: "",
    warnings: warningsAbout(pair, product, row, risk).map(typeset),
    reasons: reasonLines(product, landmark, explain(pair.grade2plus, row), risk),
  };
}

/**
 * @param {Pick<PageProduct, "label">} product
 * @param {number} landmark
 * @param {Explanation} explanation
 * @param {PatientRisk} risk
 * @returns {RiskAnswer["reasons"]}
 */
function reasonLines(product, landmark, explanation, risk) {
  const base = of100(expit(explanation.baseLogOdds));
  const told = explanation.reasons.map(({ wholePoints, short }) => ({
    of_100: wholePoints,
    text: typeset(short),
  }));
  const up = told.filter(({ of_100: whole }) => whole > 0).slice(0, N_REASONS);
  const down = told.filter(({ of_100: whole }) => whole < 0).slice(0, N_REASONS);
  const shown = [...up, ...down].reduce((sum, { of_100: whole }) => sum + whole, 0);
  const name = referenceInWords(explanation.reference, product, landmark);
  return {
    start: `The reasons start from ${name}: ${base} of 100.`,
    up,
    down,
    rest: of100(risk.grade2plus.value) - base - shown,
  };
}

/**
 * Whom a patient's reasons compare him with.
 * @param {MedianPatient} reference
 * @param {Pick<PageProduct, "label">} product
 * @param {number} landmark
 * @returns {string}
 */
function referenceInWords(reference, product, landmark) {
  const name =
    reference.group === "product"
      ? `the median patient under ${shortLabel(product.label)}`
      : reference.group === "platform"
        ? `the median patient under products of the platform ${plainName(reference.name)}, given this one`
        : "the median of all training patients, given this product";
  return name + (landmark ? ` still at risk at ${hoursInWords(landmark)}` : "");
}

/**
 * Published rates of a product by grade.
 * @param {PageFacts} page
 * @param {ShownProduct} product
 * @param {1 | 2 | 3} grade this one or more
 * @returns {PublishedRate[]}
 */
export function publishedRates(page, product, grade) {
  return page.published.filter((one) => one.product === product.name && one.grade === grade);
}

/**
 * @param {number} whole
 * @returns {string}
 */
export function signed(whole) {
  return whole > 0 ? `+${whole}` : whole < 0 ? `−${-whole}` : "0";
}
