// @ts-check
/**
 * Builds elements. Text only ever becomes a text node: nothing from the server or an address is markup.
 * @module
 */

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} [given] attributes; `on...` are listeners, `data` is the dataset, `class` the
 * classes
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  put(element, ...children);
  return element;
}

/**
 * Replaces what is in an element.
 * @param {Element} element
 * @param {...Child} children
 */
export function put(element, ...children) {
  element.replaceChildren(
    ...children
      .filter((child) => child || child === 0)
      .map((child) => (child instanceof Node ? child : String(child))),
  );
}

/**
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} selector
 * @returns {T} Throws when there is none.
 */
export function find(selector) {
  const element = document.querySelector(selector);
  if (!element) throw new Error(`the page has no ${selector}`);
  return /** @type {T} */ (element);
}

const NOTE_MS = 2000;

/** Shows a word about what was just done, and announces it. @param {string} text */
export function note(text) {
  const element = h("div", { class: "note" }, text);
  document.body.append(element);
  setTimeout(() => element.remove(), NOTE_MS);
  announce(text);
}

/** Announces a sentence to screen readers. @param {string} text */
export function announce(text) {
  region ??= document.body.appendChild(h("div", { class: "unseen", "aria-live": "polite" }));
  region.textContent = text;
}
/** @type {HTMLElement | undefined} */
let region;

/**
 * A canvas at the device's resolution.
 * @param {HTMLCanvasElement} canvas
 * @returns {{ context: CanvasRenderingContext2D, width: number, height: number }} media px
 */
export function sharp(canvas) {
  const ratio = devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  const [w, hgt] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== hgt) {
    canvas.width = w;
    canvas.height = hgt;
  }
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}
