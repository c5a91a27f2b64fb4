/** The result beside the form: the number, where it stands among trials, why, and what to watch. */

import { axis } from "./axis.js";
import { publishedRates, signed } from "./content.js";
import { h } from "./dom.js";
import { guidancePanels } from "./guidance.js";
import { of100, shortLabel } from "./wording.js";

/** @import { Answer, Entered, GradeAnswer, Note, PageFacts, PublishedRate, ReasonLine, RiskAnswer, ShownProduct } from "./types.js" */
/** @import { AxisRow } from "./axis.js" */
/** @import { WaitingContent } from "./content.js" */

const NO_GRADE_3 = "No model of grade 3 or more stands beside this one.";
const WORDS_OF_WARNINGS = 45; // in sight, the first in any case; the others open
const WEIGHTS = "The model’s weights, no proof of cause.";

/**
 * @typedef {object} Result what is shown of a patient, whoever computed it
 * @property {ShownProduct | null} product
 * @property {Entered[]} entered for the print, where it does not stand elsewhere
 * @property {Answer | WaitingContent} answer
 * @property {HTMLElement | null} compared plans side by side
 * @property {string[]} [spread] what assumptions leave open
 * @property {string} [waits] when the first signs came in simulated patients
 * @property {Note[]} [notes] what opens below
 */

/**
 * @param {PageFacts} page
 * @param {Result} result
 * @returns {HTMLElement[]}
 */
export function resultOf(page, { product, entered, answer, compared, spread, waits, notes }) {
  return [
    headline(page, product, answer, spread ?? []),
    ...(compared ? [compared] : []),
    ...(answer.kind === "risk" ? [why(answer.reasons)] : []),
    ...(entered.length ? [enteredOf(entered)] : []),
    ...(product ? guidancePanels(product.guidance, waits ?? "") : []),
    ...(notes ?? []).map(opening),
  ];
}

/**
 * @param {Entered[]} entered
 * @param {...HTMLElement} below
 * @returns {HTMLElement}
 */
export function enteredOf(entered, ...below) {
  return h(
    "section",
    { class: "entered" },
    h("h2", {}, "Entered"),
    h(
      "dl",
      {},
      ...entered.map(({ label, value, is_outside: isOutside }) =>
        h("div", {}, h("dt", {}, label), h("dd", {}, isOutside ? h("b", {}, value) : value)),
      ),
    ),
    ...below,
  );
}

/**
 * The number in few letters, for the strip of a narrow screen.
 * @param {Answer | WaitingContent} answer
 * @returns {string}
 */
export function inShort(answer) {
  if (answer.kind === "waiting") return answer.text;
  if (answer.kind === "cannot") return "Cannot estimate";
  const { count, range } = answer.grade2plus;
  return `Grade 2 or more: ${count} of 100${range ? ` (${range.replace(" of 100", "")})` : ""}`;
}

/**
 * @param {PageFacts} page
 * @param {ShownProduct | null} product
 * @param {Answer | WaitingContent} answer
 * @param {string[]} spread
 */
function headline(page, product, answer, spread) {
  /** @param {...(HTMLElement | null | false)} inside */
  const section = (...inside) =>
    h(
      "section",
      { class: "headline" },
      h("h2", {}, "Risk of cytokine release syndrome (CRS)"),
      ...inside,
    );
  if (answer.kind === "waiting") {
    return section(
      h("p", { class: "waiting" }, answer.text),
      product && trials(page, product, null),
    );
  }
  if (answer.kind === "cannot") {
    return section(
      h("p", { class: "cannot" }, "Cannot estimate, because"),
      h("ul", {}, ...answer.because.map((text) => h("li", {}, text))),
      ...answer.instead.map((text) => h("p", {}, text)),
      ...warningsOf(answer.warnings),
      product && trials(page, product, null),
    );
  }
  const { grade2plus, grade3plus } = answer;
  return section(
    h(
      "p",
      { class: "number" },
      h("span", { class: "count" }, grade2plus.count),
      " of 100",
      h("span", { class: "of" }, " grade 2 or more"),
    ),
    h(
      "p",
      { class: "interval" },
      grade2plus.range
        ? `${answer.interval_name}: ${grade2plus.range}`
        : "No interval is known: the number alone looks surer than it is.",
    ),
    h(
      "p",
      {},
      `${grade2plus.sentence} ${grade3plus?.sentence ?? NO_GRADE_3} ${answer.beside}`.trim(),
    ),
    ...warningsOf(answer.warnings),
    product && trials(page, product, answer),
    h("p", { class: "note" }, `Grade 2 (ASTCT): ${page.grades[2]}.`),
    h(
      "details",
      {},
      h("summary", {}, "What this means"),
      answer.covers
        ? h("p", {}, `${answer.interval_name}: ${answer.covers} ${answer.refit_range}`)
        : null,
      ...spread.map((text) => h("p", {}, text)),
      h("p", {}, `Grades by ASTCT: ${page.grades_source}. ${page.explanation_notice}`),
    ),
  );
}

