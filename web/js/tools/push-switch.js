// @ts-check
/**
 * The switch "Also on this device when the page is closed", and what stands in its way.
 * @module
 */

import { pushState, switchOff, switchOn, isIos } from "../data/push-device.js";
import { announce, h, put } from "../panels/dom.js";

/** @typedef {import("../data/push-device.js").PushState} PushState */

const TEXT = "Also on this device when the page is closed";
const LOADING = "Looking whether this device gets them …";
/** @type {Record<PushState, string>} */
const SENTENCES = {
  on: "The server sends this browser what your alerts find, also when it is closed.",
  off: "",
  refused: "Notifications are blocked for this site: allow them in the browser's settings, then switch it on.",
  insecure: "Browsers have this only on pages over HTTPS.",
  "home-screen": "On iPhone and iPad: Share, Add to Home Screen, then switch it on in the page opened from there.",
  unsupported: "This browser cannot be reached while the page is closed.",
  "server-off": "",
};

export class PushSwitch {
  /** For the alerts panel; empty where the server sends nothing to devices. */
  element = h("div", { class: "push" });
  /** @type {PushState | null} null: not known yet, or no more */
  #state = null;
  #busy = false;
  #failed = "";

  constructor() {
    if (isIos()) document.head.append(h("link", { rel: "manifest", href: "manifest.webmanifest" }));
  }

  /** For the panel; what is so is asked for each time it opens, when nothing of it is in sight yet. */
  shown() {
    if (!this.element.offsetParent) void this.#look();
    return this.element;
  }

  #look() {
    return this.#change(pushState);
  }

  /** @param {() => Promise<PushState>} work */
  async #change(work) {
    if (this.#busy) return;
    this.#busy = true;
    this.#failed = "";
    this.#draw();
    try {
      this.#state = await work();
    } catch (error) {
      this.#failed = `This did not work: ${error instanceof Error ? error.message : error}`;
    }
    this.#busy = false;
    this.#draw();
  }

  #draw() {
    if (this.#state === "server-off" && !this.#failed) return put(this.element);
    const on = this.#state === "on";
    const input = h("input", {
      type: "checkbox",
      checked: on,
      disabled: this.#busy || (this.#state !== "on" && this.#state !== "off" && this.#state !== "refused"),
      onchange: () => void this.#turn(input.checked),
    });
    const text = this.#failed || (this.#state ? SENTENCES[this.#state] : LOADING);
    const again = h("button", { type: "button", class: "plain", onclick: () => void this.#look() }, "Try again");
    put(
      this.element,
      h("label", { class: "rule" }, input, h("span", {}, TEXT)),
      text && h("p", { class: "quiet" }, text),
      this.#failed && again,
    );
  }

  /** @param {boolean} on */
  async #turn(on) {
    const hadFocus = this.element.contains(document.activeElement);
    await this.#change(on ? switchOn : switchOff);
    if (hadFocus) this.element.querySelector("input")?.focus();
    announce(this.#failed || (this.#state ? SENTENCES[this.#state] || `${TEXT}: ${this.#state}` : ""));
  }
}
