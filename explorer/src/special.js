/** Functions of scipy.special that the models need, to about twelve digits. */

const LN_2 = Math.log(2);
const SQRT_PI = Math.sqrt(Math.PI);
const LN_SQRT_2_PI = 0.5 * Math.log(2 * Math.PI);
const FAR = 2; // from here on the continued fraction of erfc, below it the series of erf

/**
 * Logistic function.
 * @param {number} x
 * @returns {number}
 */
export function expit(x) {
  return 1 / (1 + Math.exp(-x));
}

/**
 * Continued fraction of erfc(x) * exp(x^2) for x of 2 or more (modified Lentz).
 * @param {number} x
 * @returns {number}
 */
function scaledErfc(x) {
  let b = x;
  let fraction = b;
  let c = b;
  let d = 0;
  for (let k = 1; k < 500; k += 1) {
    const a = k / 2;
    d = 1 / (x + a * d);
    c = x + a / c;
    const change = c * d;
    fraction *= change;
    if (Math.abs(change - 1) < 1e-16) break;
  }
  return 1 / (fraction * SQRT_PI);
}

/**
 * Complementary error function of x >= 0.
 * @param {number} x
 * @returns {number}
 */
export function erfc(x) {
  if (x >= FAR) return Math.exp(-x * x) * scaledErfc(x);
  let term = x;
  let sum = x;
  for (let k = 1; Math.abs(term) > 1e-18 * sum; k += 1) {
    term *= (2 * x * x) / (2 * k + 1);
    sum += term;
  }
  return 1 - (2 / SQRT_PI) * Math.exp(-x * x) * sum;
}

/**
 * Standard normal distribution function.
 * @param {number} x
 * @returns {number}
 */
export function ndtr(x) {
  const tail = 0.5 * erfc(Math.abs(x) / Math.SQRT2);
  return x > 0 ? 1 - tail : tail;
}

/**
 * Logarithm of the standard normal distribution function.
 * @param {number} x
 * @returns {number}
 */
export function logNdtr(x) {
  const t = Math.abs(x) / Math.SQRT2;
  if (x > 0) return Math.log1p(-0.5 * erfc(t));
  if (t < FAR) return Math.log(0.5 * erfc(t));
  return -t * t + Math.log(0.5 * scaledErfc(t));
}

/**
 * x with `logNdtr(x)` = y.
 *
 * logNdtr is concave and rises, so after one step of Newton the iterates rise to the root.
 * @param {number} y below 0
 * @returns {number}
 */
export function ndtriExp(y) {
  let x = -Math.sqrt(Math.max(0, -2 * y));
  for (let k = 0; k < 200; k += 1) {
    const value = logNdtr(x);
    const slope = Math.exp(-0.5 * x * x - LN_SQRT_2_PI - value);
    const step = (value - y) / slope;
    x -= step;
    if (Math.abs(step) <= 1e-15 * Math.max(1, Math.abs(x))) break;
  }
  return x;
}

/**
 * Regularised upper incomplete gamma function at half a whole number: the chance that chi-square
 * with `degrees` degrees of freedom is above `2 x`.
 * @param {number} degrees
 * @param {number} x
 * @returns {number}
 */
export function gammaincc(degrees, x) {
  if (x <= 0) return 1;
  const isOdd = degrees % 2 === 1;
  let a = isOdd ? 0.5 : 1;
  let chance = isOdd ? erfc(Math.sqrt(x)) : Math.exp(-x);
  let term = isOdd ? (2 * Math.sqrt(x) * Math.exp(-x)) / SQRT_PI : x * Math.exp(-x);
  while (2 * a < degrees) {
    chance += term;
    a += 1;
    term *= x / a;
  }
  return chance;
}

/**
 * -log10 of the chance of a normal score of this size, either way.
 * @param {number} size
 * @returns {number}
 */
export function surpriseOf(size) {
  return -(logNdtr(-size) + LN_2) / Math.LN10;
}
