// @ts-check
/**
 * The line above the map or table that says what is wrong. Screen readers read the sentence, not each
 * second of a figure that goes on.
 * @module
 */

import { duration } from "../data/format.js";
import { find, h, put } from "./dom.js";

/** @typedef {{ text: string, ticking?: string }} Sentence ticking: its end, which changes by the second */

/**
 * @param {Sentence | null} sentence null: nothing is wrong
 * @param {boolean} isBad whether the connection is gone
 */
export function showNotice(sentence, isBad) {
  const notice = find("#notice");
  const { text = "", ticking = "" } = sentence ?? {};
  notice.hidden = !text;
  notice.classList.toggle("bad", isBad);
  if (notice.childElementCount !== 2) put(notice, h("span"), h("span", { "aria-hidden": "true" }));
  for (const [i, part] of [text, ticking].entries()) {
    const { [i]: span } = notice.children;
    if (span.textContent !== part) span.textContent = part;
  }
}

/**
 * @param {object} lost
 * @param {string} lost.frozen what of the figures shown stands still since when
 * @param {import("../wire/client-events.js").Status} lost.status of the client
 * @param {number} lost.waitingSince performance.now() at which it began to wait
 * @returns {Sentence} that the connection is lost, and when the next attempt is made
 */
export function lostSentence({ frozen, status, waitingSince }) {
  const { state, retryInMs, reason, code } = status;
  if (state === "refused") return { text: `The server refused the connection: ${reason || code}` };
  const text = `Connection lost. ${frozen}`;
  if (state !== "waiting") return { text, ticking: "reconnecting" };
  const leftMs = Math.max(1000, waitingSince + retryInMs - performance.now());
  return { text, ticking: `retrying in ${duration(leftMs)}` };
}

/** @param {number} ageMs of the last update @returns {Sentence} */
export function lateSentence(ageMs) {
  return { text: "Updates are late ", ticking: `(last ${duration(ageMs)} ago)` };
}
