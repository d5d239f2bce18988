// @ts-check
/**
 * The connection status, from what is known: the age of the last message counts, not the socket's state, and
 * who stands behind what is shown.
 * @module
 */

/** @typedef {"connecting" | "live" | "slow" | "polling" | "paused" | "disconnected"} ConnectionStatus */
/**
 * @typedef {object} ConnectionFacts
 * @property {import("../wire/client-events.js").State} socket
 * @property {boolean} everOpen whether the socket ever was
 * @property {number} unansweredMs since the server was asked for a sign of life that has not come; 0: it came
 * @property {boolean} confirmed whether this connection's server is known to stand behind all that is shown
 * @property {boolean} offline whether the browser says so, and nothing came since
 * @property {boolean} woken whether the page slept, and nothing came since
 * @property {boolean} warned SLOW_CONSUMER or CONNECTION_UNSTABLE of late
 * @property {boolean} late the page itself falls behind
 * @property {boolean} paused the page is hidden and has let go of its socket
 * @property {number} pollAgeMs since the last response of the polling fallback
 */

/** Silence after which the server is asked; at one update a second there is hardly ever that much. */
export const ASK_AFTER_MS = 1500;
/** Asked and silent for this long: updates are late. */
const SLOW_MS = 2000;
/** Asked and silent for this long: the connection is gone. */
const GONE_MS = 6500;
/** The same where the browser says that it is offline. */
const OFFLINE_GONE_MS = 500;
/** After sleep or in sight again: a socket that does not answer for so long is replaced. */
export const WAKE_MS = 2000;
export const FAILED_ATTEMPTS_BEFORE_POLLING = 3;

/**
 * @param {ConnectionFacts} facts
 * @returns {ConnectionStatus}
 */
export function connectionStatusOf(facts) {
  const { socket, everOpen, unansweredMs, confirmed, offline, woken, warned, late, pollAgeMs } = facts;
  if (facts.paused) return "paused";
  if (socket === "open") {
    if (unansweredMs > (offline ? OFFLINE_GONE_MS : GONE_MS)) return "disconnected";
    if (unansweredMs > SLOW_MS || offline || woken || warned || late) return "slow";
    return confirmed ? "live" : "connecting";
  }
  if (pollAgeMs < 15_000) return "polling";
  return everOpen || socket === "refused" || socket === "waiting" ? "disconnected" : "connecting";
}

/** @type {Record<ConnectionStatus, string>} */
export const STATUS_TEXT = {
  connecting: "Connecting",
  live: "Live",
  slow: "Slow",
  polling: "Polling",
  paused: "Paused",
  disconnected: "Disconnected",
};
