/** What turns a value from a unit into that of its column: `crsrisk/units.py`. */

/** @import { UnitsOfColumn } from "./types.js" */

/**
 * Every unit that is read, the standard one first.
 * @param {UnitsOfColumn} column
 * @returns {string[]}
 */
export function acceptedUnits(column) {
  return [column.unit, ...Object.keys(column.other_units), ...Object.keys(column.limited_units)];
}

/**
 * Whether values in a unit mean something only with the laboratory's upper limit.
 * @param {UnitsOfColumn} column
 * @param {string} unit
 * @returns {boolean}
 */
export function needsLimit(column, unit) {
  return unit in column.limited_units;
}

/**
 * A value written in `unit` in the unit of its column.
 * @param {UnitsOfColumn} column
 * @param {number} value
 * @param {string} unit
 * @param {number} [limit] the laboratory's upper limit
 * @returns {number}
 */
export function convert(column, value, unit, limit) {
  const factor =
    unit === column.unit ? 1 : (column.other_units[unit] ?? column.limited_units[unit]);
  if (factor === undefined) throw new Error(`${unit} is no unit of this column`);
  const converted = (value - (column.zeros[unit] ?? 0)) * factor;
  if (!needsLimit(column, unit)) return converted;
  if (limit === undefined || !(limit > 0)) {
    throw new Error(`${unit} needs the laboratory's upper limit`);
  }
  return converted / limit;
}
