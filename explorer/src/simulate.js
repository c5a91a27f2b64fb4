/** A page that a server gave offers to simulate the patient there; a file offers nothing. */

import { comparisonPanel } from "./comparison.js";
import { h } from "./dom.js";

/** @import { Comparison, PageData, ServerData } from "./types.js" */
/** @import { Content } from "./content.js" */
/** @import { Entries } from "./entries.js" */

const WAITING = "Simulating: about half a minute, a little longer the first time.";

/**
 * @typedef {object} Simulation
 * @property {(entries: Entries, content: Content) => HTMLElement} show
 * @property {() => Comparison | null} comparison that is in sight
 */

/**
 * @param {PageData} page
 * @returns {Simulation | null} null without a server
 */
export function simulationOf(page) {
  const told = document.getElementById("server-data")?.textContent;
  if (!told || !location.protocol.startsWith("http")) return null;
  const server = /** @type {ServerData} */ (JSON.parse(told));
  const token = h("input", { type: "password", id: "token", autocomplete: "off" });
  const button = h("button", { type: "button", id: "simulate" }, "Simulate this patient");
  const state = h("div", { role: "status", id: "simulation-state" });
  const shown = h("div", { id: "simulation" });
  const section = h(
    "section",
    { class: "simulation", "aria-label": "Simulation" },
    h("h3", {}, "If the plan were changed"),
    server.has_token &&
      h("p", { class: "ask" }, h("label", { for: "token" }, "Token of this server "), token),
    h("p", { class: "ask" }, button),
    state,
    shown,
  );
  let [wanted, address] = ["", ""];
  /** @type {Comparison | null} */
  let inSight = null;

  async function simulate() {
    const asked = wanted;
    button.disabled = true;
    state.replaceChildren(WAITING);
    const found = await answerOf(address, asked, token.value);
    button.disabled = false;
    if (asked !== wanted) return state.replaceChildren(); // the patient has changed
    if (typeof found === "string") return state.replaceChildren(found);
    state.replaceChildren("Simulated.");
    shown.replaceChildren(comparisonPanel(found));
    inSight = found;
    button.hidden = true;
  }
  button.addEventListener("click", simulate);

  return {
    show(entries, content) {
      const entry = page.models.find((one) => one.landmark_h === entries.landmark);
      const isReady = content.kind !== "waiting" && entry !== undefined;
      section.hidden = !isReady;
      const next = isReady ? JSON.stringify({ patient: patientOf(entries, page, server) }) : "";
      address = entry ? (server.simulation[entry.key] ?? "") : "";
      const key = `${address} ${next}`;
      if (section.dataset.key !== key) {
        section.dataset.key = key;
        wanted = next;
        button.hidden = false;
        state.replaceChildren();
        shown.replaceChildren();
        inSight = null;
      }
      return section;
    },
    comparison: () => inSight,
  };
}

/**
 * What the server simulates, or why not.
 * @param {string} address
 * @param {string} body
 * @param {string} token
 * @returns {Promise<Comparison | string>}
 */
async function answerOf(address, body, token) {
  /** @type {Record<string, string>} */
  const headers = { "content-type": "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  try {
    const answer = await fetch(address, { method: "POST", headers, body });
    const told = await answer.json();
    if (answer.ok) return told;
    const more = told.found ? ` ${told.key}: found ${told.found}; expected ${told.expected}.` : "";
    return `Not simulated. ${told.title}${more}`;
  } catch {
    return "Not simulated: the server does not answer.";
  }
}

/**
 * The patient by the keys of a patient file. Unusual values were asked about in the form, so they
 * are confirmed.
 * @param {Entries} entries
 * @param {PageData} page
 * @param {ServerData} server
 * @returns {Record<string, unknown>}
 */
export function patientOf({ product, regimen, row, readings }, page, server) {
  const values = Object.entries(row).filter(
    ([column, value]) => column in server.keys && value !== regimen?.row[column],
  );
  /** @type {Record<string, unknown>} */
  const patient = {
    product: product?.name,
    regimen: regimen?.name,
    prophylaxis: page.prophylaxis
      .filter(({ column }) => row[column] && !regimen?.row[column])
      .map(({ name }) => name),
    ...written(values, server.keys),
  };
  if (row.is_female !== undefined && row.is_female !== null) {
    patient.sex = row.is_female ? "female" : "male";
  }
  if (readings.size) {
    patient.course = Object.fromEntries(
      [...readings].map(([hour, found]) => [
        `${hour} h`,
        written(Object.entries(found), server.course),
      ]),
    );
  }
  return patient;
}

/**
 * @param {[string, unknown][]} values by column
 * @param {ServerData["keys"]} keys
 * @returns {Record<string, unknown>}
 */
function written(values, keys) {
  const known = values.filter(([, value]) => value !== null && value !== undefined);
  const numbers = known.filter(([, value]) => typeof value === "number");
  return {
    ...Object.fromEntries(
      known.map(([column, value]) => {
        const { key, unit } = keys[column];
        return [key, unit ? `${value} ${unit}` : value];
      }),
    ),
    confirmed: numbers.map(([column]) => keys[column].key),
  };
}
