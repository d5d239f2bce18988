// @ts-check
/**
 * Outlines the clusters the price has swept on one map while that is chosen, and lists them for those who do
 * not see the map.
 * @module
 */

import { SweptPrimitive, textOf } from "../chart/swept-primitive.js";
import { price as priceText } from "../data/format.js";
import { liquidatedIn, SweptBands } from "../data/swept.js";
import { h, put } from "../panels/dom.js";

/** More would cover the map. */
const MOST = 12;

export class SweptOutlines {
  #slot;
  #store;
  #primitive;
  /** @type {SweptBands | null} of the history in sight */
  #bands = null;
  /** What was shown last, so that a frame with nothing new draws nothing. */
  #shown = "";
  #list = h("ul", { class: "unseen", "aria-label": "Swept clusters", hidden: true });
  #note = h("div", { class: "swept-note", hidden: true }, "No cluster was swept in this window");

  /**
   * @param {import("../panels/map-slot.js").MapSlot} slot
   * @param {import("../state/view-state.js").ViewStore} store
   */
  constructor(slot, store) {
    this.#slot = slot;
    this.#store = store;
    this.#primitive = new SweptPrimitive(() => slot.view.theme);
    slot.view.candles.attachPrimitive(this.#primitive);
    slot.chartElement.append(this.#list, this.#note);
    this.#leave = store.subscribe((_, changed) => changed.has("swept") && this.draw());
  }

  #leave;

  destroy() {
    this.#leave();
  }

  draw() {
    const { market } = this.#slot.view;
    const matrix = this.#store.state.swept ? (market?.matrix ?? null) : null;
    if (!matrix || !market) return this.#show(null, []);
    if (this.#bands?.matrix !== matrix) {
      this.#bands = new SweptBands(matrix);
      this.#shown = "";
    }
    const events = market.liquidations;
    // Looking back, what was swept later is not known yet.
    const untilMs = market.at === null ? Infinity : market.at + matrix.intervalMs;
    const { compact } = this.#slot.view;
    const key = `${untilMs}/${matrix.end}/${events.length}/${events.at(-1)?.timeMs}/${compact}`;
    if (key === this.#shown) return;
    const swept = this.#bands.find().filter(({ toMs }) => toMs < untilMs);
    const found = swept.slice(0, compact ? MOST / 3 : MOST);
    this.#show(
      matrix,
      found.map((band) => ({ ...band, came: liquidatedIn(band, events, matrix.step) })),
      untilMs,
    );
    this.#shown = key;
  }

  /**
   * @param {import("../data/history-matrix.js").HistoryMatrix | null} matrix
   * @param {import("../chart/swept-primitive.js").Outlined[]} bands
   * @param {number} [untilMs]
   */
  #show(matrix, bands, untilMs = Infinity) {
    const empty = !matrix;
    if (empty && this.#shown === "off") return;
    this.#shown = empty ? "off" : "";
    this.#primitive.show(matrix, bands, untilMs);
    this.#list.hidden = !bands.length;
    this.#note.hidden = empty || bands.length > 0;
    const { clock } = this.#slot.view;
    const lines = bands.map((band) => {
      const at = `${priceText(band.low)} to ${priceText(band.high)}`;
      return h("li", {}, `${clock.format(band.toMs, "full")}: ${band.side}s, ${at}, ${textOf(band)}`);
    });
    put(this.#list, ...lines);
  }
}
