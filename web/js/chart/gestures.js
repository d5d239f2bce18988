// @ts-check
/**
 * When the viewer's gesture on a map is over, and when the map has come to rest.
 * @module
 */

const SETTLE_MS = 150;
/** A gesture is over once nothing of it came for so long. */
const GESTURE_MS = 250;

export class Gestures {
  #onEnd;
  #onSettled;
  #pointerDown = false;
  /** Whether the map is gone: no timer begins any more. */
  #gone = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #settling;
  /** @type {ReturnType<typeof setTimeout> | undefined} none while no gesture is ending */
  #ending;

  /**
   * @param {HTMLElement} element of the map
   * @param {{ onEnd: () => void, onSettled: () => void }} hooks `onSettled` waits for a pressed pointer
   */
  constructor(element, { onEnd, onSettled }) {
    this.#onEnd = onEnd;
    this.#onSettled = onSettled;
    element.addEventListener("pointerdown", () => (this.#pointerDown = true));
    element.addEventListener("wheel", () => this.endSoon(), { passive: true });
    element.addEventListener("dblclick", () => this.endSoon());
    // A drag that began on the map may end anywhere.
    addEventListener("pointerup", this.#release);
    addEventListener("pointercancel", this.#release);
  }

  destroy() {
    this.#gone = true;
    clearTimeout(this.#settling);
    this.forget();
    removeEventListener("pointerup", this.#release);
    removeEventListener("pointercancel", this.#release);
  }

  /** Part of a gesture came: it ends when no other follows. */
  endSoon() {
    clearTimeout(this.#ending);
    if (this.#gone) return;
    this.#ending = setTimeout(() => this.finish(), GESTURE_MS);
  }

  /** What came of a gesture is the whole of it. */
  finish() {
    if (this.#ending === undefined) return;
    this.forget();
    this.#onEnd();
    this.settleSoon();
  }

  /** What came of a gesture is not to end in anything. */
  forget() {
    clearTimeout(this.#ending);
    this.#ending = undefined;
  }

  /** Something moved: the map is at rest when nothing else does. */
  settleSoon() {
    clearTimeout(this.#settling);
    if (this.#gone) return;
    this.#settling = setTimeout(() => {
      if (this.#pointerDown) this.settleSoon();
      else this.#onSettled();
    }, SETTLE_MS);
  }

  #release = () => {
    if (this.#pointerDown) this.endSoon();
    this.#pointerDown = false;
  };
}
