/** The page: a form on one side, what the models say on the other, anew with every change. */

import { asText, contentOf } from "./content.js";
import { designer } from "./designer.js";
import { h } from "./dom.js";
import { readEntries } from "./entries.js";
import { makeForm, readForm, updateForm } from "./form.js";
import { readPair } from "./model.js";
import { offlineOf } from "./offline.js";
import { inShort, resultOf } from "./result.js";
import { workOut } from "./signs.js";
import { simulationOf } from "./simulate.js";
import { tabs } from "./tabs.js";
import { unpack } from "./unpack.js";

/** @import { PageData } from "./types.js" */
/** @import { Content } from "./content.js" */
/** @import { Entries } from "./entries.js" */
/** @import { ModelPair } from "./model.js" */

const DIGEST_LETTERS = 12;

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

const page = /** @type {PageData} */ (JSON.parse(byId("page-data").textContent ?? ""));
const form = makeForm(page);
const [result, strip, made, told] = ["result", "strip", "made", "told"].map(byId);
/** @type {{show: (entries: Entries, content: Content) => HTMLElement} | null} */
let simulation = simulationOf(page);
/** @type {Map<string, ModelPair | null>} null while a pair is being unpacked */
const pairs = new Map();
/** @type {{entries: Entries, content: Content, digest: string}} */
let shown;

/**
 * The models of an hour; null while they are unpacked, which shows the page anew when it is done.
 * @param {number} landmark
 * @returns {ModelPair | null}
 */
function pairOf(landmark) {
  const entry = page.models.find((one) => one.landmark_h === landmark);
  if (entry === undefined) return null;
  const pair = pairs.get(entry.key);
  if (pair !== undefined) return pair;
  pairs.set(entry.key, null);
  unpack(byId(entry.key).textContent ?? "").then((document) => {
    pairs.set(entry.key, readPair(document));
    update();
  });
  return null;
}

/** Read the form and show what the models say of it. */
function update() {
  const texts = readForm(form);
  const pair = pairOf(Number(texts.get("landmark") ?? page.models[0].landmark_h));
  const columns = pair?.grade2plus.columns ?? new Map();
  let entries = readEntries(texts, page, columns);
  if (workOut(form, page.hours, entries)) entries = readEntries(readForm(form), page, columns);
  const content = contentOf(page, pair, entries);
  updateForm(form, page, entries);
  const open = new Map(
    [...result.querySelectorAll("details")].map((one) => [titleOf(one), one.open]),
  );
  result.replaceChildren(...resultOf(page, entries, content));
  if (simulation) result.firstElementChild?.after(simulation.show(entries, content));
  for (const one of result.querySelectorAll("details")) one.open = open.get(titleOf(one)) ?? one.open;
  const short = inShort(content);
  if (strip.textContent !== short) strip.textContent = short;
  shown = { entries, content, digest: "" };
  made.textContent = madeLines().join(" ");
  if (content.kind !== "waiting") sign(shown);
}

/**
 * @param {HTMLDetailsElement} details
 */
function titleOf(details) {
  return details.querySelector("summary")?.textContent ?? "";
}

/**
 * A digest of the inputs, so that a print can be told from another one.
 * @param {typeof shown} signed
 */
async function sign(signed) {
  const { content } = signed;
  if (content.kind === "waiting" || !globalThis.crypto?.subtle) return;
  const text = JSON.stringify(content.row, Object.keys(content.row).sort());
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  signed.digest = [...new Uint8Array(bytes)]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("")
    .slice(0, DIGEST_LETTERS);
  if (signed === shown) made.textContent = madeLines().join(" ");
}

/**
 * Date, version, models, digest of the inputs.
 * @returns {string[]}
 */
function madeLines() {
  const now = new Date();
  const day = [now.getFullYear(), now.getMonth() + 1, now.getDate()]
    .map((part) => String(part).padStart(2, "0"))
    .join("-");
  const entry = page.models.find((one) => one.landmark_h === shown.entries.landmark);
  const models = [entry?.label, entry?.grade3plus].filter(Boolean).join(" and ");
  const digest = shown.digest ? [`Inputs ${shown.digest}.`] : [];
  return [
    `${day}, crsrisk ${page.version}.`,
    `Models ${models} (${entry?.sha256.slice(0, DIGEST_LETTERS)}).`,
    ...digest,
  ];
}

/** The result as text on the clipboard, or in a field to copy from. */
async function copy() {
  const text = asText(page, shown.entries, shown.content, madeLines());
  try {
    await navigator.clipboard.writeText(text);
    told.replaceChildren("Copied.");
  } catch {
    const area = h("textarea", { readonly: true, rows: 12, "aria-label": "Text to copy" });
    area.value = text;
    told.replaceChildren(area);
    area.select();
  }
}

form.addEventListener("input", (event) => {
  const input = event.target;
  if (input instanceof HTMLInputElement && input.type === "text") {
    const box = form.elements.namedItem(`${input.name}:confirmed`);
    if (box instanceof HTMLInputElement) box.checked = false; // another value was not confirmed
  }
  update();
});
form.addEventListener("submit", (event) => event.preventDefault());
byId("patient").append(form);
byId("print").addEventListener("click", () => print());
byId("copy").addEventListener("click", copy);
byId("clear").addEventListener("click", () => {
  form.reset();
  told.replaceChildren();
  update();
});
update();
const packedRegimens = document.getElementById("regimens")?.textContent;
/** @type {Promise<import("./types.js").RegimenGrid> | null} */
const regimens = packedRegimens ? unpack(packedRegimens) : null;
regimens?.then((grid) => {
  simulation ??= offlineOf(page, grid);
  update();
});
tabs({
  "regimen-panel": async (panel) =>
    regimens && panel.replaceChildren(designer(page, await regimens)),
});
