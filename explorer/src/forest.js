/** Forests: trees as flat arrays, their sum and their exact Shapley values against a reference. */

/** @import { ForestDocument, RefitsDocument } from "./types.js" */

const CATEGORICAL = 1;
const DEFAULT_LEFT = 2;
const MISSING_ZERO = 4;
const MISSING_NAN = 8;
const NEARLY_ZERO = Math.fround(1e-35); // nearer to 0 is 0, for LightGBM

/**
 * @typedef {object} Forest
 * @property {Int32Array} feature
 * @property {Float64Array} threshold
 * @property {Int32Array} decision
 * @property {Int32Array} left a node, or below 0 leaf -child - 1
 * @property {Int32Array} right
 * @property {Float64Array} leaf
 * @property {Int32Array} roots
 */

/**
 * @param {(number | null)[]} values
 * @param {number} empty what null stands for
 * @returns {Float64Array}
 */
export function floats(values, empty) {
  return Float64Array.from(values, (value) => (value === null ? empty : value));
}

/**
 * @param {ForestDocument} document
 * @returns {Forest}
 */
export function readForest(document) {
  if (document.decision.some((kind) => kind & CATEGORICAL)) {
    throw new Error("a split of categories, which this page does not know");
  }
  return {
    feature: Int32Array.from(document.feature),
    threshold: floats(document.threshold, Infinity),
    decision: Int32Array.from(document.decision),
    left: Int32Array.from(document.left),
    right: Int32Array.from(document.right),
    leaf: Float64Array.from(document.leaf),
    roots: Int32Array.from(document.roots),
  };
}

/**
 * @typedef {object} Refit
 * @property {Forest} forest
 * @property {Float64Array} fill
 * @property {number} intercept
 * @property {number} slope
 */

/**
 * The refits of a model; see `crsrisk/model/refits.py` for the order of nodes.
 * @param {RefitsDocument} document
 * @returns {Refit[]}
 */
export function readRefits(document) {
  const { splits } = document;
  const threshold = floats(splits.threshold, Infinity);
  return document.refits.map((refit) => {
    const numbers = refit.nodes.filter((node) => node >= 0);
    const children = new Int32Array(2 * numbers.length);
    /** @type {number[]} */
    const roots = [];
    /** @type {number[]} */
    const open = [];
    let node = 0;
    let leaf = 0;
    for (const split of refit.nodes) {
      const place = split >= 0 ? node : ~leaf;
      const parent = open.pop();
      if (parent === undefined) roots.push(place);
      else children[parent] = place;
      if (split >= 0) {
        open.push(2 * node + 1, 2 * node);
        node += 1;
      } else {
        leaf += 1;
      }
    }
    return {
      forest: {
        feature: Int32Array.from(numbers, (at) => splits.feature[at]),
        threshold: Float64Array.from(numbers, (at) => threshold[at]),
        decision: Int32Array.from(numbers, (at) => splits.decision[at]),
        left: children.filter((_, at) => at % 2 === 0),
        right: children.filter((_, at) => at % 2 === 1),
        leaf: Float64Array.from(refit.leaf),
        roots: Int32Array.from(roots),
      },
      fill: floats(refit.fill, NaN),
      intercept: refit.intercept,
      slope: refit.slope,
    };
  });
}

/**
 * Whether a row goes left at a node, by LightGBM's rules for missing values.
 * @param {Forest} forest
 * @param {number} at
 * @param {Float64Array} row
 * @returns {boolean}
 */
function goesLeft(forest, at, row) {
  const kind = forest.decision[at];
  let value = row[forest.feature[at]];
  const isMissing = value !== value;
  if (kind & MISSING_NAN) {
    if (isMissing) return (kind & DEFAULT_LEFT) > 0;
    return value <= forest.threshold[at];
  }
  if (isMissing) value = 0;
  if (kind & MISSING_ZERO && -NEARLY_ZERO <= value && value <= NEARLY_ZERO) {
    return (kind & DEFAULT_LEFT) > 0;
  }
  return value <= forest.threshold[at];
}

/**
 * Sum of all trees, in their order.
 * @param {Forest} forest
 * @param {Float64Array} row
 * @returns {number}
 */
export function rawLogOdds(forest, row) {
  let total = 0;
  for (const root of forest.roots) {
    let at = root;
    while (at >= 0) at = goesLeft(forest, at, row) ? forest.left[at] : forest.right[at];
    total += forest.leaf[~at];
  }
  return total;
}

/**
 * (a - 1)! b! / (a + b)! at [a][b]; 0 without a player.
 * @param {number} most
 * @returns {Float64Array[]}
 */
function swapWeights(most) {
  return Array.from({ length: most + 1 }, (_, a) =>
    Float64Array.from({ length: most + 1 }, (_, b) => {
      if (a === 0) return 0;
      let binomial = 1;
      for (let k = 1; k <= Math.min(a, b); k += 1) {
        binomial = (binomial * (a + b - Math.min(a, b) + k)) / k;
      }
      return 1 / (a * binomial);
    }),
  );
}

/**
 * Exact interventional Shapley values of a row against a reference row, by player; they add up to
 * the difference of the two rows' log-odds (Lundberg 2020, algorithm 3; `crsrisk/model/explain.py`
 * has the formula). Features of one player change together.
 * @param {Forest} forest
 * @param {Float64Array} here
 * @param {Float64Array} there
 * @param {number[]} players of each feature
 * @param {number} count of players
 * @returns {Float64Array}
 */
export function referenceShapley(forest, here, there, players, count) {
  const weights = swapWeights(count);
  const shares = new Float64Array(count);
  const side = new Int8Array(count); // 1: the row's, -1: the reference's, 0: not yet parted
  /** @type {number[]} */
  const path = [];

  /** @param {number} start */
  const toParting = (start) => {
    let at = start;
    while (at >= 0) {
      let isLeft = goesLeft(forest, at, here);
      const isLeftThere = goesLeft(forest, at, there);
      if (isLeft !== isLeftThere) {
        const whose = side[players[forest.feature[at]]];
        if (whose === 0) return at;
        if (whose < 0) isLeft = isLeftThere;
      }
      at = isLeft ? forest.left[at] : forest.right[at];
    }
    return at;
  };

  /** @param {number} value */
  const give = (value) => {
    const own = path.filter((player) => side[player] > 0).length;
    const others = path.length - own;
    for (const player of path) {
      if (side[player] > 0) shares[player] += value * weights[own][others];
      else shares[player] -= value * weights[others][own];
    }
  };

  /** @param {number} start */
  const walk = (start) => {
    const at = toParting(start);
    if (at < 0) {
      give(forest.leaf[~at]);
      return;
    }
    const player = players[forest.feature[at]];
    const isLeft = goesLeft(forest, at, here);
    path.push(player);
    for (const own of [-1, 1]) {
      side[player] = own;
      walk(isLeft === own > 0 ? forest.left[at] : forest.right[at]);
    }
    side[player] = 0;
    path.pop();
  };

  for (const root of forest.roots) walk(root);
  return shares;
}
