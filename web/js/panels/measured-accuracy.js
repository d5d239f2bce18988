// @ts-check
/**
 * What measured positions say of the estimate, in a sentence, win or lose: the second block of the accuracy
 * panel. Only of a server that measures; asked for once there is a score to stand beside.
 * @module
 */

import { fetchMeasuredScore, fetchReady } from "../data/rest-client.js";
import { h } from "./dom.js";

/** @typedef {import("../data/rest-client.js").MeasuredScore} MeasuredScore */

const ASK_MS = 300_000;

/**
 * @param {MeasuredScore | null} score
 * @returns {string} empty: nothing has been looked at
 */
export function measuredText(score) {
  if (!score) return "";
  if (score.sentence) return score.sentence;
  return score.looks ? `Not judged yet: ${score.reason}.` : "";
}

export class MeasuredAccuracy {
  #text = h("p", { class: "measured-score" });
  element = h("div", { hidden: true }, h("h3", {}, "Against measured positions"), this.#text);
  /** @type {Promise<boolean> | null} whether the server measures; null: not asked */
  #measures = null;
  #symbol = "";
  #nextAt = -Infinity;
  #request;
  #ready;

  /**
   * @param {(symbol: string) => Promise<MeasuredScore>} request
   * @param {() => Promise<{ positions?: object }>} ready
   */
  constructor(request = fetchMeasuredScore, ready = fetchReady) {
    this.#request = request;
    this.#ready = ready;
  }

  /** @param {string} symbol whose score is shown; asked for anew after five minutes */
  draw(symbol) {
    if (symbol !== this.#symbol) {
      this.#symbol = symbol;
      this.#nextAt = -Infinity;
      this.#show(null);
    }
    if (performance.now() < this.#nextAt) return;
    this.#nextAt = performance.now() + ASK_MS;
    void this.#load(symbol);
  }

  /** @param {string} symbol */
  async #load(symbol) {
    this.#measures ??= this.#ready().then(({ positions }) => Boolean(positions));
    try {
      if (!(await this.#measures)) return;
      const score = await this.#request(symbol);
      if (symbol === this.#symbol) this.#show(score);
    } catch {
      this.#measures = null; // asked for again in five minutes; what was known stays
    }
  }

  /** @param {MeasuredScore | null} score */
  #show(score) {
    const text = measuredText(score);
    this.#text.textContent = text;
    this.element.hidden = !text;
  }
}
