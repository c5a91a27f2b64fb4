/** Date, version, models and a digest of the inputs, so that a print can be told from another one. */

/** @import { Column, Row } from "./types.js" */

const DIGEST_LETTERS = 12;

/**
 * SHA-256 of the values that a model reads, as `inputs_digest` of `crsrisk/report/patient_page.py`;
 * "" where the browser has none.
 * @param {Row} row
 * @param {Column[]} columns
 * @returns {Promise<string>}
 */
export async function digestOf(row, columns) {
  if (!globalThis.crypto?.subtle) return "";
  const told = [...columns]
    .sort((one, other) => (one.name < other.name ? -1 : 1))
    .flatMap(({ name, kind }) => {
      const value = row[name] ?? null;
      if (kind === "word") return [[name, String(value ?? "")]];
      return value === null ? [] : [[name, Number(value)]];
    });
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(told)));
  return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * @param {string} version
 * @param {string[]} models
 * @param {string} digest
 * @param {string} [ofModels] their own digest
 * @returns {string[]}
 */
export function madeInWords(version, models, digest, ofModels) {
  const now = new Date();
  const day = [now.getFullYear(), now.getMonth() + 1, now.getDate()]
    .map((part) => String(part).padStart(2, "0"))
    .join("-");
  const end = ofModels ? ` (${ofModels.slice(0, DIGEST_LETTERS)})` : "";
  return [
    `${day}, crsrisk ${version}.`,
    `Models ${models.join(" and ")}${end}.`,
    ...(digest ? [`Inputs ${digest.slice(0, DIGEST_LETTERS)}.`] : []),
  ];
}
