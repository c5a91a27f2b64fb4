/** The result beside the form: the number, where it stands among trials, why, and what to watch. */

import { axis } from "./axis.js";
import { publishedRates, signed } from "./content.js";
import { h } from "./dom.js";
import { guidancePanels } from "./guidance.js";
import { of100, shortLabel } from "./wording.js";

/** @import { PageData, PageProduct, PublishedRate } from "./types.js" */
/** @import { AxisRow } from "./axis.js" */
/** @import { Content, GradeContent, ReasonContent, RiskContent } from "./content.js" */
/** @import { Entries } from "./entries.js" */

const NO_GRADE_3 = "No model of grade 3 or more stands beside this one.";

/**
 * @param {PageData} page
 * @param {Entries} entries
 * @param {Content} content
 * @returns {HTMLElement[]}
 */
export function resultOf(page, entries, content) {
  const { product } = entries;
  const entered = h(
    "section",
    { class: "entered" },
    h("h3", {}, "Entered"),
    h(
      "dl",
      {},
      ...entries.told.map(({ label, value }) =>
        h("div", {}, h("dt", {}, label), h("dd", {}, value)),
      ),
    ),
  );
  const sections = [headline(page, product, content)];
  if (content.kind === "risk") sections.push(why(page, content.reasons));
  sections.push(entered);
  if (product) sections.push(...guidancePanels(product.guidance));
  return sections;
}

/**
 * The number in few letters, for the strip of a narrow screen.
 * @param {Content} content
 * @returns {string}
 */
export function inShort(content) {
  if (content.kind === "waiting") return content.text;
  if (content.kind === "cannot") return "Cannot estimate";
  const { count, range } = content.grade2plus;
  return `Grade 2 or more: ${count} of 100${range ? ` (${range.replace(" of 100", "")})` : ""}`;
}

/**
 * @param {PageData} page
 * @param {PageProduct | null} product
 * @param {Content} content
 */
function headline(page, product, content) {
  const heading = h("h2", {}, "Risk of cytokine release syndrome (CRS)");
  if (content.kind === "waiting") {
    return h(
      "section",
      { class: "headline" },
      heading,
      h("p", { class: "waiting" }, content.text),
      product && trials(page, product, null),
    );
  }
  if (content.kind === "cannot") {
    return h(
      "section",
      { class: "headline" },
      heading,
      h("p", { class: "cannot" }, "Cannot estimate, because"),
      h("ul", {}, ...content.because.map((text) => h("li", {}, text))),
      product && trials(page, product, null),
    );
  }
  const { grade2plus, grade3plus } = content;
  return h(
    "section",
    { class: "headline" },
    heading,
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
        ? `${content.intervalName}: ${grade2plus.range}`
        : "No interval is known: the number alone looks surer than it is.",
    ),
    h("p", {}, grade2plus.sentence, " ", grade3plus?.sentence ?? NO_GRADE_3),
    product && trials(page, product, content),
    h(
      "p",
      { class: "note" },
      `Grade 2 (ASTCT, ${page.grades_source}): ${page.grades[2]}.`,
    ),
    content.warnings.length > 0 &&
      h("ul", { class: "warnings" }, ...content.warnings.map((text) => h("li", {}, text))),
    h(
      "details",
      {},
      h("summary", {}, "What the interval holds"),
      h("p", {}, `${content.intervalName}: ${content.covers} ${content.refitRange}`),
    ),
  );
}

/**
 * The patient and published trials on one axis, by grade.
 * @param {PageData} page
 * @param {PageProduct} product
 * @param {RiskContent | null} content null where the patient has no number
 */
function trials(page, product, content) {
  /** @type {[2 | 3, GradeContent | null | undefined][]} */
  const grades = [
    [2, content?.grade2plus],
    [3, content?.grade3plus],
  ];
  let count = 0;
  const groups = grades.flatMap(([grade, patient]) => {
    const published = publishedRates(page, product, grade);
    count += published.length;
    const rows = [...(patient ? [patientRow(patient)] : []), ...published.map(trialRow)];
    return rows.length ? [{ title: `Grade ${grade} or more`, rows }] : [];
  });
  const name = shortLabel(product.label);
  const told = count
    ? `Trials of ${name}, with 95% intervals: all of their patients, whatever their risk.`
    : `No trial of ${name} that is known here has published a rate of these grades.`;
  return h(
    "figure",
    {},
    groups.length > 0 && axis(groups),
    h("figcaption", {}, `Of 100 patients. ${told}`),
  );
}

/**
 * @param {GradeContent} content
 * @returns {AxisRow}
 */
function patientRow({ estimate, count, range }) {
  const ends = range ? ` (${range.replace(" of 100", "")})` : "";
  return { label: "This patient", figure: `${count}${ends}`, ...estimate, kind: "patient" };
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

/**
 * @param {PageData} page
 * @param {RiskContent["reasons"]} reasons
 */
function why(page, { start, up, down, rest }) {
  /** @param {string} title @param {ReasonContent[]} some @param {string} none */
  const list = (title, some, none) =>
    h(
      "div",
      {},
      h("h4", {}, title),
      h(
        "ul",
        { class: "reasons" },
        ...some.map(({ wholePoints, text }) =>
          h("li", {}, h("b", {}, signed(wholePoints)), " ", text),
        ),
        some.length === 0 && h("li", {}, none),
      ),
    );
  return h(
    "section",
    { class: "why" },
    h("h3", {}, "Why"),
    h("p", { class: "note" }, start),
    h(
      "div",
      { class: "directions" },
      list("Raises the risk", up, "Nothing raises it by 1 of 100 or more."),
      list("Lowers the risk", down, "Nothing lowers it by 1 of 100 or more."),
    ),
    h(
      "p",
      { class: "note" },
      rest ? `All others together: ${signed(rest)}. ` : "",
      page.explanation_notice,
    ),
  );
}
