// @ts-check
/**
 * The buttons of one map among several: into a window of its own, and away.
 * @module
 */

import { h } from "../panels/dom.js";

export class CellTools {
  #element;
  #remove;
  #store;

  /**
   * @param {import("../panels/map-slot.js").MapSlot} slot
   * @param {import("../state/view-state.js").ViewStore} store
   * @param {import("./layouts.js").Layouts} layouts
   * @param {() => string} key of the slot's cell
   */
  constructor(slot, store, layouts, key) {
    this.#store = store;
    const named = (/** @type {string} */ name) => ({ type: "button", title: name, "aria-label": name });
    const remove = () => layouts.remove(key());
    this.#remove = h("button", { ...named("Take this map away"), onclick: remove }, "×");
    const popOut = () => layouts.popOut(key());
    const out = h("button", { ...named("This map in a window of its own"), onclick: popOut }, "↗");
    this.#element = h("div", { class: "cell-tools", hidden: !slot.view.compact }, out, this.#remove);
    slot.chartElement.append(this.#element);
  }

  draw() {
    this.#remove.hidden = !this.#store.state.cells.length;
  }

  destroy() {
    this.#element.remove();
  }
}
