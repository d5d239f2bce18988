// @ts-check
/**
 * What a mouse does with Shift or by hovering, and keys do, for fingers: a button that makes the next drag
 * measure, two that put an alert, or the line of "if the price goes to", at the price tapped next, and what
 * is added. Shown where the pointer is coarse (panels.css).
 * @module
 */

import { h } from "../panels/dom.js";

/** @typedef {import("./measure.js").Measure} Measure */

/** @typedef {(y: number) => void} OnTap y: media px within the chart */

export class TouchTools {
  #measure;
  #element;
  #measureButton;
  /** The buttons whose next tap on the map is theirs, and what it does. @type {Map<HTMLElement, OnTap>} */
  #taps = new Map();
  /** Whose the next tap is. @type {HTMLElement | null} */
  #armed = null;

  /**
   * @param {HTMLElement} parent the chart's element
   * @param {Measure} measure
   * @param {{ setAlert: OnTap, setTarget: OnTap }} taps
   */
  constructor(parent, measure, { setAlert, setTarget }) {
    this.#measure = measure;
    /**
     * @param {string} text
     * @param {string} label
     * @param {() => void} onclick
     */
    const button = (text, label, onclick) => {
      const named = { "aria-pressed": "false", "aria-label": label, title: label };
      return h("button", { type: "button", ...named, onclick }, text);
    };
    const tap = (/** @type {string} */ text, /** @type {string} */ label, /** @type {OnTap} */ run) => {
      const made = button(text, label, () => this.#arm(false, this.#armed === made ? null : made));
      this.#taps.set(made, run);
      return made;
    };
    this.#measureButton = button("↔", "Measure: drag over the map", () => this.#arm(!measure.armed, null));
    const alert = tap("+", "Alert: tap a price", setAlert);
    const target = tap("→", "If the price goes to: tap a price", setTarget);
    this.#element = h("div", { class: "touch-tools" }, this.#measureButton, alert, target);
    parent.append(this.#element);
    // No click: the chart keeps the browser from making one of a tap.
    parent.addEventListener("pointerup", (event) => {
      const run = this.#armed && this.#taps.get(this.#armed);
      if (!run || (event.target instanceof Element && event.target.closest("button"))) return;
      this.#arm(false, null);
      run(event.clientY - parent.getBoundingClientRect().top);
    });
  }

  /**
   * A button more, that does what it is for at once.
   * @param {string} text
   * @param {string} label
   * @param {() => void} onclick
   */
  add(text, label, onclick) {
    this.#element.append(h("button", { type: "button", "aria-label": label, title: label, onclick }, text));
  }

  /** A drag was measured: the next one moves the map again. */
  release() {
    this.#arm(false, null);
  }

  /**
   * @param {boolean} measuring
   * @param {HTMLElement | null} tapping
   */
  #arm(measuring, tapping) {
    this.#measure.armed = measuring;
    this.#armed = tapping;
    this.#measureButton.setAttribute("aria-pressed", String(measuring));
    for (const each of this.#taps.keys()) each.setAttribute("aria-pressed", String(each === tapping));
  }
}
