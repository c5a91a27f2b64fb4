/** How risks, numbers, units and windows are said: `crsrisk/wording.py`, for the page. */

import { fixed, general, grouped, round } from "./numbers.js";

/** @type {[RegExp, string][]} */
const GLYPHS = [
  [/>= ?/g, "≥ "],
  [/<= ?/g, "≤ "],
  [/\+- ?/g, "± "],
  [/(?<=\d) ?10\^9\/L/g, " × 10⁹/L"],
  [/\b10\^9\/L/g, "× 10⁹/L"],
  [/\bumol\/L/g, "µmol/L"],
  [/\bug(?=[/ ]|$)/g, "µg"],
  [/\bdegC\b/g, "°C"],
  [/\bx ULN\b/g, "× ULN"],
  [/(?<=\S) x (?=\S)/g, " × "],
  [/(?<![^\s(])-(?=\d)/g, "−"],
];

/**
 * Plain text in print: signs, units and powers as a journal sets them.
 * @param {string} text
 * @returns {string}
 */
export function typeset(text) {
  return GLYPHS.reduce((said, [pattern, glyph]) => said.replace(pattern, glyph), text);
}

/**
 * @param {string} unit
 * @returns {string}
 */
export function unitInWords(unit) {
  return unit === "1" ? "" : typeset(unit);
}

/**
 * A laboratory value: three significant digits, no decimals from 100 on.
 * @param {number} value
 * @returns {string}
 */
export function significant(value) {
  if (Math.abs(value) < 100) return typeset(general(value, 3));
  return grouped(value).replace("-", "−");
}

/**
 * A number with what it counts.
 * @param {string} name of the column
 * @param {string} number
 * @param {string} unit
 * @returns {string}
 */
export function amount(name, number, unit) {
  const words = name === "dose_intensity" ? "times the usual" : unit === "1" ? "" : unit;
  return `${number} ${words}`.trim();
}

/**
 * A risk (0-1) as whole patients of 100.
 * @param {number} risk
 * @returns {number}
 */
export function of100(risk) {
  return round(100 * risk);
}

/**
 * A risk in words; nobody and everybody are said only when that is meant.
 * @param {number} risk
 * @returns {string}
 */
export function aboutOf100(risk) {
  const whole = of100(risk);
  if (whole === 0 && risk > 0) return "fewer than 1";
  if (whole === 100 && risk < 1) return "more than 99";
  return `about ${whole}`;
}

/**
 * @param {number} low
 * @param {number} high
 * @returns {string}
 */
export function rangeOf100(low, high) {
  return `${of100(low)} to ${of100(high)} of 100`;
}

/**
 * @param {number} hours
 * @returns {string}
 */
export function hoursInWords(hours) {
  return hours < 72 ? `${fixed(hours, 0)} hours` : `${fixed(hours / 24, 0)} days`;
}

/**
 * The window of an outcome; after a landmark it begins there.
 * @param {number} days
 * @param {number} landmarkHours
 * @returns {string}
 */
export function windowInWords(days, landmarkHours) {
  const begin = landmarkHours ? `later than ${hoursInWords(landmarkHours)} and ` : "";
  return `${begin}within ${general(days)} days after the first dose`;
}

/**
 * What stands before the brackets of a label.
 * @param {string} label
 * @returns {string}
 */
export function shortLabel(label) {
  return typeset(label.split(" (")[0]);
}

/**
 * @param {string} name
 * @returns {string}
 */
export function plainName(name) {
  return typeset(name.replaceAll("_", " "));
}

/**
 * Words as an English list.
 * @param {string[]} words
 * @returns {string}
 */
export function listed(words) {
  if (words.length < 2) return words[0] ?? "none";
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/**
 * A yes/no value in print.
 * @param {string} column
 * @param {number} value NaN: missing
 * @returns {string}
 */
export function flagInWords(column, value) {
  const [no, yes, missing] =
    column === "is_female" ? ["male", "female", "not recorded"] : ["no", "yes", "not measured"];
  return Number.isNaN(value) ? missing : value ? yes : no;
}
