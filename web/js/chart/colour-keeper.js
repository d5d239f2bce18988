// @ts-check
/**
 * Keeps the colours still: follows the 99.5th percentile of what is in sight only when it is clearly off,
 * eases there, and never moves during a drag or while locked.
 * @module
 */

import { PALETTES } from "./palettes.js";
import { colourTable, FULL_AT_QUANTILE, holds, quantileUsd, shares } from "./colour-scale.js";

const EASE_MS = 320;

/** @typedef {{ palette: "viridis" | "magma", scale: import("./colour-scale.js").ScaleName, low: number, high: number | null, lock: boolean, light: boolean, grey: boolean }} Wish */

export class ColourKeeper {
  /** @type {Wish} */
  #wish = { palette: "viridis", scale: "sqrt", low: 0, high: null, lock: false, light: false, grey: false };
  #apply;
  #auto = 0;
  #target = 0;
  /** @type {Uint32Array | undefined} */
  #counts;
  #frame = 0;
  #still;

  /** @param {(table: Uint32Array) => void} apply @param {() => boolean} still whether nothing may be animated */
  constructor(apply, still) {
    this.#apply = apply;
    this.#still = still;
    /** @type {Uint32Array} */
    this.table = new Uint32Array(0);
    /** Called after every change, for the legend. */
    this.onChange = () => {};
  }

  /** USD at which the colour is full. */
  get high() {
    return this.#wish.high ?? this.#auto;
  }

  get low() {
    return this.#wish.low;
  }

  /** USD the scale would choose by itself. */
  get auto() {
    return this.#auto;
  }

  /** @param {Wish} wish */
  set(wish) {
    this.#wish = wish;
    this.#paint();
  }

  /** Forgets what was held, for another market, view or window. */
  reset() {
    this.#auto = this.#target = 0;
  }

  /** @param {Uint32Array} counts cells in sight per rung */
  see(counts) {
    this.#counts = counts;
    const wanted = quantileUsd(counts, FULL_AT_QUANTILE);
    if (!wanted || (this.#wish.lock && this.#auto)) return;
    if (!this.#auto || this.#wish.high !== null || this.#still()) {
      if (holds(this.#auto, wanted)) return;
      this.#auto = this.#target = wanted;
      this.#paint();
    } else if (!holds(this.#target, wanted)) {
      this.#target = wanted;
      this.#ease(this.#auto, performance.now());
    }
  }

  /** @param {number} from @param {number} started */
  #ease(from, started) {
    cancelAnimationFrame(this.#frame);
    const step = () => {
      const share = Math.min(1, (performance.now() - started) / EASE_MS);
      const eased = 1 - (1 - share) ** 3;
      this.#auto = from * (this.#target / from) ** eased;
      this.#paint();
      if (share < 1) this.#frame = requestAnimationFrame(step);
    };
    this.#frame = requestAnimationFrame(step);
  }

  #paint() {
    if (!this.high) return;
    const { palette, scale, low, light, grey } = this.#wish;
    const look = { palette: PALETTES[palette], reversed: light, grey };
    this.table = colourTable(shares({ scale, low, high: this.high, counts: this.#counts }), look);
    this.#apply(this.table);
    this.onChange();
  }
}
