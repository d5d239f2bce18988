// @ts-check
/**
 * Alerts that were raised, by this browser's page or by the server, in one order.
 * @module
 */

/** @typedef {{ time: number, sentence: string }} Notice time is UTC ms */
/** @typedef {import("./alerts-client.js").Raised} Raised */

const MOST = 50;
/** The server watches the page's own alerts too while a device gets them: of both within it, one is shown. */
const SAME_MS = 60_000;
/** The id of a rule that follows the page's own (server-rules.js) begins so. */
const OURS = "page-";
const LATEST_MS = 8.64e15;

/**
 * @param {Notice[]} own of this browser, each sentence beginning with its market
 * @param {Raised[]} ofServer
 * @returns {Notice[]} the 50 newest of both, newest first; what both raised of one cause once
 */
export function merged(own, ofServer) {
  const isKnown = (/** @type {Raised} */ { time, rule, sentence }) =>
    rule.startsWith(OURS) &&
    own.some((each) => Math.abs(each.time - time) < SAME_MS && sentence.includes(marketOf(each)));
  return newest([...own, ...ofServer.filter((each) => !isKnown(each))]);
}

/** @param {Notice[]} notices @returns {Notice[]} the 50 newest, each once, newest first */
export function newest(notices) {
  const byText = new Map(notices.map((notice) => [`${notice.time} ${notice.sentence}`, notice]));
  return [...byText.values()].sort((a, b) => b.time - a.time).slice(0, MOST);
}

/**
 * @param {string | null} text as kept in the browser
 * @returns {Notice[]} newest first; what was damaged is as if never kept
 */
export function readNotices(text) {
  try {
    const kept = JSON.parse(text ?? "[]");
    const isNotice = (/** @type {Partial<Notice> | null} */ each) =>
      typeof each?.time === "number" && Math.abs(each.time) < LATEST_MS && typeof each.sentence === "string";
    return Array.isArray(kept) ? newest(kept.filter(isNotice)) : [];
  } catch {
    return [];
  }
}

/** @param {Notice} notice */
function marketOf({ sentence }) {
  return sentence.split(/[ :]/, 1)[0];
}
