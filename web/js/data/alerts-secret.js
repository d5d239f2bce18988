// @ts-check
/**
 * The secret to which the server's alerts and devices of this browser belong: 128 random bits, made at first
 * use and kept here only. Whoever has it sees them; it goes in a header, never in an address.
 * @module
 */

import { keep, recall } from "../state/storage.js";

export const OWNER_HEADER = "X-Liqstream-Alerts-Secret";
const KEY = "liqstream.alerts-secret";
const BYTES = 16;

/** @returns {string} 32 digits of 0-9 and a-f */
export function alertsSecret() {
  const kept = recall(KEY) ?? "";
  if (/^[0-9a-f]{32}$/.test(kept)) return kept;
  const bytes = crypto.getRandomValues(new Uint8Array(BYTES));
  const made = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  keep(KEY, made);
  return made;
}

/** @returns {boolean} whether it was made already */
export function hasAlertsSecret() {
  return recall(KEY) !== null;
}
