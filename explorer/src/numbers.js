/** Numbers as Python prints and rounds them, so that page and package say the same. */

/**
 * Round half to even, as Python's `round`.
 * @param {number} value
 * @returns {number}
 */
export function round(value) {
  const up = Math.round(value);
  return Math.abs(value % 1) === 0.5 && up % 2 !== 0 ? up - 1 : up;
}

/**
 * The first digits of a number, rounded half to even on its exact decimal expansion.
 * @param {number} value
 * @param {number} count significant digits, 0 or more
 * @returns {{digits: string, exponent: number}} digits (at least one) and the power of ten of the first
 */
function significantDigits(value, count) {
  const [mantissa, power] = Math.abs(value).toExponential(100).split("e");
  const all = mantissa.replace(".", "");
  let exponent = Number(power);
  const kept = all.slice(0, count);
  const rest = all.slice(count);
  const half = `5${"0".repeat(rest.length - 1)}`;
  const isOdd = Number(kept.at(-1) ?? "0") % 2 === 1;
  if (!(rest > half || (rest === half && isOdd))) return { digits: kept || "0", exponent };
  const raised = (BigInt(kept || "0") + 1n).toString();
  const grown = raised.length - kept.length;
  if (grown > 0) exponent += 1;
  return { digits: count === 0 ? raised : raised.slice(0, count), exponent };
}

/**
 * `f"{value:.{digits}g}"`.
 * @param {number} value
 * @param {number} [digits]
 * @returns {string}
 */
export function general(value, digits = 6) {
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  if (value === 0) return `${sign}0`;
  const found = significantDigits(value, digits);
  const { exponent } = found;
  const stripped = found.digits.replace(/0+$/, "");
  if (exponent < -4 || exponent >= digits) {
    const [first, ...others] = stripped;
    const power = `${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
    return `${sign}${first}${others.length ? `.${others.join("")}` : ""}e${power}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${stripped}`;
  const whole = stripped.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  const decimals = stripped.slice(exponent + 1);
  return `${sign}${whole}${decimals ? `.${decimals}` : ""}`;
}

/**
 * `f"{value:.{decimals}f}"`.
 * @param {number} value
 * @param {number} decimals
 * @returns {string}
 */
export function fixed(value, decimals) {
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  const zero = `0${decimals ? `.${"0".repeat(decimals)}` : ""}`;
  if (value === 0) return sign + zero;
  const first = Number(Math.abs(value).toExponential(100).split("e")[1]);
  const count = first + 1 + decimals;
  if (count < 0) return sign + zero;
  const { digits, exponent } = significantDigits(value, count);
  if (count === 0 && digits === "0") return sign + zero;
  const all = exponent < 0 ? "0".repeat(-exponent) + digits : digits;
  const places = Math.max(exponent, 0) + 1;
  const whole = all.slice(0, places).padEnd(places, "0");
  const rest = all.slice(whole.length).slice(0, decimals).padEnd(decimals, "0");
  return `${sign}${whole}${decimals ? `.${rest}` : ""}`;
}

/**
 * Thousands apart, as `f"{value:,.{decimals}f}"`.
 * @param {number} value
 * @param {number} [decimals]
 * @returns {string}
 */
export function grouped(value, decimals = 0) {
  const [whole, rest] = fixed(value, decimals).split(".");
  return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (rest === undefined ? "" : `.${rest}`);
}

/**
 * `numpy.quantile` of values without NaN.
 * @param {number[]} values
 * @param {number} share
 * @returns {number}
 */
export function quantile(values, share) {
  const sorted = [...values].sort((one, other) => one - other);
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}
