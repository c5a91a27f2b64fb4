/**
 * Plans side by side without a server: what each change does to simulated patients of like risk,
 * looked up in the grid, applied to the number of this patient.
 */

import { comparisonPanel } from "./comparison.js";
import { h } from "./dom.js";
import { windowInWords } from "./wording.js";

/** @import { Comparison, GridChange, PageData, RegimenGrid, RiskBand, Share } from "./types.js" */
/** @import { Content } from "./content.js" */
/** @import { Entries } from "./entries.js" */
/** @import { Simulation } from "./simulate.js" */

const NOTICE = "In simulated patients of like risk, not in this one.";

/**
 * The plan and its changes at the number of the patient; null where the grid knows nothing of the
 * plan: another regimen, a prophylaxis already, readings after the dose.
 * @param {PageData} page
 * @param {RegimenGrid} grid
 * @param {Entries} entries
 * @param {Content} content
 * @returns {Comparison | null}
 */
export function comparisonOf(page, grid, { product, regimen, landmark, row }, content) {
  if (content.kind !== "risk" || product === null || regimen === null || landmark) return null;
  // bands are of the risk by that model, which a page of models of one's own may not hold
  const isOfModel = page.models.some((one) => one.landmark_h === 0 && one.label === grid.model);
  const isPlan =
    isOfModel &&
    regimen.name === product.default_regimen &&
    page.prophylaxis.every(({ column }) => row[column] === regimen.row[column]);
  const changes = grid.products.find((one) => one.product === product.name)?.changes ?? [];
  const known = changes.filter((change) => bandOf(change, content.grade2plus.value));
  if (!isPlan || known.length === 0) return null;
  const { value: risk, low, high } = content.grade2plus;
  const people = changes[0].bands.reduce((sum, band) => sum + band.n_with_event + band.n_without, 0);
  const own = { value: risk, low, high, mc_error: null };
  return {
    model: "",
    window: windowInWords(product.window_d, 0),
    risk: { grade2plus: own, grade3plus: null },
    as_simulated: null,
    starts_at_model: true,
    baseline: { label: "As planned", shares: { grade2plus: own, grade3plus: null } },
    alternatives: known.map((change) => {
      const difference = differenceOf(change, risk);
      const after = { ...difference, value: risk + difference.value, low: null, high: null };
      return {
        label: change.label,
        kind: change.kind,
        shares: { grade2plus: after, grade3plus: null },
        difference: { grade2plus: difference, grade3plus: null },
      };
    }),
    n_people: people / 2, // each has two futures
    seed: grid.seed,
    effect_on_tumour: "unknown",
    why_none: "",
    notice: NOTICE,
  };
}

/**
 * The band of predicted risk that a patient falls into; undefined where its patients tell nothing.
 * @param {GridChange} change
 * @param {number} risk
 * @returns {RiskBand | undefined}
 */
function bandOf({ bands }, risk) {
  const band = bands.find(({ below }) => below === null || risk < below);
  return band && band.kept !== null && band.caused !== null ? band : undefined;
}

/**
 * What a change does to a patient's risk: of those with the event so many keep it, of the others so
 * many come to it. Ends over assumptions stand to the change as they do in all patients.
 * @param {GridChange} change
 * @param {number} risk
 * @returns {Share}
 */
export function differenceOf(change, risk) {
  const band = bandOf(change, risk);
  if (!band || band.kept === null || band.caused === null) throw new Error("no band of this risk");
  const { kept, caused, n_with_event: events, n_without: others } = band;
  const value = (1 - risk) * caused - risk * (1 - kept);
  const variance =
    (risk ** 2 * kept * (1 - kept)) / events + ((1 - risk) ** 2 * caused * (1 - caused)) / others;
  const { averted_per_100: averted, low, high } = change;
  const ends = averted === 0 ? [] : [(value * low) / averted, (value * high) / averted];
  return {
    value,
    low: ends.length ? Math.min(...ends) : null,
    high: ends.length ? Math.max(...ends) : null,
    mc_error: Math.sqrt(variance),
  };
}

/**
 * The panel, which keeps its choice while the patient changes.
 * @param {PageData} page
 * @param {RegimenGrid} grid
 * @returns {Simulation}
 */
export function offlineOf(page, grid) {
  const place = h("div", {});
  const section = h(
    "section",
    { class: "offline", "aria-label": "If the plan were changed" },
    h("h3", {}, "If the plan were changed"),
    place,
  );
  let [made, chosen] = ["", 0];
  /** @type {Comparison | null} */
  let inSight = null;
  section.addEventListener("change", ({ target }) => {
    if (target instanceof HTMLSelectElement) chosen = Number(target.value);
  });
  return {
    comparison: () => inSight,
    show(entries, content) {
      const comparison = comparisonOf(page, grid, entries, content);
      section.hidden = comparison === null;
      inSight = comparison;
      const text = JSON.stringify(comparison);
      if (comparison !== null && text !== made) {
        place.replaceChildren(comparisonPanel(comparison));
        const choice = section.querySelector("select");
        if (choice && chosen > 0 && chosen < choice.length) {
          choice.value = String(chosen);
          choice.dispatchEvent(new Event("change"));
        }
      }
      made = text;
      return section;
    },
  };
}
