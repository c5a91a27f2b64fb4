/**
 * Plans side by side in the same 100 simulated people. What is shown comes as a plain object: from a
 * server that simulated the very patient, or from anywhere else that has it.
 */

import { h, svg } from "./dom.js";
import { fixed } from "./numbers.js";
import { of100, typeset } from "./wording.js";

/** @import { Alternative, Comparison, GradeShares, Share } from "./types.js" */

// a head above shoulders, 10 wide and 12.6 high
const PERSON =
  "M5 0a2.3 2.3 0 1 1 0 4.6a2.3 2.3 0 1 1 0 -4.6" +
  "M1.6 5.4h6.8a1 1 0 0 1 1 1v5.2a1 1 0 0 1 -1 1h-6.8a1 1 0 0 1 -1 -1v-5.2a1 1 0 0 1 1 -1";
const [STEP_X, STEP_Y, IN_A_ROW, PEOPLE] = [17, 18, 10, 100];

/**
 * @param {Comparison} comparison
 * @returns {HTMLElement}
 */
export function comparisonPanel(comparison) {
  const { baseline, alternatives, starts_at_model: isOne, why_none: whyNone } = comparison;
  const shown = h("div", { class: "plans", role: "status" });
  const told = heads(comparison);
  if (baseline === null || alternatives.length === 0) {
    return h("div", { class: "comparison" }, told && h("p", {}, told), h("p", {}, whyNone));
  }
  /** @param {number} place */
  const show = (place) =>
    shown.replaceChildren(...pair(comparison, baseline.shares, alternatives[place]));
  const choice = h(
    "select",
    {},
    ...alternatives.map(({ label }, place) => h("option", { value: place }, typeset(label))),
  );
  choice.addEventListener("change", () => show(Number(choice.value)));
  show(0);
  return h(
    "div",
    { class: "comparison" },
    isOne ? null : h("p", {}, asSimulated(comparison)),
    h("p", { class: "choices" }, h("label", {}, "Compare with ", choice)),
    shown,
    whyNone ? h("p", { class: "note" }, whyNone) : null,
    h(
      "details",
      {},
      h("summary", {}, "All changes in numbers"),
      h("ul", {}, ...alternatives.map((one) => h("li", {}, inOneLine(baseline.shares, one)))),
      told ? h("p", {}, told) : null,
      h("p", {}, howSimulated(comparison)),
    ),
  );
}

/**
 * The comparison as text: every change, and how it was simulated.
 * @param {Comparison} comparison
 * @returns {string[]}
 */
export function comparisonLines(comparison) {
  const { baseline, alternatives, why_none: whyNone } = comparison;
  const told = heads(comparison);
  return [
    ...(told ? [told] : []),
    ...(baseline ? alternatives.map((one) => `- ${inOneLine(baseline.shares, one)}`) : []),
    ...(whyNone ? [whyNone] : []),
    ...(baseline && alternatives.length
      ? [`Effect on the tumour ${comparison.effect_on_tumour}.`, howSimulated(comparison)]
      : []),
  ];
}

/** @param {Pick<Comparison, "risk">} comparison */
function asSimulated({ risk }) {
  return risk
    ? "Model and simulator stand further apart than one number can: the comparison is as simulated."
    : "The comparison is as simulated.";
}

/** @param {Comparison} comparison */
function howSimulated({ notice, n_people: people, seed }) {
  return `${notice} ${people.toLocaleString("en")} simulated people in each arm, seed ${seed}.`;
}

/**
 * @param {GradeShares} plan
 * @param {Alternative} changed
 */
function inOneLine(plan, changed) {
  const [before, after] = [of100(plan.grade2plus.value), of100(changed.shares.grade2plus.value)];
  const { label, difference } = changed;
  return `${typeset(label)}: ${before} → ${after} of 100 (${errorAndSpread(difference.grade2plus)}).${severe(plan, changed)}`;
}

/**
 * The simulated headline beside the model's; null where nothing was simulated.
 * @param {Comparison} comparison
 * @returns {string | null}
 */
function heads({ model, risk, as_simulated: simulated, starts_at_model: isMoved, window }) {
  if (simulated === null) return null;
  const says = risk
    ? `Model ${model}: ${shareInWords(risk.grade2plus)}.`
    : `Model ${model}: cannot estimate.`;
  const moved = isMoved
    ? "The comparison starts from the model’s number."
    : asSimulated({ risk });
  const simulator = `Simulated: ${shareInWords(simulated.grade2plus)}, Monte Carlo error ${errorOf(simulated.grade2plus)}.`;
  return `Grade 2 or more ${window}. ${says} ${simulator} ${moved}`;
}

