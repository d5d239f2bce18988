// @ts-check
/**
 * Requests about the alert rules that the server evaluates for this browser's secret.
 * @module
 */

import { OWNER_HEADER, alertsSecret, hasAlertsSecret } from "./alerts-secret.js";
import { checked } from "./rest-client.js";
import { fetchWithToken } from "./token.js";

/** @typedef {"cluster" | "cascade" | "price" | "sweep" | "new_cluster"} Kind */
/**
 * @typedef {object} ServerRule
 * @property {string} id
 * @property {Kind | "stale"} kind
 * @property {string} [symbol] all markets without it
 * @property {number} [min_usd]
 * @property {number} [min_percentile]
 * @property {number} [within_percent]
 * @property {number} [window_s]
 * @property {number} [price]
 * @property {number} [cooldown_s]
 */
/** @typedef {{ time: number, rule: string, sentence: string }} Raised time is UTC ms */

/**
 * @param {string} path
 * @param {string} [method]
 * @param {object} [body]
 * @returns {Promise<any>} Throws RestError with the server's own sentence.
 */
async function ask(path, method = "GET", body) {
  /** @type {Record<string, string>} */
  const headers = { accept: "application/json" };
  // Who has never kept a rule has none: no secret is made for looking.
  if (method !== "GET" || hasAlertsSecret()) headers[OWNER_HEADER] = alertsSecret();
  if (body) headers["content-type"] = "application/json";
  const init = { method, headers, body: body && JSON.stringify(body) };
  const response = await checked(await fetchWithToken(`api/alerts${path}`, init));
  return response.status === 204 ? null : response.json();
}

/** @typedef {{ rules: ServerRule[], file_rules: ServerRule[], limits: { rules: number } }} Rules */

/** @returns {Promise<Rules>} without those that follow the page's own alerts (server-rules.js) */
export async function fetchRules() {
  const found = await ask("");
  const rules = found.rules.filter((/** @type {ServerRule} */ { id }) => !id.startsWith("page-"));
  return { ...found, rules };
}

/** @returns {Promise<Raised[]>} the newest first */
export async function fetchRaised() {
  return (await ask("/history")).history;
}

/** @param {ServerRule} rule */
export function putRule({ id, ...rule }) {
  return ask(`/${encodeURIComponent(id)}`, "PUT", rule);
}

/** @param {string} id */
export function deleteRule(id) {
  return ask(`/${encodeURIComponent(id)}`, "DELETE");
}

/**
 * @param {string} id
 * @returns {Promise<{ sentence: string }>}
 */
export function testRule(id) {
  return ask(`/${encodeURIComponent(id)}/test`, "POST");
}
