/** What is published for a product, and for no other: what to watch, fever, by grade, afterwards. */

import { h } from "./dom.js";

/** @import { GuidanceGroup, GuidanceLine, ProductGuidance } from "./types.js" */

/** @type {WeakMap<ProductGuidance, HTMLElement[]>} drawn once: no value of the patient changes them */
const drawn = new WeakMap();

/**
 * The panels, closed until they are opened.
 * @param {ProductGuidance} guidance
 * @param {string} waits when the first signs came in simulated patients; "" where none were simulated
 * @returns {HTMLElement[]}
 */
export function guidancePanels(guidance, waits) {
  const panels = drawn.get(guidance) ?? panelsOf(guidance, waits);
  drawn.set(guidance, panels);
  return panels;
}

/**
 * @param {ProductGuidance} guidance
 * @param {string} waits
 */
function panelsOf(guidance, waits) {
  return [
    h("h3", { class: "published-title" }, "What is published"),
    panel(
      "Watch",
      h("p", {}, guidance.observation),
      ...(waits ? [h("p", {}, `${waits} `, h("span", { class: "mark" }, "[simulated]"))] : []),
      ...guidance.watch.flatMap(groupOf),
    ),
    panel("If fever", listOf(guidance.fever_first), feverTable(guidance)),
    panel("By grade", gradeTable(guidance), ...guidance.any_grade.flatMap(groupOf)),
    panel("After the episode", ...guidance.after.flatMap(groupOf)),
    panel(
      "Sources",
      h("p", {}, `${guidance.about} ${guidance.marks}`),
      h("ol", {}, ...guidance.sources.map(({ citation }) => h("li", {}, citation))),
    ),
  ];
}

/**
 * @param {string} title
 * @param {...HTMLElement} inside
 */
function panel(title, ...inside) {
  return h("details", { class: "guidance" }, h("summary", {}, title), ...inside);
}

/** @param {GuidanceGroup} group */
function groupOf({ title, lines }) {
  return [h("h4", {}, title), listOf(lines)];
}

/** @param {GuidanceLine[]} lines */
function listOf(lines) {
  return h("ul", {}, ...lines.map((line) => h("li", {}, ...said(line))));
}

/** @param {GuidanceLine} line */
function said({ text, mark }) {
  return mark ? [`${text} `, h("span", { class: "mark" }, `[${mark}]`)] : [text];
}

/** @param {ProductGuidance} guidance */
function feverTable({ fever }) {
  const heads = ["May be", "Speaks for it", "Speaks against it", "Test that tells"];
  return tableOf(
    "Causes of fever",
    heads,
    fever.map(({ name, supports, against, tests }) => ({
      name: [name],
      cells: [supports, against, tests],
    })),
  );
}

/** @param {ProductGuidance} guidance */
function gradeTable({ management_title: title, management }) {
  return tableOf(
    title,
    ["ASTCT grade", "Published"],
    management.map(({ grade, definition, lines }) => ({
      name: [h("b", {}, `Grade ${grade}`), ` ${definition}`],
      cells: [lines],
    })),
  );
}

/**
 * A table that becomes a list of cards on a narrow screen, each cell under its head.
 * @param {string} caption
 * @param {string[]} heads
 * @param {{name: (string | HTMLElement)[], cells: GuidanceLine[][]}[]} rows
 */
function tableOf(caption, heads, rows) {
  return h(
    "table",
    { class: heads.length > 2 ? "cards causes" : "cards" },
    h("caption", {}, caption),
    h("thead", {}, h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head)))),
    h(
      "tbody",
      {},
      ...rows.map(({ name, cells }) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, ...name),
          ...cells.map((lines, place) =>
            h(
              "td",
              { "data-head": heads[place + 1] },
              ...lines.map((line) => h("p", {}, ...said(line))),
            ),
          ),
        ),
      ),
    ),
  );
}
