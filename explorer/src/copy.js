/** The result as plain text, for a letter or a record; and the buttons that print and copy it. */

import { comparisonLines } from "./comparison.js";
import { signed } from "./content.js";
import { byId, h } from "./dom.js";

/** @import { Answer, Comparison, Entered, PageFacts } from "./types.js" */
/** @import { WaitingContent } from "./content.js" */

/**
 * @typedef {object} Shown
 * @property {Entered[]} entered
 * @property {Answer | WaitingContent} answer
 * @property {Comparison | null} comparison that is in sight
 */

/**
 * @param {PageFacts} page
 * @param {Shown} shown
 * @param {string[]} made lines on how it was made
 * @returns {string}
 */
export function asText(page, { entered, answer, comparison }, made) {
  const lines = [page.notice, ""];
  lines.push(...entered.map(({ label, value }) => `${label}: ${value}`), "");
  if (answer.kind === "waiting") return [...lines, answer.text, "", ...made].join("\n");
  if (answer.kind === "cannot") {
    lines.push("Cannot estimate, because:", ...answer.because.map((text) => `- ${text}`));
    lines.push(...answer.instead);
  } else {
    for (const grade of [answer.grade2plus, answer.grade3plus]) {
      if (!grade) continue;
      lines.push(grade.sentence);
      if (grade.range) lines.push(`${answer.interval_name}: ${grade.range}.`);
    }
    if (answer.beside) lines.push(answer.beside);
    lines.push(`Grade 2 (ASTCT, ${page.grades_source}): ${page.grades[2]}.`);
  }
  if (answer.warnings.length) lines.push("", ...answer.warnings.map((text) => `- ${text}`));
  if (answer.kind === "risk") {
    lines.push("", answer.reasons.start);
    for (const reason of [...answer.reasons.up, ...answer.reasons.down]) {
      lines.push(`${signed(reason.of_100)} of 100: ${reason.text}`);
    }
    lines.push(page.explanation_notice);
  }
  if (comparison) lines.push("", "If the plan were changed", ...comparisonLines(comparison));
  return [...lines, "", ...made].join("\n");
}

/**
 * Print, and copy as text: on the clipboard, or in a field to copy from.
 * @param {() => string} text
 */
export function makeButtons(text) {
  const told = byId("told");
  byId("print").addEventListener("click", () => print());
  byId("copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      told.replaceChildren("Copied.");
    } catch {
      const area = h("textarea", { readonly: true, rows: 12, "aria-label": "Text to copy" });
      area.value = text();
      told.replaceChildren(area);
      area.select();
    }
  });
}
