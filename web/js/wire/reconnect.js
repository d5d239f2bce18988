// @ts-check
/**
 * Whether a lost connection is tried again, and after how long.
 * @module
 */

const BACKOFF_BASE_MS = 2000;
const BACKOFF_CAP_MS = 30_000;
/** However long a server asks to be left alone. */
export const LONGEST_WAIT_MS = 60_000;
// close codes: made by `make docs` from the server's own table
const FINAL = new Set([1000, 1002, 1007, 1008, 1009, 4500, 4501, 4502]);
// /close codes
/** Codes of servers to come that rule out another try, too. */
const [FINAL_FROM, FINAL_TO] = [4500, 4999];

/**
 * @param {number} code of the close
 * @returns {boolean}
 */
export function mayReconnect(code) {
  return !FINAL.has(code) && (code < FINAL_FROM || code > FINAL_TO);
}

/**
 * Full jitter: a thousand clients of a restarted server must not come back in one moment.
 * @param {number} attempt how many have failed in a row, from 1
 * @param {() => number} random 0..1
 * @returns {number} ms to wait before the next one
 */
export function retryInMs(attempt, random) {
  return random() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** Math.max(0, attempt - 1));
}
