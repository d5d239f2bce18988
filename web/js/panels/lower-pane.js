// @ts-check
/**
 * What stands below a map that is alone: open interest and liquidations, with a line that names them and, of
 * the column under the crosshair, says how much; also what it says while there is nothing to draw.
 * @module
 */

import { ContextSeries } from "../chart/context-series.js";
import { usd } from "../data/format.js";
import { store } from "../page-facts.js";
import { h, put } from "./dom.js";

/** @typedef {import("../data/context-poll.js").ContextPoll} ContextPoll */
/** @typedef {import("./map-slot.js").MapSlot} MapSlot */

export class LowerPane {
  #slot;
  #poll;
  /** @type {ContextSeries | null} */
  #series = null;
  #note = h("div", { class: "lower-note", hidden: true });
  /** @type {number | null} under the crosshair */
  #column = null;
  #theme;
  /** The answer that is drawn, and of which columns. @type {unknown[]} */
  #drawn = [];

  /**
   * @param {MapSlot} slot
   * @param {ContextPoll} poll
   */
  constructor(slot, poll) {
    this.#slot = slot;
    this.#poll = poll;
    this.#theme = slot.view.theme;
    slot.chartElement.append(this.#note);
    slot.view.bars.beside = { clear: () => this.#clear(), draw: () => this.#show() };
    slot.view.chart.subscribeCrosshairMove(({ logical, point }) => {
      const matrix = slot.view.market?.matrix;
      const inside = matrix && point && logical !== undefined;
      this.#column = inside ? matrix.first + Math.round(logical) : null;
      if (this.#series) this.#write();
    });
    slot.addOverlay(this);
  }

  destroy() {
    this.#note.remove();
  }

  /** The choice, the theme, the size or the answer may be another one. */
  draw() {
    const { view } = this.#slot;
    const wanted = store.state.pane === "oi" && !view.compact;
    if (wanted !== Boolean(this.#series)) this.#toggle(wanted);
    if (!this.#series) return;
    if (view.theme !== this.#theme) {
      this.#theme = view.theme;
      this.#series.setTheme(view.theme);
      this.#drawn = [];
    }
    this.#show();
    const top = `${view.pane.height + 3}px`;
    if (this.#note.style.top !== top) this.#note.style.top = top;
    const { style } = this.#slot.chartElement;
    style.setProperty("--lower", `${view.chart.panes()[1]?.getHeight() ?? 0}px`);
  }

  /** @param {boolean} on */
  #toggle(on) {
    const { view, chartElement } = this.#slot;
    this.#note.hidden = !on;
    this.#drawn = [];
    if (on) this.#series = new ContextSeries(view.chart, view.theme);
    else {
      this.#series?.destroy();
      this.#series = null;
      chartElement.style.removeProperty("--lower");
    }
    // The chart lays its panes out in its next frame: what stands over the map by its height moves after it.
    requestAnimationFrame(() =>
      requestAnimationFrame(() => this.#slot.element.isConnected && this.#slot.update()),
    );
  }

  #clear() {
    this.#drawn = [];
    this.#series?.clear();
  }

  #show() {
    const { matrix, symbol } = this.#slot.view.market ?? {};
    const { context } = this.#poll;
    if (!this.#series) return;
    // Of another window it has columns that the map has not: nothing is shown of it.
    const fits = matrix && context?.symbol === symbol && context?.interval_ms === matrix.intervalMs;
    const drawn = fits ? [context, matrix, matrix.first, matrix.end] : [];
    if (drawn.some((each, i) => each !== this.#drawn[i]) || drawn.length !== this.#drawn.length) {
      this.#drawn = drawn;
      if (fits) this.#series.show(matrix, context);
      else this.#series.clear();
    }
    this.#series.setLabelled(this.#slot.view.market?.at === null);
    this.#write();
  }

  #write() {
    const [context] = /** @type {[import("../data/rest-client.js").MarketContext?]} */ (this.#drawn);
    const { matrix, at: lookedAt = null } = this.#slot.view.market ?? {};
    if (!context || !matrix) {
      const word = this.#poll.failed ? "did not load. Trying again." : "is loading";
      return this.#put(`Open interest ${word}`);
    }
    const newest = lookedAt === null ? matrix.end - 1 : matrix.columnAt(lookedAt);
    const column = Math.min(this.#column ?? newest, newest);
    const at = Math.round((matrix.timeOf(column) - context.start_time) / context.interval_ms);
    const held = context.open_interest_usd[at] ?? null;
    const [long, short] = this.#series?.liquidatedIn(column) ?? [0, 0];
    const highest = this.#series?.highest ?? 0;
    const counts = context.open_interest_exchanges;
    const count = counts[at] ?? 0;
    const all = Math.max(...counts);
    if (!all && !highest) return this.#put("No open interest or liquidations are recorded in this window");
    const of = count && count < all ? ` of ${count} of ${all} exchanges` : "";
    this.#put(
      `Open interest|${held === null ? "-" : usd(held)}${of}`,
      highest ? `Liquidated longs|${usd(long)}` : "No liquidations recorded",
      highest ? `shorts|${usd(short)}` : "",
      highest ? `highest bar|${usd(highest)}` : "",
    );
  }

  /** @param {...string} texts each a name and its figure, parted by "|" */
  #put(...texts) {
    const text = texts.join();
    if (this.#note.dataset.text === text) return;
    this.#note.dataset.text = text;
    const parts = texts.filter(Boolean).map((each) => each.split("|"));
    const spans = parts.map(([name, figure]) => h("span", {}, `${name} `, figure && h("b", {}, figure)));
    put(this.#note, ...spans);
  }
}
