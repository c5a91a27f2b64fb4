/** The explorer: a form on one side, what the models say on the other, anew with every change. */

import { contentOf } from "./content.js";
import { asText, makeButtons } from "./copy.js";
import { designer } from "./designer.js";
import { byId } from "./dom.js";
import { readEntries } from "./entries.js";
import { makeForm, readForm, updateForm } from "./form.js";
import { digestOf, madeInWords } from "./made.js";
import { readPair } from "./model.js";
import { offlineOf } from "./offline.js";
import { inShort, resultOf } from "./result.js";
import { workOut } from "./signs.js";
import { simulationOf } from "./simulate.js";
import { tabs } from "./tabs.js";
import { unpack } from "./unpack.js";

/** @import { PageData } from "./types.js" */
/** @import { Simulation } from "./simulate.js" */
/** @import { Content } from "./content.js" */
/** @import { Entries } from "./entries.js" */
/** @import { ModelPair } from "./model.js" */

export function openExplorer() {
  const page = /** @type {PageData} */ (JSON.parse(byId("page-data").textContent ?? ""));
  const form = makeForm(page);
  const [result, strip, made] = ["result", "strip", "made"].map(byId);
  /** @type {Simulation | null} */
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
    const compared = simulation?.show(entries, content) ?? null;
    result.replaceChildren(
      ...resultOf(page, { product: entries.product, entered: entries.told, answer: content, compared }),
    );
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
    return details.dataset.title ?? details.querySelector("summary")?.textContent ?? "";
  }

  /** @param {typeof shown} signed */
  async function sign(signed) {
    const { content, entries } = signed;
    const pair = pairOf(entries.landmark);
    if (content.kind === "waiting" || pair === null) return;
    signed.digest = await digestOf(content.row, pair.grade2plus.contract.columns);
    if (signed === shown) made.textContent = madeLines().join(" ");
  }

  /** @returns {string[]} */
  function madeLines() {
    const entry = page.models.find((one) => one.landmark_h === shown.entries.landmark);
    const models = [entry?.label, entry?.grade3plus].filter((one) => typeof one === "string");
    return madeInWords(page.version, models, shown.digest, entry?.sha256);
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
  byId("clear").addEventListener("click", () => {
    form.reset();
    byId("told").replaceChildren();
    update();
  });
  makeButtons(() => {
    const { entries, content } = shown;
    const comparison = simulation?.comparison() ?? null;
    return asText(page, { entered: entries.told, answer: content, comparison }, madeLines());
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
}
