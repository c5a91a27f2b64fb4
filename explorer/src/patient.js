/** One patient's page: what Python computed, drawn as the explorer draws what its engine computes. */

import { comparisonPanel } from "./comparison.js";
import { asText, makeButtons } from "./copy.js";
import { byId, h } from "./dom.js";
import { madeInWords } from "./made.js";
import { enteredOf, inShort, resultOf } from "./result.js";

/** @import { PatientPage } from "./types.js" */

const CHANGE = "Other values: crsrisk explorer or crsrisk serve.";

/**
 * @param {PatientPage} page
 */
export function showPatient(page) {
  const { product, entered, answer, spread, waits, notes } = page;
  const comparison = page.comparison?.baseline || page.comparison?.why_none ? page.comparison : null;
  const compared = comparison && h(
    "section",
    { class: "simulation", "aria-label": "If the plan were changed" },
    h("h3", {}, "If the plan were changed"),
    comparisonPanel(comparison),
  );
  const isMarked = entered.some((one) => one.is_outside);
  byId("patient").replaceChildren(
    enteredOf(entered, h("p", { class: "note" }, isMarked && "Bold: outside the usual range. ", CHANGE)),
  );
  byId("result").replaceChildren(
    ...resultOf(page, { product, entered: [], answer, compared, spread, waits, notes }),
  );
  byId("strip").textContent = inShort(answer);
  const made = madeInWords(page.version, page.models, page.inputs_sha256);
  byId("made").textContent = made.join(" ");
  makeButtons(() => asText(page, { entered, answer, comparison }, made));
}
