/** What was entered, as one patient: numbers read, converted and checked. Nothing is guessed. */

import { productNamed } from "./identity.js";
import { isOutside } from "./predict.js";
import { general } from "./numbers.js";
import { acceptedUnits, convert, needsLimit } from "./units.js";
import { plainName, shortLabel, typeset, unitInWords } from "./wording.js";

/** @import { Cell, Column, InputColumn, PageData, PageProduct, PageRegimen, Row, Span } from "./types.js" */
/** @import { Readings } from "./course.js" */

export const LIMIT = "ldh_upper_limit_u_l";
const NUMBER = /^[+-]?(\d+([.,]\d+)?|[.,]\d+)$/;
const THOUSANDS = /^[+-]?\d{1,3},\d{3}$/; // 1,234: a decimal comma, or thousands
const TYPICAL_LIMIT_U_L = 240; // only to guess a mistaken unit, never to convert

/**
 * @typedef {ReadonlyMap<string, string>} Form texts by name of the input
 * @typedef {{text: string, canConfirm: boolean}} Problem
 *
 * @typedef {object} Entries
 * @property {PageProduct | null} product
 * @property {PageRegimen | null} regimen
 * @property {number} landmark hours after the first dose; 0 is before it
 * @property {Row} row of the observed table
 * @property {Readings} readings after the first dose
 * @property {Map<string, Problem>} problems by name of the input
 * @property {{label: string, value: string}[]} told what was entered, in words
 * @property {number} count of values of the patient that are known
 */

/**
 * @param {Form} form
 * @param {PageData} page
 * @param {Map<string, Column>} trained columns of the model, by name
 * @returns {Entries}
 */
export function readEntries(form, page, trained) {
  /** @type {Map<string, Problem>} */
  const problems = new Map();
  /** @type {{label: string, value: string}[]} */
  const told = [];
  const landmark = Number(form.get("landmark") ?? "0");
  const { product, regimen } = therapyOf(form, page, problems, told);
  /** @type {Record<string, Cell>} */
  const row = { ...regimen?.row, tumour_type: product?.tumour_type ?? null };
  for (const { column, label } of page.prophylaxis) {
    if (form.get(column) !== "yes" || row[column]) continue;
    row[column] = true;
    told.push({ label: "Before dose 1", value: shortLabel(label) });
  }
  const sex = sexOf(product, page);
  if (sex !== null) {
    row.is_female = sex;
    told.push({ label: "Sex", value: sex ? "female" : "male" });
  }
  let count = 0;
  for (const column of page.columns) {
    if (column.name === LIMIT || column.kind === "category" || !form.has(column.name)) continue;
    if (column.name === "is_female" && sex !== null) continue;
    const read = readValue(form, column, column.name, trained.get(column.name)?.trained ?? null);
    if (read === null) continue;
    if ("problem" in read) {
      problems.set(read.at ?? column.name, read.problem);
      continue;
    }
    row[column.name] = read.value;
    told.push({ label: nameOf(column), value: read.told });
    count += 1;
  }
  return {
    product,
    regimen,
    landmark,
    row,
    readings: landmark ? readingsOf(form, page, landmark, trained, problems, told) : new Map(),
    problems,
    told,
    count,
  };
}

/**
 * Whether all patients with a product's tumour are women, or men; null where they are both.
 * @param {PageProduct | null} product
 * @param {PageData} page
 * @returns {boolean | null}
 */
export function sexOf(product, page) {
  const facts = product && page.identity.tumour_types[product.tumour_type];
  return facts?.is_female === undefined || facts?.is_female === null
    ? null
    : facts.is_female === 1;
}

/**
 * @param {InputColumn} column
 * @returns {string}
 */
export function nameOf(column) {
  return column.name === "is_female" ? "Sex" : column.label;
}

/**
 * @param {Form} form
 * @param {PageData} page
 * @param {Map<string, Problem>} problems
 * @param {{label: string, value: string}[]} told
 */
function therapyOf(form, page, problems, told) {
  const text = (form.get("product") ?? "").trim();
  const name = text && productNamed(text.split(" – ")[0], page.identity);
  const product = page.products.find((one) => one.name === name) ?? null;
  if (text && product === null) {
    problems.set("product", {
      text: "No product of this name is known to the models. Choose one of the list.",
      canConfirm: false,
    });
  }
  const asked = form.get("regimen");
  const regimen =
    product?.regimens.find((one) => one.name === asked) ??
    product?.regimens.find((one) => one.name === product.default_regimen) ??
    null;
  if (product !== null && regimen !== null) {
    told.push({ label: "Product", value: shortLabel(product.label) });
    told.push({ label: "Regimen", value: plainName(regimen.name) });
    told.push({ label: "Tumour", value: product.tumour_label });
  }
  return { product, regimen };
}

/**
 * @param {Form} form
 * @param {PageData} page
 * @param {number} landmark
 * @param {Map<string, Column>} trained
 * @param {Map<string, Problem>} problems
 * @param {{label: string, value: string}[]} told
 * @returns {Readings}
 */
