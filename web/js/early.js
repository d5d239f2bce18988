// @ts-check
/**
 * The one request that waits for nobody: the first history, whose address stands in the page's head. This
 * script runs before all others have come, so that the first drawing of the chart is one with data.
 * @module
 */

/** @typedef {{ response: Response, body: ArrayBuffer | null }} Answer `body` of a good one */

const href = globalThis.document?.querySelector('link[rel="preload"][as="fetch"]')?.getAttribute("href");
/** @type {{ address: string, answer: Promise<Answer> } | null} */
let first = href ? { address: href, answer: ask(href) } : null;
first?.answer.catch(() => {}); // whoever takes it handles it

// The first formatter of each kind loads the locale's tables, some 15 ms, and now there is nothing else to do.
new Intl.NumberFormat().format(0);
new Intl.DateTimeFormat().format(0);

/** @param {string} address @returns {Promise<Answer>} */
async function ask(address) {
  const response = await fetch(address);
  return { response, body: response.ok ? await response.arrayBuffer() : null };
}

/** The answer that is under way, once, if it is the one wanted. @param {string} address @returns {Promise<Answer> | null} */
export function takeFirst(address) {
  const early = first?.address === address ? first.answer : null;
  first = null;
  return early;
}
