// @ts-check
/**
 * The table of all markets over HTTP: the first one, which is there before a socket is, and every one where
 * no socket can be had.
 * @module
 */

import { ANSWER_MS, within } from "./patience.js";
import { fetchWithToken } from "./token.js";

/** @typedef {import("../wire/market-table.js").MarketTable} MarketTable */

const ADDRESS = "api/markets";

/**
 * @returns {Promise<MarketTable>} Throws with the server's own sentence where there is none.
 */
export async function fetchMarkets() {
  const { response, body } = await within(ANSWER_MS, undefined, async (signal) => {
    const response = await fetchWithToken(ADDRESS, { signal, headers: { accept: "application/json" } });
    return { response, body: await response.json().catch(() => ({})) };
  });
  if (!response.ok) throw new Error(String(body.error ?? `HTTP ${response.status}`).slice(0, 200));
  const { timestamp, epoch, seq, markets } = body;
  /** @type {string[]} */
  const symbols = [];
  /** @type {MarketTable["fields"]} */
  const fields = {};
  for (const { symbol, ...figures } of markets) {
    symbols.push(symbol);
    for (const [name, value] of Object.entries(figures)) (fields[name] ??= []).push(value);
  }
  return { timestamp, epoch, seq, symbols, fields };
}

/**
 * @param {MarketTable} table
 * @param {MarketTable | null} held
 * @returns {boolean} whether it is newer than the one held
 */
export function isNewer(table, held) {
  if (!held || table.epoch !== held.epoch) return !held || table.epoch > held.epoch;
  return table.seq > held.seq;
}
