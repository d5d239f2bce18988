// @ts-check
/**
 * What the indicator says, from what is known: the age of the last message counts, not the socket's state.
 * @module
 */

/** @typedef {"connecting" | "live" | "slow" | "polling" | "disconnected"} Indicator */
/**
 * @typedef {object} Facts
 * @property {import("../websocket-client.js").State} socket
 * @property {boolean} everOpen whether the socket ever was
 * @property {number} silenceMs since the last message on the socket
 * @property {number} intervalS the subscription's
 * @property {boolean} warned SLOW_CONSUMER or CONNECTION_UNSTABLE of late
 * @property {boolean} late the page itself falls behind
 * @property {number} pollAgeMs since the last answer of the polling fallback
 */

/** The server says something at least this often (docs/websocket_api.md, heartbeat). */
const HEARTBEAT_S = 5;
export const FAILED_ATTEMPTS_BEFORE_POLLING = 3;

/** @param {Facts} facts @returns {Indicator} */
export function indicatorOf({ socket, everOpen, silenceMs, intervalS, warned, late, pollAgeMs }) {
  const expectedMs = 1000 * Math.max(HEARTBEAT_S, intervalS);
  if (socket === "open") {
    if (silenceMs > 2.5 * expectedMs) return "disconnected";
    return silenceMs > 1.5 * expectedMs || warned || late ? "slow" : "live";
  }
  if (pollAgeMs < 15_000) return "polling";
  return everOpen || socket === "refused" || socket === "waiting" ? "disconnected" : "connecting";
}

/** @type {Record<Indicator, string>} */
export const INDICATOR_TEXT = {
  connecting: "Connecting",
  live: "Live",
  slow: "Slow",
  polling: "Polling",
  disconnected: "Disconnected",
};
