/** What the page says of one patient, as words and numbers; nothing of how it looks. */

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

/** @import { MedianPatient, PageData, PageProduct, PublishedRate, Row } from "./types.js" */
/** @import { Entries } from "./entries.js" */
/** @import { Explanation } from "./explain.js" */
/** @import { Model, ModelPair } from "./model.js" */
/** @import { Estimate, PatientRisk } from "./risk.js" */

const FEWEST_VALUES = 3; // of the patient, before a number is shown
const N_REASONS = 3; // shown in each direction

/**
 * @typedef {object} GradeContent
 * @property {Estimate} estimate
 * @property {string} count "38", "fewer than 1"
 * @property {string} sentence
 * @property {string} range
 *
 * @typedef {{wholePoints: number, text: string}} ReasonContent
 *
 * @typedef {object} RiskContent
 * @property {"risk"} kind
 * @property {GradeContent} grade2plus
 * @property {GradeContent | null} grade3plus
 * @property {string} intervalName
 * @property {string} covers
 * @property {string} refitRange "" where it is what is shown first
 * @property {string[]} warnings
 * @property {{start: string, up: ReasonContent[], down: ReasonContent[], rest: number}} reasons
 * @property {Row} row
 *
 * @typedef {{kind: "waiting", text: string}} WaitingContent
 * @typedef {{kind: "cannot", because: string[], row: Row}} CannotContent
 * @typedef {RiskContent | WaitingContent | CannotContent} Content
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
  const prediction = predict(pair.grade2plus, page.identity, row);
  if (prediction.risk === null) {
    const because = prediction.because.map((text) => inLabels(text, pair.grade2plus));
    return { kind: "cannot", because, row };
  }
  return riskContent(page, pair, product, row);
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
 * @param {PageData} page
 * @param {ModelPair} pair
 * @param {PageProduct} product
 * @param {Row} row
 * @returns {RiskContent}
 */
function riskContent(page, pair, product, row) {
  const { contract, document } = pair.grade2plus;
  const landmark = contract.landmark_h;
  const risk = patientRisk(pair, row);
  const days = contract.window_d[product.platform] ?? contract.window_d.default;
  const window = windowInWords(days, landmark);
  const whom = landmark
    ? `patients like this one at ${hoursInWords(landmark)}, without grade 2 or more so far`
    : "patients like this one";
  /** @param {Estimate} estimate @param {string} start @param {string} end @returns {GradeContent} */
  const graded = (estimate, start, end) => ({
    estimate,
    count: aboutOf100(estimate.value).replace(/^about /, ""),
    sentence: `${start}, ${aboutOf100(estimate.value)} would develop ${end}.`,
    range: Number.isNaN(estimate.low) ? "" : rangeOf100(estimate.low, estimate.high),
  });
  const range = risk.refitRange?.grade2plus;
  const { value, low, high } = risk.grade2plus;
  const isInside = !(value < low || value > high);
  return {
    kind: "risk",
    grade2plus: graded(
      risk.grade2plus,
      `Of 100 ${whom}`,
      `CRS of grade 2 or more ${window}`,
    ),
    grade3plus:
      risk.grade3plus && graded(risk.grade3plus, "Of the same 100", "CRS of grade 3 or more"),
    intervalName: page.interval_names[risk.holds],
    covers:
      `${document.covers[risk.holds] ?? ""}.` +
      (isInside ? "" : " The number itself lies outside: most worlds disagree with it."),
    refitRange: range
      ? `${page.interval_names.refitting} alone ${rangeOf100(range.low, range.high)}.`
      : "",
    warnings: warningsAbout(pair, product, row, risk).map(typeset),
    reasons: reasonsContent(product, landmark, explain(pair.grade2plus, row), risk),
    row,
  };
}

/**
 * @param {PageProduct} product
 * @param {number} landmark
 * @param {Explanation} explanation
 * @param {PatientRisk} risk
 * @returns {RiskContent["reasons"]}
 */
function reasonsContent(product, landmark, explanation, risk) {
  const base = of100(expit(explanation.baseLogOdds));
  const told = explanation.reasons.map(({ wholePoints, short }) => ({
    wholePoints,
    text: typeset(short),
  }));
  const up = told.filter(({ wholePoints }) => wholePoints > 0).slice(0, N_REASONS);
  const down = told.filter(({ wholePoints }) => wholePoints < 0).slice(0, N_REASONS);
  const shown = [...up, ...down].reduce((sum, { wholePoints }) => sum + wholePoints, 0);
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
 * @param {PageProduct} product
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
 * @param {PageData} page
 * @param {PageProduct} product
 * @param {1 | 2 | 3} grade this one or more
 * @returns {PublishedRate[]}
 */
export function publishedRates(page, product, grade) {
  return page.published.filter((one) => one.product === product.name && one.grade === grade);
}

/**
 * The page as plain text, for a letter or a record.
 * @param {PageData} page
 * @param {Entries} entries
 * @param {Content} content
 * @param {string[]} made lines on how it was made
 * @returns {string}
 */
export function asText(page, entries, content, made) {
  const lines = [page.notice, ""];
  lines.push(...entries.told.map(({ label, value }) => `${label}: ${value}`), "");
  if (content.kind === "waiting") lines.push(content.text);
  if (content.kind === "cannot") {
    lines.push("Cannot estimate, because:", ...content.because.map((text) => `- ${text}`));
  }
  if (content.kind === "risk") {
    for (const grade of [content.grade2plus, content.grade3plus]) {
      if (grade) lines.push(grade.sentence, `${content.intervalName}: ${grade.range}.`);
    }
    lines.push(`Grade 2 (${page.grades_source}): ${page.grades[2]}.`);
    if (content.warnings.length) lines.push("", ...content.warnings.map((text) => `- ${text}`));
    lines.push("", content.reasons.start);
    for (const reason of [...content.reasons.up, ...content.reasons.down]) {
      lines.push(`${signed(reason.wholePoints)} of 100: ${reason.text}`);
    }
    lines.push(page.explanation_notice);
  }
  return [...lines, "", ...made].join("\n");
}

/**
 * @param {number} whole
 * @returns {string}
 */
export function signed(whole) {
  return whole > 0 ? `+${whole}` : whole < 0 ? `−${-whole}` : "0";
}