function readingsOf(form, page, landmark, trained, problems, told) {
  /** @type {Readings} */
  const readings = new Map();
  for (const hour of page.hours.filter((one) => one <= landmark)) {
    /** @type {Record<string, number>} */
    const found = {};
    for (const { stem, column } of page.course) {
      const name = `${stem}__h${hour}`;
      const seen = trained.get(`${stem}__h${landmark}`)?.trained ?? null;
      const read = readValue(form, column, name, stem.includes("__") ? null : seen);
      if (read === null) continue;
      if ("problem" in read) {
        problems.set(name, read.problem);
        continue;
      }
      found[stem] = Number(read.value);
      told.push({ label: `${column.label}, ${hour} h`, value: read.told });
    }
    readings.set(hour, found);
  }
  return readings;
}

/**
 * @param {Form} form
 * @param {InputColumn} column
 * @param {string} name of the input
 * @param {Span | null} seen what training patients had
 * @returns {{value: Cell, told: string} | {problem: Problem, at?: string} | null} null: not known
 */
function readValue(form, column, name, seen) {
  const text = (form.get(name) ?? "").trim();
  if (text === "") return null;
  if (column.kind === "bool") {
    const words = column.name === "is_female" ? ["female", "male"] : ["yes", "no"];
    return { value: text === "yes", told: words[text === "yes" ? 0 : 1] };
  }
  const raw = numberIn(text);
  if (typeof raw === "string") return { problem: { text: raw, canConfirm: false } };
  const unit = form.get(`${name}:unit`) ?? column.unit;
  const written = `${text} ${unitInWords(unit)}`.trim();
  if (!needsLimit(column, unit)) {
    const isConfirmed = form.get(`${name}:confirmed`) === "yes";
    return checked(column, raw, unit, undefined, written, seen, isConfirmed);
  }
  const limit = numberIn((form.get(LIMIT) ?? "").trim());
  if (typeof limit === "string" || isOutside(limit, [50, 2000])) {
    const problem = `${column.label} in ${unit} needs the laboratory's upper limit of normal, in U/L (50 to 2000).`;
    return { problem: { text: problem, canConfirm: false }, at: LIMIT };
  }
  const isConfirmed = form.get(`${name}:confirmed`) === "yes";
  const told = `${written} (upper limit ${general(limit)} U/L)`;
  return checked(column, raw, unit, limit, told, seen, isConfirmed);
}

/**
 * A number as it is written, or why it is none.
 * @param {string} text
 * @returns {number | string}
 */
export function numberIn(text) {
  if (/^[<>]/.test(text)) {
    return "A value beyond the limit of the assay: leave it out, or write what stands for it by your protocol.";
  }
  if (THOUSANDS.test(text)) {
    return `Write ${text.replace(",", ".")} or ${text.replace(",", "")}: the comma can be either.`;
  }
  if (!NUMBER.test(text)) return "Write a number, or leave the field empty.";
  return Number(text.replace(",", "."));
}

/**
 * A value that can be, is likely, and is not likely in another unit.
 * @param {InputColumn} column
 * @param {number} raw
 * @param {string} unit
 * @param {number | undefined} limit
 * @param {string} told
 * @param {Span | null} seen
 * @param {boolean} isConfirmed
 * @returns {{value: Cell, told: string} | {problem: Problem}}
 */
function checked(column, raw, unit, limit, told, seen, isConfirmed) {
  const value = convert(column, raw, unit, limit);
  /** @param {Span} span */
  const inUnit = (span) =>
    `${general(span[0])} to ${general(span[1])} ${unitInWords(column.unit)}`.trim();
  if (column.possible !== null && isOutside(value, column.possible)) {
    const text = `${told} cannot be: possible is ${inUnit(column.possible)}.`;
    const likely = likelyUnits(column, raw, unit, limit, column.plausible);
    return { problem: { text: text + likely, canConfirm: false } };
  }
  if (column.kind === "int" && !Number.isInteger(value)) {
    return { problem: { text: "Write a whole number.", canConfirm: false } };
  }
  if (!isConfirmed && column.plausible !== null && isOutside(value, column.plausible)) {
    const text = `${told} is unusual: usual is ${inUnit(column.plausible)}.`;
    const likely = likelyUnits(column, raw, unit, limit, column.plausible);
    return { problem: { text: text + likely, canConfirm: true } };
  }
  if (!isConfirmed && seen !== null && isOutside(value, seen)) {
    const likely = likelyUnits(column, raw, unit, undefined, seen);
    if (likely) {
      const text = `Training patients had ${inUnit(seen)}.`;
      return { problem: { text: text + likely, canConfirm: true } };
    }
  }
  return { value, told };
}

/**
 * What a doubtful value looks like in another unit that is read; "" if in none.
 * @param {InputColumn} column
 * @param {number} raw
 * @param {string} unit
 * @param {number | undefined} limit
 * @param {Span | null} within
 * @returns {string}
 */
function likelyUnits(column, raw, unit, limit, within) {
  const others = acceptedUnits(column).filter((other) => {
    if (other === unit || within === null) return false;
    const upper = needsLimit(column, other) ? (limit ?? TYPICAL_LIMIT_U_L) : undefined;
    return !isOutside(convert(column, raw, other, upper), within);
  });
  if (!others.length) return "";
  return ` ${general(raw)} looks like ${others.map(typeset).join(" or ")}: check the unit.`;
}
