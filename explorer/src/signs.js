/**
 * What a ward reads off a chart becomes what the models take: mean pressure from systolic and
 * diastolic, and the ASTCT grade from fever and support (Lee, Biol Blood Marrow Transplant 2019).
 */

import { h } from "./dom.js";
import { fixed } from "./numbers.js";

/** @import { Entries } from "./entries.js" */

const FEVER_C = 38;
const [TEMPERATURE, PRESSURE, GRADE] = ["temperature_c__max", "map_mmhg__min", "grade__max"];
/** @typedef {"" | "none" | "fluids" | "one" | "several"} PressureSupport */
/** @typedef {"" | "none" | "low" | "high" | "positive"} OxygenSupport */
/** @type {[PressureSupport, string][]} */
const PRESSURE_SUPPORT = [
  ["", "not known"],
  ["none", "pressure not low"],
  ["fluids", "low, without vasopressor"],
  ["one", "one vasopressor"],
  ["several", "several vasopressors"],
];
/** @type {[OxygenSupport, string][]} */
const OXYGEN_SUPPORT = [
  ["", "not known"],
  ["none", "no oxygen"],
  ["low", "nasal cannula up to 6 L/min, blow-by"],
  ["high", "more than 6 L/min, or any mask"],
  ["positive", "positive pressure, ventilator"],
];
const BY_PRESSURE = { none: 1, fluids: 2, one: 3, several: 4 };
const BY_OXYGEN = { none: 1, low: 2, high: 3, positive: 4 };

/**
 * The ASTCT grade; null where it cannot be told. Without fever so far there is no CRS.
 * @param {number | undefined} temperature highest so far, °C
 * @param {PressureSupport} pressure
 * @param {OxygenSupport} oxygen
 * @returns {number | null}
 */
export function gradeOf(temperature, pressure, oxygen) {
  if (temperature === undefined || !pressure || !oxygen) return null;
  if (temperature < FEVER_C) return 0;
  return Math.max(BY_PRESSURE[pressure], BY_OXYGEN[oxygen]);
}

/**
 * @param {number} systolic mmHg
 * @param {number} diastolic mmHg
 * @returns {number | null} null for what is no pair of pressures
 */
export function meanPressure(systolic, diastolic) {
  if (!(diastolic > 0 && systolic > diastolic)) return null;
  return diastolic + (systolic - diastolic) / 3;
}

/**
 * The fields of an hour that are worked out from.
 * @param {number} hour
 * @returns {HTMLElement}
 */
export function signFields(hour) {
  /**
   * @param {string} name
   * @param {string} label
   * @param {[string, string][]} values
   */
  const choice = (name, label, values) =>
    h(
      "div",
      { class: "field" },
      h("label", { for: `${name}__h${hour}` }, label),
      h(
        "select",
        { id: `${name}__h${hour}`, name: `${name}__h${hour}` },
        ...values.map(([value, text]) => h("option", { value }, text)),
      ),
    );
  /** @param {string} name @param {string} label */
  const pressure = (name, label) =>
    h("input", {
      id: `${name}__h${hour}`,
      name: `${name}__h${hour}`,
      type: "text",
      inputmode: "decimal",
      "aria-label": `${label} pressure at ${hour} hours, mmHg`,
      placeholder: label.toLowerCase(),
    });
  return h(
    "details",
    {},
    h("summary", {}, "Work out grade and mean pressure"),
    h(
      "div",
      { class: "field" },
      h("span", {}, "Lowest pressure"),
      h("span", { class: "controls" }, pressure("systolic", "Systolic"), "/", pressure("diastolic", "Diastolic")),
    ),
    choice("pressure_support", "Low pressure", PRESSURE_SUPPORT),
    choice("oxygen_support", "Oxygen", OXYGEN_SUPPORT),
    h("p", { class: "note", "data-worked": hour, role: "status" }),
  );
}

/**
 * Fill in what can be worked out; says whether anything changed.
 * @param {HTMLFormElement} form
 * @param {number[]} hours
 * @param {Entries} entries as the form stands
 * @returns {boolean}
 */
export function workOut(form, hours, { readings }) {
  let hasChanged = false;
  /** @param {string} name */
  const field = (name) =>
    /** @type {HTMLInputElement | HTMLSelectElement | null} */ (form.elements.namedItem(name));
  /** @param {string} name @param {string} text */
  const fill = (name, text) => {
    const target = field(name);
    if (target === null || target.value === text) return;
    target.value = text;
    hasChanged = true;
  };
  /** @param {string} name */
  const number = (name) => Number((field(name)?.value ?? "").replace(",", ".") || NaN);
  for (const hour of hours) {
    const mean = meanPressure(number(`systolic__h${hour}`), number(`diastolic__h${hour}`));
    if (mean !== null) fill(`${PRESSURE}__h${hour}`, fixed(mean, 1));
    const grade = gradeOf(
      readings.get(hour)?.[TEMPERATURE],
      /** @type {PressureSupport} */ (field(`pressure_support__h${hour}`)?.value ?? ""),
      /** @type {OxygenSupport} */ (field(`oxygen_support__h${hour}`)?.value ?? ""),
    );
    if (grade !== null) fill(`${GRADE}__h${hour}`, String(grade));
    const note = form.querySelector(`[data-worked="${hour}"]`);
    const told = grade === null ? "" : `Grade ${grade} (ASTCT), unless the fever has another cause.`;
    if (note && note.textContent !== told) note.textContent = told;
  }
  return hasChanged;
}