/**
 * The gravest warnings; the others open, and are all printed.
 * @param {string[]} warnings
 */
function warningsOf(warnings) {
  /** @param {string[]} some */
  const list = (some) =>
    h("ul", { class: "warnings" }, ...some.map((text) => h("li", {}, text)));
  let words = 0;
  const n = warnings.findIndex((text) => (words += text.split(" ").length) > WORDS_OF_WARNINGS);
  const inSight = n < 0 ? warnings.length : Math.max(n, 1);
  const [first, others] = [warnings.slice(0, inSight), warnings.slice(inSight)];
  return [
    first.length > 0 && list(first),
    others.length > 0 &&
      h(
        "details",
        { class: "always-printed" },
        h("summary", {}, `${others.length} more to read first`),
        list(others),
      ),
  ];
}

/** @param {Note} note */
function opening({ title, groups }) {
  return h(
    "details",
    { class: "guidance" },
    h("summary", {}, title),
    ...groups.flatMap((group) => [
      group.title ? h("h3", {}, group.title) : null,
      h("ul", {}, ...group.lines.map((line) => h("li", {}, line))),
    ]),
  );
}

/**
 * The patient and published trials on one axis, by grade.
 * @param {PageFacts} page
 * @param {ShownProduct} product
 * @param {RiskAnswer | null} answer null where the patient has no number
 */
function trials(page, product, answer) {
  /** @type {[2 | 3, GradeAnswer | null | undefined][]} */
  const grades = [
    [2, answer?.grade2plus],
    [3, answer?.grade3plus],
  ];
  let count = 0;
  const groups = grades.flatMap(([grade, patient]) => {
    const published = publishedRates(page, product, grade);
    count += published.length;
    const rows = [...(patient ? [patientRow(patient)] : []), ...published.map(trialRow)].map(
      (row) => ({ ...row, label: withoutName(row.label, shortLabel(product.label)) }),
    );
    return rows.length ? [{ title: `Grade ${grade} or more`, rows }] : [];
  });
  const name = shortLabel(product.label);
  const told = count
    ? `${name} in trials: all of their patients, 95% intervals.`
    : `No trial of ${name} that is known here has published a rate of these grades.`;
  return h(
    "figure",
    {},
    groups.length > 0 && axis(groups),
    h("figcaption", {}, `Of 100. ${told}`),
  );
}

/**
 * A label of a trial without the product's name in front.
 * @param {string} label
 * @param {string} name
 */
function withoutName(label, name) {
  if (!label.startsWith(`${name} `) && !label.startsWith(`${name}, `)) return label;
  const rest = label.slice(name.length).replace(/^,? /, "");
  return rest[0].toUpperCase() + rest.slice(1);
}

/**
 * @param {GradeAnswer} answer
 * @returns {AxisRow}
 */
function patientRow({ value, low, high, count, range }) {
  const ends = range ? ` (${range.replace(" of 100", "")})` : "";
  return { label: "This patient", figure: `${count}${ends}`, value, low, high, kind: "patient" };
}

/**
 * @param {PublishedRate} rate
 * @returns {AxisRow}
 */
export function trialRow({ trial, events, n, low, high, is_verified: isVerified }) {
  return {
    label: isVerified ? trial : `${trial}, recalled and not verified`,
    figure: `${of100(events / n)} (${events} of ${n})`,
    value: events / n,
    low,
    high,
    kind: isVerified ? "published" : "recalled",
  };
}

/** @param {ReasonLine} reason */
function inBrief({ of_100: whole, text }) {
  return `${text.split(":")[0]} ${signed(whole)}`;
}

/** @param {RiskAnswer["reasons"]} reasons */
function why({ start, up, down, rest }) {
  /** @param {string} title @param {ReasonLine[]} some @param {string} none */
  const list = (title, some, none) =>
    h(
      "div",
      {},
      h("h4", {}, title),
      h(
        "ul",
        { class: "reasons" },
        ...some.map(({ of_100: whole, text }) =>
          h("li", {}, h("b", {}, signed(whole)), " ", text),
        ),
        some.length === 0 && h("li", {}, none),
      ),
    );
  const [raised, lowered] = [up, down].map((some) => some.map(inBrief).join(", "));
  const brief = [raised, lowered].filter(Boolean).join("; ") || "nothing moves it by 1 of 100 or more";
  return h(
    "details",
    { class: "why always-printed", "data-title": "Why" },
    h("summary", {}, h("b", {}, "Why"), ` ${brief}`),
    h("h3", {}, "Why"),
    h("p", { class: "note" }, start),
    h(
      "div",
      { class: "directions" },
      list("Raises the risk", up, "Nothing raises it by 1 of 100 or more."),
      list("Lowers the risk", down, "Nothing lowers it by 1 of 100 or more."),
    ),
    h("p", { class: "note" }, rest ? `All others together: ${signed(rest)}. ` : "", WEIGHTS),
  );
}
