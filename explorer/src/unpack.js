/** Packed data inside the page. */

/**
 * JSON that was written as UTF-8, gzip and base64.
 * @param {string} text
 * @returns {Promise<any>}
 */
export async function unpack(text) {
  const packed = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}