/**
 * @param {Comparison} comparison
 * @param {GradeShares} plan
 * @param {Alternative} changed
 * @returns {HTMLElement[]}
 */
function pair(comparison, plan, changed) {
  const before = of100(plan.grade2plus.value);
  const after = of100(changed.shares.grade2plus.value);
  const either = Math.min(before, after);
  const differs = Math.abs(before - after);
  const isLess = after <= before;
  const onlyOne = isLess ? "averted" : "only with the change";
  const planLabel = comparison.baseline?.label ?? "";
  return [
    h(
      "div",
      { class: "pair" },
      people(planLabel, before, either, differs, isLess),
      people(changed.label, after, either, differs, !isLess),
    ),
    h(
      "ul",
      { class: "legend" },
      key("either", `${either} either way`),
      key(isLess ? "one" : "other", `${differs} ${onlyOne}`),
      key("none", `${PEOPLE - either - differs} neither way`),
    ),
    h(
      "p",
      {},
      h("b", {}, `${changeInWords(after - before)} of 100`),
      `${spread(changed.difference.grade2plus)}.`,
      severe(plan, changed),
      " ",
      h("b", {}, `Effect on the tumour ${comparison.effect_on_tumour}.`),
    ),
  ];
}

/**
 * One hundred people: first who has it either way, then who has it under one plan alone.
 * @param {string} label of the plan
 * @param {number} count
 * @param {number} either
 * @param {number} differs
 * @param {boolean} hasThem whether this is the plan under which these have it
 */
function people(label, count, either, differs, hasThem) {
  /** @param {number} at */
  const kind = (at) =>
    at < either ? "either" : at >= either + differs ? "none" : hasThem ? "one" : "other";
  return h(
    "figure",
    {},
    h("figcaption", {}, h("b", {}, typeset(label)), `: ${count} of 100`),
    svg(
      "svg",
      {
        viewBox: `0 0 ${IN_A_ROW * STEP_X - 3} ${(PEOPLE / IN_A_ROW) * STEP_Y - 1}`,
        role: "img",
        "aria-label": `${typeset(label)}: ${count} of 100 people have CRS of grade 2 or more`,
      },
      ...Array.from({ length: PEOPLE }, (_, at) => person(kind(at), at)),
    ),
  );
}

/**
 * @param {string} kind
 * @param {number} at
 */
function person(kind, at) {
  const [x, y] = [2 + STEP_X * (at % IN_A_ROW), 2 + STEP_Y * Math.floor(at / IN_A_ROW)];
  return svg("path", { class: kind, d: PERSON, transform: `translate(${x} ${y})` });
}

/**
 * @param {string} kind
 * @param {string} text
 */
function key(kind, text) {
  const icon = svg("svg", { viewBox: "-1 -1 12 15", "aria-hidden": "true" });
  icon.append(svg("path", { class: kind, d: PERSON }));
  return h("li", {}, icon, " ", text);
}

/**
 * @param {GradeShares} plan
 * @param {Alternative} changed
 */
function severe(plan, changed) {
  const [before, after] = [plan.grade3plus, changed.shares.grade3plus];
  if (before === null || after === null) return "";
  const [from, to] = [of100(before.value), of100(after.value)];
  return ` Grade 3 or more: ${from} becomes ${to} of 100.`;
}

/**
 * @param {number} whole
 * @returns {string}
 */
function changeInWords(whole) {
  if (whole === 0) return "No more and no fewer";
  return `${Math.abs(whole)} ${whole < 0 ? "fewer" : "more"}`;
}

/** @param {Share} difference */
function errorAndSpread(difference) {
  return `Monte Carlo error ${errorOf(difference)}${spread(difference)}`;
}

/**
 * Over the sets of assumptions; the smaller change first.
 * @param {Share} difference
 * @returns {string}
 */
function spread({ low, high }) {
  if (low === null || high === null) return "";
  const ends = [of100(low), of100(high)].sort((one, other) => Math.abs(one) - Math.abs(other));
  const isOneWay = ends[0] * ends[1] > 0;
  const told = isOneWay
    ? `${Math.abs(ends[0])} to ${changeInWords(ends[1])}`
    : ends.map((end) => (end === 0 ? "none" : changeInWords(end))).join(" to ");
  return `; over assumptions ${told}`;
}

/**
 * @param {Share} share
 * @returns {string}
 */
function shareInWords({ value, low, high }) {
  const range = low === null || high === null ? "" : ` (${of100(low)} to ${of100(high)})`;
  return `${of100(value)} of 100${range}`;
}

/**
 * @param {Share} share
 * @returns {string}
 */
function errorOf({ mc_error: error }) {
  return error === null ? "unknown" : fixed(100 * error, 1);
}
