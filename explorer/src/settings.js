/** What can be changed of a regimen, as fields: choices, and sliders that stand between simulated settings too. */

import { largestError, simulatedValues } from "./between.js";
import { h } from "./dom.js";
import { fixed, general, grouped } from "./numbers.js";
import { valuesOf } from "./regimens.js";
import { listed, typeset } from "./wording.js";

/** @import { SliderName } from "./between.js" */
/** @import { PageData, PlannedDoses, ProductGrid, RegimenGrid, RegimenSettings } from "./types.js" */

const STEP = { multiple: 0.05, share: 0.01 };

/**
 * @param {PageData} page
 * @param {RegimenGrid} grid
 * @param {ProductGrid} product
 * @param {string} letter
 * @param {RegimenSettings} settings changed as they are chosen
 * @param {() => void} changed
 */
export function settingsFields(page, grid, product, letter, settings, changed) {
  const { doses, liver_metastases_share: usual } = product;
  const mayStandBetween = largestError(product) <= grid.most_error_per_100;
  const note = h("p", { class: "note" });
  /** @type {(() => void)[]} */
  const tellers = [];
  const update = () => {
    for (const tell of tellers) tell();
    changed();
  };
  /**
   * @template {"step_up" | "premedication" | "prophylaxis"} Name
   * @param {Name} name
   * @param {string} label
   * @param {(value: RegimenSettings[Name]) => string} inWords
   */
  const choice = (name, label, inWords) => {
    const values = valuesOf(product, name);
    if (values.length < 2) return null;
    const id = `${letter}-${name}`;
    const select = h("select", { id }, ...values.map((value, at) => h("option", { value: at }, inWords(value))));
    select.addEventListener("change", () => {
      settings[name] = values[Number(select.value)];
      update();
    });
    return h("p", { class: "field" }, h("label", { for: id }, label), select);
  };
  /**
   * @param {SliderName} name
   * @param {string} label
   * @param {{step: number, first: number, read: (value: number) => number | null, inWords: () => string}} how
   */
  const slider = (name, label, { step, first, read, inWords }) => {
    const ends = simulatedValues(product, settings, name);
    if (ends.length < 2) return null;
    const id = `${letter}-${name}`;
    const range = h("input", {
      id,
      type: "range",
      min: ends[0],
      max: ends[ends.length - 1],
      step: mayStandBetween ? step : "any",
      value: first,
    });
    const told = h("output", { for: id });
    const tell = () => {
      told.textContent = inWords();
      range.setAttribute("aria-valuetext", told.textContent);
    };
    range.addEventListener("input", () => {
      if (!mayStandBetween) range.value = String(nearest(Number(range.value), simulatedValues(product, settings, name)));
      settings[name] = /** @type {any} */ (read(Number(range.value)));
      update();
    });
    tellers.push(tell);
    tell();
    return h("p", { class: "field" }, h("label", { for: id }, label), h("span", { class: "controls" }, range, told));
  };
  /** @param {number} value */
  const shareRead = (value) => (Math.abs(value - usual) < STEP.share / 2 ? null : value);
  const multiple = { step: STEP.multiple, first: 1, read: Number };
  tellers.push(() => {
    note.textContent = settings.interval_multiple === 1 ? "" : days(doses, settings.interval_multiple);
  });
  return h(
    "div",
    {},
    choice("step_up", "Step-up", (value) => (value === "none" ? "none: full dose first" : "as planned")),
    slider("first_dose_multiple", doses.times_h.length > 1 ? "First dose" : "Dose", {
      ...multiple,
      inWords: () => `${times(settings.first_dose_multiple)}, ${firstAmount(doses, settings)}`,
    }),
    slider("interval_multiple", "Time between doses", {
      ...multiple,
      inWords: () => times(settings.interval_multiple),
    }),
    note,
    choice("premedication", "Premedication", (value) => (value === "none" ? "none" : "as planned")),
    choice("prophylaxis", "Prophylaxis before dose 1", (value) =>
      value.length ? listed(value.map((name) => page.agents[name] ?? name)) : "none",
    ),
    slider("liver_metastases_share", "Liver metastases", {
      step: STEP.share,
      first: Number(fixed(usual, 2)),
      read: shareRead,
      inWords: () => {
        const share = settings.liver_metastases_share;
        return share === null ? `as usual, ${fixed(100 * usual, 0)} of 100` : `${fixed(100 * share, 0)} of 100`;
      },
    }),
  );
}

/**
 * @param {number} value
 * @param {number[]} simulated
 * @returns {number}
 */
function nearest(value, simulated) {
  return simulated.reduce((best, one) => (Math.abs(one - value) < Math.abs(best - value) ? one : best));
}

/**
 * @param {number} multiple
 * @returns {string}
 */
function times(multiple) {
  if (multiple === 1) return "as planned";
  return multiple === 0.5 ? "half" : `${general(multiple)} times`;
}

/**
 * @param {PlannedDoses} doses
 * @param {RegimenSettings} settings
 * @returns {string}
 */
function firstAmount({ amounts, unit }, { step_up, first_dose_multiple: multiple }) {
  const amount = multiple * (step_up === "none" ? amounts[amounts.length - 1] : amounts[0]);
  const [what, each] = unit.split("/");
  const per = each ? `/${each}` : "";
  if (what === "1e6 cells") return `${grouped(amount)} million cells${per}`;
  return amount < 1000 ? typeset(`${general(amount, 4)} ${what}${per}`) : `${general(amount / 1000, 4)} mg${per}`;
}

/**
 * @param {PlannedDoses} doses
 * @param {number} multiple of the time between them
 * @returns {string}
 */
function days({ times_h, window_h }, multiple) {
  const at = times_h.map((time) => multiple * time);
  const said = listed(at.map((time) => general(Number(fixed(1 + time / 24, 1)))));
  const within = at.filter((time) => time < window_h).length;
  return `Doses on days ${said}; ${within} of ${at.length} fall into the window.`;
}
