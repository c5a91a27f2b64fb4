/**
 * Answers of the page's own script for many patients at once, without a page: JSON on standard input,
 * JSON on standard output. The tests compare them with those of Python.
 */

import { readFileSync } from "node:fs";

import { ratesBetween, shownArm } from "./src/between.js";
import { answerOf } from "./src/content.js";
import { withCourse } from "./src/course.js";
import { readEntries } from "./src/entries.js";
import { explain } from "./src/explain.js";
import { logOdds, readPair } from "./src/model.js";
import { fixed, general, round } from "./src/numbers.js";
import { differenceOf } from "./src/offline.js";
import { predict } from "./src/predict.js";
import { armOf, atThreshold, difference, yamlOf } from "./src/regimens.js";
import { patientRisk } from "./src/risk.js";
import { gradeOf, meanPressure } from "./src/signs.js";
import { convert } from "./src/units.js";
import { missingRanges } from "./src/warnings.js";
import { aboutOf100, rangeOf100, typeset } from "./src/wording.js";

/** @import { Column, Contract, PageData, Row } from "./src/types.js" */
/** @import { Model } from "./src/model.js" */
/** @import { Estimate } from "./src/risk.js" */

const asked = JSON.parse(readFileSync(0, "utf8"));

/**
 * @param {Model} model
 * @param {Row} row
 */
function oneModel(model, row) {
  const { reference, baseLogOdds, contributions, reasons } = explain(model, row);
  return {
    ...predict(model, asked.identity, row),
    logOdds: logOdds(model, row),
    reference: [reference.group, reference.name],
    baseLogOdds,
    contributions: [...contributions],
    reasonsWhy: reasons.map((reason) => [
      reason.variable.name,
      reason.wholePoints,
      reason.value,
      reason.sentence,
    ]),
  };
}

/**
 * @param {Estimate | null} estimate
 */
function printed(estimate) {
  if (estimate === null) return null;
  const { value, low, high } = estimate;
  return { value, low, high, count: aboutOf100(value), range: rangeOf100(low, high) };
}

const answers = {
  /** @param {{pair: string, rows: Row[]}} job */
  patients: ({ pair: place, rows }) => {
    const pair = readPair(JSON.parse(readFileSync(place, "utf8")));
    return rows.map((row) => {
      const risk = patientRisk(pair, row);
      return {
        grade2plus: oneModel(pair.grade2plus, row),
        grade3plus: pair.grade3plus && oneModel(pair.grade3plus, row),
        risk: {
          grade2plus: printed(risk.grade2plus),
          grade3plus: printed(risk.grade3plus),
          isHeld: risk.isHeld,
          holds: risk.holds,
          refits: risk.refitRange && printed(risk.refitRange.grade2plus),
        },
      };
    });
  },
  /** @param {{pair: string, product: any, interval_names: Record<string, string>, rows: Row[]}} job */
  answers: ({ pair: place, product, interval_names, rows }) => {
    const pair = readPair(JSON.parse(readFileSync(place, "utf8")));
    const page = { identity: asked.identity, interval_names };
    return rows.map((row) => answerOf(page, pair, product, row));
  },
  /** @param {{pair: string, rows: Row[]}} job */
  missing: ({ pair: place, rows }) => {
    const pair = readPair(JSON.parse(readFileSync(place, "utf8")));
    return rows.map((row) => missingRanges(pair.grade2plus, row));
  },
  /** @param {{contract: Contract, hours: number[], patients: any[]}} job */
  course: ({ contract, hours, patients }) =>
    patients.map(({ row, readings }) =>
      withCourse(
        row,
        new Map(readings.map((/** @type {[number, any]} */ [hour, some]) => [hour, some])),
        contract,
        hours,
      ),
    ),
  /** @param {{page: PageData, forms: Record<string, string>[], trained: Column[]}} job */
  entries: ({ page, forms, trained }) => {
    const columns = new Map(trained.map((column) => [column.name, column]));
    return forms.map((form) => {
      const entries = readEntries(new Map(Object.entries(form)), page, columns);
      return { ...entries, problems: Object.fromEntries(entries.problems) };
    });
  },
  /** @param {{values: [number, number][]}} job */
  numbers: ({ values }) =>
    values.map(([value, digits]) => [
      general(value, digits),
      fixed(value, digits),
      round(value),
    ]),
  /** @param {{values: any[]}} job */
  units: ({ values }) =>
    values.map(({ column, value, unit, limit }) => convert(column, value, unit, limit)),
  /** @param {{grid: import("./src/types.js").RegimenGrid, product: string, pairs: any[]}} job */
  regimens: ({ grid, product, pairs }) => {
    const simulated = grid.products.find((one) => one.product === product);
    if (simulated === undefined) return null;
    return pairs.map(({ first, second, percent, harm }) => {
      const arms = [first, second].map((settings) => armOf(simulated, settings));
      return {
        arms,
        shown: shownArm(simulated, second) ?? null,
        difference: arms[0] && arms[1] ? difference(arms[0], arms[1]) : null,
        yaml: yamlOf(grid, simulated, second),
        threshold: atThreshold(simulated.changes[0], percent, harm),
      };
    });
  },
  /** @param {{grid: any, product: import("./src/types.js").ProductGrid, designs: any[]}} job */
  between: ({ grid, product, designs }) =>
    designs.map((design) => ({
      ...ratesBetween(product, design),
      shown: shownArm(product, design),
      yaml: yamlOf(grid, product, design),
    })),
  /** @param {{change: import("./src/types.js").GridChange, risks: number[]}} job */
  changes: ({ change, risks }) => risks.map((risk) => differenceOf(change, risk)),
  /** @param {{signs: any[], pressures: [number, number][]}} job */
  signs: ({ signs, pressures }) => ({
    grades: signs.map(([temperature, pressure, oxygen]) =>
      gradeOf(temperature ?? undefined, pressure, oxygen),
    ),
    pressures: pressures.map(([systolic, diastolic]) => meanPressure(systolic, diastolic)),
  }),
  /** @param {{values: string[]}} job */
  texts: ({ values }) => values.map(typeset),
};

process.stdout.write(
  JSON.stringify(
    asked.jobs.map((/** @type {{kind: keyof typeof answers}} */ job) =>
      answers[job.kind](/** @type {any} */ (job)),
    ),
  ),
);
