// @ts-check
/**
 * What the page asks of the server over HTTP; every answer is checked for its status, and an error carries
 * the server's own sentence.
 * @module
 */

import { fetchWithToken } from "./access.js";
import { takeFirst } from "../early.js";
import { decodeHistory } from "./history-codec.js";

export class RestError extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** @param {string} path @param {Record<string, string | number>} [query] @returns {string} */
export function addressOf(path, query = {}) {
  const text = new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)])).toString();
  return text ? `${path}?${text.replaceAll("%2C", ",")}` : path;
}

/** @param {Response} response @returns {Promise<Response>} Throws RestError unless it is a 2xx. */
async function checked(response) {
  if (response.ok) return response;
  const text = await response.text().catch(() => "");
  let message = `HTTP ${response.status}`;
  try {
    const { error } = JSON.parse(text);
    message = String(error?.message ?? error ?? message).slice(0, 200);
  } catch {
    // no JSON: the status has to do
  }
  throw new RestError(response.status, message);
}

/** @param {string} address @param {AbortSignal} [signal] @returns {Promise<any>} */
async function json(address, signal) {
  return (await checked(await fetchWithToken(address, { signal, headers: { accept: "application/json" } }))).json();
}

/** @param {string[]} venues empty: all @returns {Record<string, string>} */
function some(venues) {
  return venues.length ? { exchange: venues.join(",") } : {};
}

/** @param {string} symbol @param {string} window @param {string} interval @param {string[]} venues */
export function historyAddress(symbol, window, interval, venues) {
  return addressOf(`/api/heatmap/${encodeURIComponent(symbol)}/history`, { window, interval, ...some(venues) });
}

/** @param {string} address of historyAddress() @param {AbortSignal} [signal] @returns {Promise<import("./history-codec.js").History>} */
export async function fetchHistory(address, signal) {
  const early = await takeFirst(address);
  if (early?.body) return decodeHistory(early.body);
  const response = early?.response ?? (await fetchWithToken(address, { signal }));
  return decodeHistory(await (await checked(response)).arrayBuffer());
}

/**
 * The newest map with its leverage mix.
 * @param {string} symbol @param {string[]} venues @param {AbortSignal} [signal] @returns {Promise<any>}
 */
export function fetchColumns(symbol, venues, signal) {
  return json(addressOf(`/api/heatmap/${encodeURIComponent(symbol)}`, { columns: 1, ...some(venues) }), signal);
}

/** @param {string} symbol @param {number} fromMs @param {number} toMs @param {string} interval @param {string[]} venues @returns {Promise<any>} */
export function fetchLiquidations(symbol, fromMs, toMs, interval, venues) {
  const query = { start_time: Math.floor(fromMs), end_time: Math.ceil(toMs), interval, ...some(venues) };
  return json(addressOf(`/api/liquidations/${encodeURIComponent(symbol)}`, query));
}

/** @param {string} symbol @param {string} interval @param {number} limit @param {string[]} venues @returns {Promise<any>} */
export function fetchKlines(symbol, interval, limit, venues) {
  return json(addressOf("/prices/klines", { symbol, interval, limit, ...some(venues) }));
}

/** @param {string} symbol @param {string[]} venues @returns {Promise<any>} */
export function fetchScore(symbol, venues) {
  return json(addressOf(`/api/score/${encodeURIComponent(symbol)}`, some(venues)));
}

/** @returns {Promise<any>} the body of /ready, also while it answers 503 */
export async function fetchReady() {
  return (await fetch("/ready", { headers: { accept: "application/json" } })).json();
}
