// @ts-check
/**
 * The page's own alerts as rules of the server, kept the same while this device gets them.
 * @module
 */

import { OWNER_HEADER, alertsSecret } from "./alerts-secret.js";
import { checked } from "./rest-client.js";
import { fetchWithToken } from "./token.js";

/**
 * What is set on the page: of `Rules`, what the server can watch.
 * @typedef {object} PageRules
 * @property {{ on: boolean, percent: number, usd: number }} near
 * @property {{ on: boolean, minutes: number, usd: number }} cascade
 * @property {{ symbol: string, price: number }[]} levels
 */
/** @typedef {Record<string, string | number>} RuleBody of PUT api/alerts/{id} */

const ADDRESS = "api/alerts";
const OURS = "page-";
const NOT_FOUND = 404;
/** Of a rule the server cannot watch: a level of a market that is followed no more. The others are kept. */
const UNFIT = new Set([400, NOT_FOUND]);
/** The page's own rest between two alerts of one cause. */
const COOLDOWN_S = 600;

/**
 * @param {PageRules} rules
 * @returns {Map<string, RuleBody>} by id
 */
export function serverRules({ near, cascade, levels }) {
  /** @type {Map<string, RuleBody>} */
  const bodies = new Map();
  const add = (/** @type {string} */ name, /** @type {RuleBody} */ body) =>
    bodies.set(OURS + name, { ...body, cooldown_s: COOLDOWN_S });
  if (near.on) {
    const within = Math.min(100, near.percent);
    add("near", { kind: "cluster", symbol: "*", min_usd: near.usd, within_percent: within });
  }
  if (cascade.on) {
    const windowS = Math.min(86_400, cascade.minutes * 60);
    add("cascade", { kind: "cascade", symbol: "*", min_usd: cascade.usd, window_s: windowS });
  }
  levels.forEach(({ symbol, price }, i) => add(`level-${i}`, { kind: "price", symbol, price }));
  return bodies;
}

/**
 * Puts these rules in the place of those this page put before.
 * @param {PageRules | null} rules null: none
 * @returns {Promise<void>} Throws what fetch throws, RestError
 */
export async function keepServerRules(rules) {
  const wanted = rules ? serverRules(rules) : new Map();
  const kept = await (await checked(await send("GET", ADDRESS))).json();
  for (const { id } of kept.rules) {
    if (!id.startsWith(OURS) || wanted.has(id)) continue;
    const response = await send("DELETE", `${ADDRESS}/${id}`);
    if (response.status !== NOT_FOUND) await checked(response);
  }
  for (const [id, body] of wanted) {
    const response = await send("PUT", `${ADDRESS}/${id}`, JSON.stringify(body));
    if (!UNFIT.has(response.status)) await checked(response);
  }
}

/**
 * @param {string} method
 * @param {string} address
 * @param {string} [body] JSON
 */
function send(method, address, body) {
  const headers = new Headers({ accept: "application/json", [OWNER_HEADER]: alertsSecret() });
  if (body !== undefined) headers.set("content-type", "application/json");
  return fetchWithToken(address, { method, headers, body });
}
