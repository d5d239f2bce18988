// @ts-check
/**
 * A panel that opens from a button: outside clicks and Escape close it, focus goes in and comes back.
 * @module
 */

import { h, put } from "./dom.js";

/** @type {Popover | null} */
let opened = null;

export class Popover {
  #button;
  #fill;
  #onOpen;
  #element;

  /**
   * @param {HTMLElement} button
   * @param {string} title
   * @param {() => import("./dom.js").Child[]} fill what is in it, asked each time
   * @param {() => void} [onOpen] called each time it is opened
   */
  constructor(button, title, fill, onOpen = () => {}) {
    this.#button = button;
    this.#fill = fill;
    this.#onOpen = onOpen;
    this.#element = h("div", {
      class: "popover",
      role: "dialog",
      "aria-label": title,
      hidden: true,
      tabindex: -1,
    });
    document.body.append(this.#element);
    addEventListener("resize", () => this.isOpen && this.#place());
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => this.toggle());
  }

  get isOpen() {
    return opened === this;
  }

  toggle() {
    if (this.isOpen) this.close();
    else this.open();
  }

  open() {
    opened?.close();
    opened = this;
    this.refresh();
    this.#element.hidden = false;
    this.#button.setAttribute("aria-expanded", "true");
    this.#place();
    this.#onOpen();
    this.#element.focus();
    document.addEventListener("pointerdown", this.#outside, true);
  }

  /** Below its button, as high as there is room: where those are after a phone was turned, too. */
  #place() {
    const { right, bottom } = this.#button.getBoundingClientRect();
    this.#element.style.top = `${bottom + 6}px`;
    this.#element.style.right = `${Math.max(8, innerWidth - right)}px`;
    this.#element.style.maxHeight = `${innerHeight - bottom - 20}px`;
  }

  /** Shows what there is now; what had the focus has it again. */
  refresh() {
    if (this.isOpen) putAnew(this.#element, ...this.#fill());
  }

  close() {
    if (!this.isOpen) return;
    opened = null;
    this.#element.hidden = true;
    this.#button.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", this.#outside, true);
    if (this.#element.contains(document.activeElement)) this.#button.focus();
  }

  /** @param {Event} event */
  #outside = (event) => {
    const target = /** @type {Node} */ (event.target);
    if (!this.#element.contains(target) && !this.#button.contains(target)) this.close();
  };
}

/**
 * Replaces what is in a part of a panel. The control in focus has it again, or what stands in its place:
 * without one the keys would go to the map.
 * @param {HTMLElement} element
 * @param {...import("./dom.js").Child} children
 */
export function putAnew(element, ...children) {
  const { activeElement } = document;
  const at = controlsOf(element).findIndex((each) => each === activeElement);
  const name = nameOf(activeElement);
  put(element, ...children);
  if (at < 0) return;
  const controls = controlsOf(element);
  const near = controls[Math.min(at, controls.length - 1)];
  const panel = /** @type {HTMLElement | null} */ (element.closest(".popover"));
  (controls.find((each) => nameOf(each) === name) ?? near ?? panel)?.focus();
}

/** @param {HTMLElement} element @returns {HTMLElement[]} what in it can be in focus */
function controlsOf(element) {
  return /** @type {HTMLElement[]} */ ([...element.querySelectorAll(":is(button, input, select):enabled")]);
}

/** @param {Element | null} control */
function nameOf(control) {
  const text = control?.ariaLabel ?? control?.closest("label, button")?.textContent;
  return control && `${control.tagName} ${text}`;
}

/** Closes whatever is open. @returns {boolean} whether anything was */
export function closePopover() {
  if (!opened) return false;
  opened.close();
  return true;
}
