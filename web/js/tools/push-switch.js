// @ts-check
/**
 * The switch "Also on this device when the page is closed", and what stands in its way.
 * @module
 */

import { keepServerRules } from "../data/server-rules.js";
import { pushState, switchOff, switchOn, isIos } from "../data/push-device.js";
import { announce, h, put } from "../panels/dom.js";

/** @typedef {import("../data/push-device.js").PushState} PushState */

const TEXT = "Also on this device when the page is closed";
/** After the last of several changes, such as a level that is dragged. */
const KEEP_AFTER_MS = 500;
const LOADING = "Looking whether this device gets them …";
/** @type {Record<PushState, string>} */
const SENTENCES = {
  on: "The server watches these alerts on all markets and tells this browser, also when it is closed.",
  off: "",
  refused: "Notifications are blocked for this site: allow them in the browser's settings, then try again.",
  insecure: "Browsers have this only on pages over HTTPS.",
  "home-screen": "On iPhone and iPad: Share, Add to Home Screen, and switch it on in what opens from there.",
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

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #keeping;
  #alerts;

  /** @param {import("./alerts.js").Alerts} alerts whose rules the server watches while it is on */
  constructor(alerts) {
    this.#alerts = alerts;
    alerts.subscribe(() => {
      clearTimeout(this.#keeping);
      if (this.#state === "on") this.#keeping = setTimeout(() => void this.#look(), KEEP_AFTER_MS);
    });
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
      if (this.#state === "on") await keepServerRules(this.#alerts.rules);
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
    const look = () => void this.#look();
    const again = h("button", { type: "button", class: "plain", onclick: look }, "Try again");
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
    await this.#change(on ? switchOn : off);
    if (hadFocus) this.element.querySelector("input")?.focus();
    announce(this.#failed || (this.#state ? SENTENCES[this.#state] || `${TEXT}: ${this.#state}` : ""));
  }
}

/** The rules first: what is watched for nobody would be kept for nothing. */
async function off() {
  await keepServerRules(null);
  return switchOff();
}
