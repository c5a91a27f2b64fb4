/** The form: every value of a patient with its unit, empty until somebody fills it in. */

import { LIMIT, nameOf, sexOf } from "./entries.js";
import { h } from "./dom.js";
import { signFields } from "./signs.js";
import { acceptedUnits, needsLimit } from "./units.js";
import { plainName, shortLabel, unitInWords } from "./wording.js";

/** @import { InputColumn, PageData } from "./types.js" */
/** @import { Entries, Form } from "./entries.js" */

/** @type {[string, string[]][]} */
const PARTS = [
  ["Patient", ["age_years", "is_female", "weight_kg", "ecog"]],
  ["Tumour and infection", ["sum_of_diameters_mm", "has_liver_metastases", "has_infection"]],
  [
    "Laboratory, last value before dose 1",
    ["crp_mg_l", "albumin_g_l", "platelets_g_l", "creatinine_umol_l", "ldh_x_uln", LIMIT],
  ],
];
const GIVEN = [
  "product",
  "platform",
  "antigen_restriction",
  "is_stepped_up",
  "has_steroid_premedication",
  "has_tocilizumab_prophylaxis",
  "has_lymphodepletion",
];

/**
 * @param {PageData} page
 * @returns {HTMLFormElement}
 */
export function makeForm(page) {
  const placed = new Set([...GIVEN, ...PARTS.flatMap(([, names]) => names)]);
  const parts = PARTS.map(([title, names]) =>
    part(
      title,
      names.flatMap((name) => page.columns.find((column) => column.name === name) ?? []),
    ),
  );
  const others = page.columns.filter(({ name, kind }) => !placed.has(name) && kind !== "category");
  return h(
    "form",
    { autocomplete: "off", novalidate: true, "aria-label": "The patient" },
    treatment(page),
    ...parts,
    h("details", { class: "part" }, h("summary", {}, "More values"), ...others.map(control)),
    page.course.length ? course(page) : null,
  );
}

/**
 * @param {string} title
 * @param {InputColumn[]} columns
 */
function part(title, columns) {
  return h("fieldset", { class: "part" }, h("legend", {}, title), ...columns.map(control));
}

/**
 * @param {PageData} page
 */
function treatment(page) {
  const options = page.products.flatMap((product) => {
    const label = shortLabel(product.label);
    return [
      h("option", { value: plainName(product.name) }, product.label),
      ...product.other_names.map((name) => h("option", { value: name }, label)),
    ];
  });
  const times = page.models.map(({ landmark_h: hour }) =>
    h("option", { value: hour }, hour ? `${hour} hours after dose 1` : "before dose 1"),
  );
  return h(
    "fieldset",
    { class: "part" },
    h("legend", {}, "Treatment"),
    row(
      "product",
      "Product, generic or brand name",
      h("input", { id: "product", name: "product", list: "products", type: "text" }),
    ),
    h("datalist", { id: "products" }, ...options),
    row("regimen", "Regimen", h("select", { id: "regimen", name: "regimen", disabled: true })),
    h("p", { class: "note", id: "regimen-note" }),
    times.length > 1
      ? row("landmark", "When", h("select", { id: "landmark", name: "landmark" }, ...times))
      : null,
    ...page.prophylaxis.map(({ column, label }) =>
      h(
        "label",
        { class: "check" },
        h("input", { type: "checkbox", name: column, value: "yes" }),
        ` ${shortLabel(label)} before dose 1`,
      ),
    ),
  );
}

/**
 * @param {PageData} page
 */
function course(page) {
  return h(
    "fieldset",
    { class: "part", id: "course", hidden: true, disabled: true },
    h("legend", {}, "After dose 1"),
    h("p", { class: "note" }, `Grades by ASTCT (${page.grades_source}). `, gradesInWords(page)),
    ...page.hours.map((hour) =>
      h(
        "details",
        { class: "hour", "data-hour": hour, open: hour === page.hours.at(-1) },
        h("summary", {}, `${hour} hours`),
        ...page.course.map(({ stem, column }) => control(column, `${stem}__h${hour}`)),
        signFields(hour),
      ),
    ),
  );
}

/**
 * @param {PageData} page
 */
function gradesInWords(page) {
  return Object.entries(page.grades)
    .filter(([grade]) => Number(grade) <= 2)
    .map(([grade, text]) => `${grade}: ${text}.`)
    .join(" ");
}

/**
 * @param {string} name
 * @param {string} label
 * @param {...HTMLElement} controls
 */
function row(name, label, ...controls) {
  return h(
    "div",
    { class: "field", "data-field": name },
    h("label", { for: name }, label),
    h("span", { class: "controls" }, ...controls),
    h("p", { class: "problem", id: `${name}-problem`, hidden: true }),
  );
}

/**
 * One value with its unit.
 * @param {InputColumn} column
 * @param {string | number} [named] where it differs from the column; a number is a place in a list
 */
