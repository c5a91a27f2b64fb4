/** What a row says of a patient and of the therapy must not contradict itself. */

import { general } from "./numbers.js";
import { numberOf, wordOf } from "./model.js";

/** @import { IdentityFacts, Row } from "./types.js" */

const SEX = ["male", "female"];

/**
 * Letters and digits of a name, in small letters.
 * @param {string} text
 * @returns {string}
 */
export function plain(text) {
  return text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
}

/**
 * The product that a text names by generic, brand or code name; null without one.
 * @param {string} text
 * @param {IdentityFacts} facts
 * @returns {string | null}
 */
export function productNamed(text, facts) {
  return facts.product_names[plain(text)] ?? null;
}

/**
 * Columns that contradict another, each with what is expected, in the order in which Python finds
 * them.
 * @param {Row} row
 * @param {IdentityFacts} facts
 * @returns {{column: string, expected: string}[]}
 */
export function contradictions(row, facts) {
  const found = [];
  const product = wordOf(row, "product");
  const platform = wordOf(row, "platform");
  const known = productNamed(product, facts);
  const own = known === null ? null : facts.platform_of[known];
  if (own !== null && own !== platform && facts.platforms.includes(platform)) {
    found.push({
      column: "platform",
      expected: `product and platform of one therapy: ${product} is of the platform ${own}`,
    });
  }
  const type = wordOf(row, "tumour_type");
  const tumour = facts.tumour_types[type] ?? facts.tumour_types[plain(type)];
  if (tumour === undefined) return found;
  const sex = numberOf(row, "is_female");
  if (tumour.is_female !== null && !Number.isNaN(sex) && sex !== tumour.is_female) {
    found.push({
      column: "is_female",
      expected:
        `sex and tumour type of one patient: ${type} is of ` +
        `${SEX[tumour.is_female]} patients alone`,
    });
  }
  const youngest = tumour.youngest_years;
  if (youngest >= facts.adult_years && numberOf(row, "age_years") < youngest) {
    found.push({
      column: "age_years",
      expected:
        `age and tumour type of one patient: ${type} is of adults, ` +
        `${general(youngest)} years or older`,
    });
  }
  return found;
}
