// @ts-check
/**
 * What the chart library's own gestures lack: a wheel over the price axis and two fingers moved up and down
 * zoom the price, a double-click on the time axis shows the whole window. In another page's frame the wheel
 * is that page's until the map was clicked or Ctrl is held.
 * @module
 */

/** Price zoom per pixel of the wheel. */
const PER_PIXEL = 0.0015;

export class PriceGestures {
  #element;
  #view;
  #clicked;
  /** Vertical distance of two fingers that stretch the price, media px; 0: they do not. */
  #span = 0;

  /**
   * @param {HTMLElement} element of the chart
   * @param {object} view
   * @param {import("./viewport.js").Viewport} view.viewport
   * @param {() => { width: number, height: number }} view.pane without the axes, media px
   * @param {(y: number) => number | null} view.priceAt
   * @param {boolean} view.framed whether the page is a frame in another one
   */
  constructor(element, view) {
    this.#element = element;
    this.#view = view;
    this.#clicked = !view.framed;
    // The library listens on its canvases: what is ours is taken before it comes there.
    element.addEventListener("wheel", (event) => this.#wheel(event), { capture: true, passive: false });
    element.addEventListener("dblclick", (event) => this.#doubleClick(event), true);
    const listening = { capture: true, passive: true };
    element.addEventListener("touchstart", (event) => this.#startPinch(event), listening);
    element.addEventListener("touchmove", (event) => this.#pinch(event), { capture: true, passive: false });
    if (!view.framed) return;
    element.addEventListener("pointerdown", () => (this.#clicked = true), true);
    element.addEventListener("pointerleave", () => (this.#clicked = false));
  }

  /** @param {{ clientX: number, clientY: number }} event */
  #placeOf({ clientX, clientY }) {
    const { left, top } = this.#element.getBoundingClientRect();
    return { x: clientX - left, y: clientY - top };
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    if (!this.#clicked && !event.ctrlKey) return event.stopPropagation(); // and the page around scrolls
    const { x, y } = this.#placeOf(event);
    const { width, height } = this.#view.pane();
    if (x < width || y > height) {
      if (!this.#clicked) event.preventDefault(); // Ctrl and the wheel would zoom the page as well
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : 32);
    const factor = Math.exp(Math.max(-0.5, Math.min(0.5, pixels * PER_PIXEL)));
    this.#view.viewport.zoomPrice(factor, this.#view.priceAt(y) ?? undefined);
  }

  /** @param {MouseEvent} event */
  #doubleClick(event) {
    const { x, y } = this.#placeOf(event);
    const { width, height } = this.#view.pane();
    if (y > height && x < width) this.#view.viewport.fitTime();
  }

  /** @param {TouchEvent} event */
  #startPinch({ touches }) {
    this.#span = 0;
    if (touches.length !== 2) return;
    const [across, up] = spans(touches);
    if (up > 1.5 * across) this.#span = up;
  }

  /** @param {TouchEvent} event */
  #pinch(event) {
    if (!this.#span || event.touches.length !== 2) return;
    event.preventDefault();
    event.stopPropagation();
    const [, up] = spans(event.touches);
    const middle = (this.#placeOf(event.touches[0]).y + this.#placeOf(event.touches[1]).y) / 2;
    if (up > 10) this.#view.viewport.zoomPrice(this.#span / up, this.#view.priceAt(middle) ?? undefined);
    this.#span = Math.max(10, up);
  }
}

/**
 * @param {TouchList} touches two
 * @returns {[number, number]} how far they are apart, across and up
 */
function spans([a, b]) {
  return [Math.abs(a.clientX - b.clientX), Math.abs(a.clientY - b.clientY)];
}