function control(column, named) {
  const name = typeof named === "string" ? named : column.name;
  if (column.kind === "bool") return yesNo(column, name);
  if (column.kind === "int" && column.possible && column.possible[1] <= 4) {
    const [low, high] = column.possible;
    const values = Array.from({ length: high - low + 1 }, (_, k) => String(low + k));
    const options = ["", ...values].map((value) => h("option", { value }, value || "not known"));
    return row(name, nameOf(column), h("select", { id: name, name }, ...options));
  }
  const units = acceptedUnits(column);
  const input = h("input", {
    id: name,
    name,
    type: "text",
    inputmode: "decimal",
    "aria-describedby": `${name}-problem`,
  });
  const label = nameOf(column);
  if (units.length === 1) {
    const unit = unitInWords(column.unit);
    return row(name, label, input, h("span", { class: "unit" }, unit));
  }
  const options = units.map((unit) => h("option", { value: unit }, unitInWords(unit) || "×"));
  const choice = h("select", { name: `${name}:unit`, "aria-label": `Unit of ${label}` }, ...options);
  return row(name, label, input, choice);
}

/**
 * @param {InputColumn} column
 * @param {string} name
 */
function yesNo(column, name) {
  const words = column.name === "is_female" ? ["female", "male"] : ["yes", "no"];
  /** @type {[string, string][]} */
  const choices = [
    ["yes", words[0]],
    ["no", words[1]],
    ["", "not known"],
  ];
  return h(
    "fieldset",
    { class: "field yes-no", "data-field": name },
    h("legend", {}, nameOf(column)),
    h(
      "span",
      { class: "controls" },
      ...choices.map(([value, text]) =>
        h(
          "label",
          {},
          h("input", { type: "radio", name, value, checked: value === "" }),
          ` ${text}`,
        ),
      ),
    ),
  );
}

/**
 * @param {HTMLFormElement} form
 * @returns {Form}
 */
export function readForm(form) {
  /** @type {Map<string, string>} */
  const texts = new Map();
  for (const [name, value] of new FormData(form)) texts.set(name, String(value));
  return texts;
}

/**
 * Show what follows from what was entered: the regimens of the product, fields that it decides,
 * and what is wrong beside its field.
 * @param {HTMLFormElement} form
 * @param {PageData} page
 * @param {Entries} entries
 */
export function updateForm(form, page, entries) {
  const { product, regimen, landmark, problems } = entries;
  const choice = /** @type {HTMLSelectElement} */ (form.elements.namedItem("regimen"));
  if (choice.dataset.product !== (product?.name ?? "")) {
    choice.dataset.product = product?.name ?? "";
    choice.replaceChildren(
      ...(product?.regimens ?? []).map(({ name }) =>
        h("option", { value: name, selected: name === regimen?.name }, plainName(name)),
      ),
    );
    choice.disabled = product === null;
  }
  const note = form.querySelector("#regimen-note");
  if (note) note.textContent = regimen?.note ?? "";
  for (const { column } of page.prophylaxis) {
    const box = /** @type {HTMLInputElement} */ (form.elements.namedItem(column));
    const isGiven = Boolean(regimen?.row[column]);
    if (isGiven || box.disabled) box.checked = isGiven;
    box.disabled = isGiven;
  }
  show(form, "dose_intensity", regimen?.has_own_dose ?? false);
  show(form, "is_female", sexOf(product, page) === null);
  const ldh = page.columns.find(({ name }) => name === "ldh_x_uln");
  const unit = form.elements.namedItem("ldh_x_uln:unit");
  if (ldh && unit instanceof HTMLSelectElement) show(form, LIMIT, needsLimit(ldh, unit.value));
  const later = /** @type {HTMLFieldSetElement | null} */ (form.querySelector("#course"));
  if (later) {
    later.hidden = later.disabled = !landmark;
    for (const hour of later.querySelectorAll("details")) {
      hour.hidden = Number(hour.dataset.hour) > landmark;
    }
  }
  showProblems(form, problems);
}

/**
 * @param {HTMLFormElement} form
 * @param {string} name
 * @param {boolean} isShown
 */
function show(form, name, isShown) {
  const field = /** @type {HTMLElement | null} */ (form.querySelector(`[data-field="${name}"]`));
  if (!field) return;
  field.hidden = !isShown;
  for (const input of field.querySelectorAll("input, select")) {
    if (!isShown) input.setAttribute("disabled", "");
    else input.removeAttribute("disabled");
  }
}

/**
 * @param {HTMLFormElement} form
 * @param {Entries["problems"]} problems
 */
function showProblems(form, problems) {
  for (const field of /** @type {NodeListOf<HTMLElement>} */ (
    form.querySelectorAll("[data-field]")
  )) {
    const name = field.dataset.field ?? "";
    const place = field.querySelector(".problem");
    if (!(place instanceof HTMLElement)) continue;
    const problem = problems.get(name);
    const box = /** @type {HTMLInputElement | null} */ (
      place.querySelector("input[type=checkbox]")
    );
    field.querySelector("input")?.setAttribute("aria-invalid", String(problem !== undefined));
    if (!problem && box?.checked) continue; // confirmed: the mark stays, so that it can be taken back
    place.hidden = problem === undefined;
    if (place.dataset.text === (problem?.text ?? "")) continue;
    place.dataset.text = problem?.text ?? "";
    place.replaceChildren(
      problem?.text ?? "",
      problem?.canConfirm
        ? h(
            "label",
            { class: "check" },
            h("input", { type: "checkbox", name: `${name}:confirmed`, value: "yes" }),
            " It is right as it stands",
          )
        : "",
    );
  }
}
