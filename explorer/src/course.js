/**
 * Readings after the first dose as the columns of a landmark model: `crsrisk/model/landmark.py` and
 * `crsrisk/studies/patient_row.py`.
 */

import { numberOf } from "./model.js";
import { general } from "./numbers.js";

/** @import { Cell, Contract, Row } from "./types.js" */

const LABORATORY = ["crp_mg_l", "il6_pg_ml", "ferritin_ug_l"];
const VITALS = ["temperature_c__max", "map_mmhg__min", "spo2_pct__min"];
const GRADE = "grade__max";
const REACHED = 2; // grade at which nothing is left to predict

/** @typedef {Map<number, Record<string, number>>} Readings by hour and column without the hour */

/**
 * The row with the columns of the course, or why there is none.
 * @param {Row} row of before the dose
 * @param {Readings} readings
 * @param {Contract} contract
 * @param {number[]} hours at which readings are asked for
 * @returns {{row: Row} | {problem: string}}
 */
export function withCourse(row, readings, contract, hours) {
  const landmark = contract.landmark_h;
  const times = hours.filter((hour) => hour <= landmark);
  const found = gradesOf(readings, times, landmark);
  if ("problem" in found) return found;
  /** @param {string} stem @param {number} hour */
  const reading = (stem, hour) => readings.get(hour)?.[stem] ?? NaN;
  /** @type {Record<string, Cell>} */
  const known = { ...row };
  for (const { name } of contract.columns) {
    const [stem, rest = ""] = splitAt(name.replace(`__h${landmark}`, ""), "__");
    if (!name.endsWith(`__h${landmark}`)) continue;
    let value = NaN;
    if (stem === "grade") {
      const first = times.find((hour) => (found.grades.get(hour) ?? 0) >= 1);
      value = rest === "onset" ? (first ?? NaN) : (found.grades.get(landmark) ?? NaN);
    } else if (LABORATORY.includes(stem)) {
      const values = times.map((hour) => reading(stem, hour));
      if (rest === "max") value = farthest(values, Math.max);
      else if (rest === "slope") value = slope([numberOf(row, stem), ...values], [0, ...times]);
      else value = reading(stem, landmark);
    } else {
      const extreme = VITALS.find((vital) => vital.startsWith(`${stem}__`)) ?? "";
      const pick = extreme.endsWith("max") ? Math.max : Math.min;
      const soFar = times.map((_, place) => {
        const values = times.slice(0, place + 1).map((hour) => reading(extreme, hour));
        return Number.isNaN(values[place]) ? NaN : farthest(values, pick);
      });
      value = rest === "slope" ? slope(soFar, times) : soFar[times.indexOf(landmark)];
    }
    known[name] = Number.isNaN(value) ? null : value;
  }
  return { row: known };
}

/**
 * @param {string} text
 * @param {string} mark
 * @returns {string[]}
 */
function splitAt(text, mark) {
  const place = text.indexOf(mark);
  return place < 0 ? [text] : [text.slice(0, place), text.slice(place + mark.length)];
}

/**
 * @param {number[]} values
 * @param {(...values: number[]) => number} pick
 * @returns {number}
 */
function farthest(values, pick) {
  const known = values.filter((value) => !Number.isNaN(value));
  return known.length ? pick(...known) : NaN;
}

/**
 * Worst grade so far at every hour; what is not given follows where it can only be one.
 * @param {Readings} readings
 * @param {number[]} times
 * @param {number} landmark
 * @returns {{grades: Map<number, number>} | {problem: string}}
 */
function gradesOf(readings, times, landmark) {
  const given = times.flatMap((hour) => {
    const grade = readings.get(hour)?.[GRADE];
    return grade === undefined ? [] : [{ hour, grade }];
  });
  if (!given.some(({ hour }) => hour === landmark)) {
    return { problem: `Worst CRS grade at ${landmark} h is needed.` };
  }
  const worst = Math.max(...given.map(({ grade }) => grade));
  if (worst >= REACHED) {
    return {
      problem:
        `CRS of grade ${general(worst)} by ${landmark} h: the model speaks of patients without ` +
        "grade 2 or more so far, nothing is left to predict.",
    };
  }
  /** @type {Map<number, number>} */
  const grades = new Map();
  for (const time of times) {
    const low = Math.max(0, ...given.filter(({ hour }) => hour <= time).map((one) => one.grade));
    const high = Math.min(...given.filter(({ hour }) => hour >= time).map((one) => one.grade));
    if (low > high) {
      return { problem: "The worst grade since the first dose cannot fall: let it rise or stay." };
    }
    if (low < high) {
      return { problem: `Worst CRS grade at ${time} h is needed, since CRS was there later.` };
    }
    grades.set(time, low);
  }
  return { grades };
}

/**
 * Least-squares slope of the readings that are there; NaN with fewer than two.
 * @param {number[]} readings
 * @param {number[]} times
 * @returns {number}
 */
function slope(readings, times) {
  const isKnown = readings.map((value) => !Number.isNaN(value));
  const n = Math.max(isKnown.filter(Boolean).length, 1);
  /** @param {number[]} values */
  const mean = (values) =>
    values.reduce((sum, value, place) => sum + (isKnown[place] ? value : 0), 0) / n;
  const [middle, level] = [mean(times), mean(readings)];
  let spread = 0;
  let product = 0;
  readings.forEach((value, place) => {
    if (!isKnown[place]) return;
    const late = times[place] - middle;
    spread += late * late;
    product += late * (value - level);
  });
  return spread > 0 ? product / spread : NaN;
}
