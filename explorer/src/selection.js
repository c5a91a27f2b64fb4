/** Who would get an agent by predicted risk, and what that brings. */

import { h, svg } from "./dom.js";
import { fixed } from "./numbers.js";
import { atThreshold } from "./regimens.js";

/** @import { GridChange, PageProduct } from "./types.js" */

const HARMS = { most: 0.3, step: 0.01, first: 0.05 }; // of one course, in CRS events

/**
 * Who gets an agent, by predicted risk.
 * @param {PageProduct} product
 * @param {GridChange[]} changes
 * @param {string} model whose risks decide
 */
export function selection(product, changes, model) {
  const offered = changes.filter(({ kind }) => kind === "prophylaxis");
  if (offered.length === 0) return null;
  const agent = h("select", { id: "agent" }, ...offered.map(({ label }, at) => h("option", { value: at }, label)));
  const percents = offered[0].thresholds.map(({ percent }) => percent);
  const threshold = h("input", { id: "threshold", type: "range", min: 0, max: percents.length - 1, step: 1, value: 2 });
  const harm = h("input", { id: "harm", type: "range", min: 0, max: HARMS.most, step: HARMS.step, value: HARMS.first });
  const [atRisk, cost] = [h("output", { for: "threshold" }), h("output", { for: "harm" })];
  const told = h("div", { role: "status" });
  const update = () => {
    const change = offered[Number(agent.value)];
    const percent = percents[Number(threshold.value)];
    const found = atThreshold(change, percent, Number(harm.value));
    atRisk.textContent = percent ? `${percent} of 100 or more` : "everybody";
    cost.textContent = `${fixed(100 * Number(harm.value), 0)} events for 100 courses`;
    threshold.setAttribute("aria-valuetext", atRisk.textContent);
    harm.setAttribute("aria-valuetext", cost.textContent);
    const one = (/** @type {number} */ value) => fixed(value, 0);
    told.replaceChildren(
      h(
        "p",
        { class: "number" },
        h("b", {}, `Of 100 patients ${one(found.treated_per_100)} treated, ${one(found.averted_per_100)} averted`),
        ` (over assumptions ${one(found.low)} to ${one(found.high)}; Monte Carlo error ${fixed(found.mc_error, 1)}); ${one(found.needless_per_100)} treated who would have had no grade 2 or more.`,
      ),
      curve(change, percents, percent, Number(harm.value)),
      h(
        "p",
        { class: "note" },
        `Net benefit: averted events less what the courses cost, both in events. Risks by ${model}; ${product.window_d} days. Effect on the tumour unknown.`,
      ),
    );
  };
  for (const input of [agent, threshold, harm]) input.addEventListener("input", update);
  update();
  return h(
    "section",
    { "aria-label": "Who gets prophylaxis" },
    h("h2", {}, "Who gets prophylaxis"),
    h("p", { class: "field" }, h("label", { for: "agent" }, "Agent"), agent),
    h("p", { class: "field" }, h("label", { for: "threshold" }, "Treated at a risk of"), h("span", { class: "controls" }, threshold, atRisk)),
    h("p", { class: "field" }, h("label", { for: "harm" }, "Harm of a course"), h("span", { class: "controls" }, harm, cost)),
    told,
  );
}

/**
 * Net benefit for 100 patients against the threshold; nobody treated is 0.
 * @param {GridChange} change
 * @param {number[]} percents
 * @param {number} now
 * @param {number} harm
 */
function curve(change, percents, now, harm) {
  const [width, height, left, bottom] = [520, 180, 44, 46];
  const values = percents.map((percent) => atThreshold(change, percent, harm).net_benefit_per_100);
  const [least, most] = [Math.min(0, ...values), Math.max(1, ...values)];
  const last = percents[percents.length - 1];
  /** @param {number} percent */
  const x = (percent) => left + ((width - left - 8) * percent) / last;
  /** @param {number} value */
  const y = (value) => 8 + ((height - bottom - 8) * (most - value)) / (most - least);
  const at = percents.indexOf(now);
  const text = (/** @type {Record<string, string | number>} */ place, /** @type {string} */ words) =>
    svg("text", place, words);
  return h(
    "figure",
    { class: "curve" },
    svg(
      "svg",
      {
        viewBox: `0 0 ${width} ${height}`,
        role: "img",
        "aria-label": `Net benefit for 100 patients: ${percents.map((percent, k) => `${fixed(values[k], 1)} at ${percent}`).join(", ")}`,
      },
      ...[0, most].map((value) => [
        svg("line", { class: "grid", x1: left, x2: width - 8, y1: y(value), y2: y(value) }),
        text({ x: left - 6, y: y(value) + 4, "text-anchor": "end" }, fixed(value, 0)),
      ]),
      ...percents
        .filter((percent) => percent % 20 === 0)
        .map((percent) => text({ x: x(percent), y: height - 28, "text-anchor": "middle" }, String(percent))),
      text({ x: (left + width) / 2, y: height - 4, "text-anchor": "middle" }, "treated at a risk of … of 100 or more"),
      svg("polyline", { class: "line", points: percents.map((percent, k) => `${x(percent)},${y(values[k])}`).join(" ") }),
      svg("circle", { class: "point", cx: x(now), cy: y(values[at]), r: 6 }),
    ),
    h("figcaption", {}, `Net benefit for 100 patients: ${fixed(values[at], 1)}`),
  );
}
