// @ts-check
/**
 * What was raised last, by this page and by the server, in one list by time. What the page raised is kept in
 * this browser; the server keeps its own.
 * @module
 */

import { Clock } from "../data/format.js";
import { merged, newest, readNotices } from "../data/notices.js";
import { store } from "../page-facts.js";
import { h, put } from "../panels/dom.js";
import { keep, onKeptElsewhere, recall } from "../state/storage.js";

const KEY = "liqstream.raised";

export class RaisedList {
  #own = readNotices(recall(KEY));
  /** @type {import("../data/notices.js").Raised[]} */
  #ofServer = [];
  #list = h("ul", { class: "raised-last", tabindex: 0, "aria-label": "Raised last" });
  element = h("section", { class: "raised" }, h("h3", {}, "Raised last"), this.#list);

  constructor() {
    // Another tab's alerts are of this browser too.
    onKeptElsewhere(KEY, (text) => {
      this.#own = newest([...this.#own, ...readNotices(text)]);
      this.draw();
    });
  }

  /** @param {string} sentence raised by the page now; it begins with the market */
  add(sentence) {
    this.#own = newest([{ time: Date.now(), sentence }, ...this.#own]);
    keep(KEY, JSON.stringify(this.#own));
    this.draw();
  }

  /** @param {import("../data/notices.js").Raised[]} raised all that the server has */
  showServer(raised) {
    this.#ofServer = raised;
    this.draw();
  }

  draw() {
    const clock = new Clock(store.state.utc);
    const rows = merged(this.#own, this.#ofServer).map(({ time, sentence }) => {
      const at = { datetime: new Date(time).toISOString(), title: clock.zone };
      return h("li", {}, h("time", at, clock.format(time, "stamp")), ` ${sentence}`);
    });
    put(this.#list, ...(rows.length ? rows : [h("li", { class: "quiet" }, "Nothing raised yet")]));
  }
}
