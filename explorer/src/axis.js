/** Risks on one axis of 0 to 100 patients; lengths are shares of the width, so text keeps its size. */

import { h, svg } from "./dom.js";
import { of100 } from "./wording.js";

const TICKS = [0, 25, 50, 75, 100];

/**
 * @typedef {object} AxisRow
 * @property {string} label
 * @property {string} figure
 * @property {number} value 0-1
 * @property {number | null} low null without an interval
 * @property {number | null} high
 * @property {"patient" | "published" | "recalled"} kind
 */

/**
 * Under a title of each group one row a risk with its interval, then the axis.
 * @param {{title: string, rows: AxisRow[]}[]} groups
 * @returns {HTMLElement}
 */
export function axis(groups) {
  const scale = h(
    "div",
    { class: "scale", "aria-hidden": "true" },
    h("div", {}, ...TICKS.map((tick) => h("span", { style: `left: ${tick}%` }, String(tick)))),
  );
  return h(
    "div",
    { class: "axis" },
    ...groups.map(({ title, rows }) => [
      h("h3", {}, title),
      h("ul", {}, ...rows.map(drawn)),
    ]),
    scale,
  );
}

/**
 * @param {AxisRow} row
 * @returns {HTMLElement}
 */
function drawn({ label, figure, value, low, high, kind }) {
  /** @param {number} share */
  const at = (share) => `${(100 * share).toFixed(2)}%`;
  const middle = 8;
  return h(
    "li",
    { class: kind },
    h("span", { class: "label" }, label, " ", h("b", {}, figure)),
    svg(
      "svg",
      { width: "100%", height: 2 * middle, role: "img", "aria-label": `${of100(value)} of 100` },
      ...TICKS.map((tick) =>
        svg("line", { class: "grid", x1: `${tick}%`, x2: `${tick}%`, y1: 0, y2: 2 * middle }),
      ),
      low !== null &&
        high !== null &&
        svg("line", { class: "interval", x1: at(low), x2: at(high), y1: middle, y2: middle }),
      kind === "patient"
        ? svg("circle", { class: "point", cx: at(value), cy: middle, r: 6 })
        : svg("line", { class: "point", x1: at(value), x2: at(value), y1: 1, y2: 2 * middle - 1 }),
    ),
  );
}
