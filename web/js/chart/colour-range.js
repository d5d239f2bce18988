// @ts-check
/**
 * The range of USD the colours span: it follows the 99.5th percentile of what is in sight only when it is
 * clearly off, eases there, and never moves during a drag or while locked.
 * @module
 */

import { PALETTES } from "./palettes.js";
import { quantise } from "../data/quantise.js";
import { colourTable, FULL_AT_QUANTILE, holds, quantileUsd, shares } from "./colour-scale.js";

const EASE_MS = 320;
/** What is less than this share of full colour is not drawn, unless the viewer says otherwise. */
const LOW_SHARE = 0.1;

/**
 * @typedef {object} ColourSettings
 * @property {import("./palettes.js").PaletteName} palette
 * @property {import("./colour-scale.js").ScaleName} scale
 * @property {number | null} low USD below which nothing is drawn; null: LOW_SHARE of where it is full
 * @property {number | null} high USD at which the colour is full; null: as the map is
 * @property {boolean} lock
 * @property {boolean} light the theme
 * @property {boolean} grey
 */

export class ColourRange {
  /** @type {ColourSettings} */
  #settings = {
    palette: "viridis",
    scale: "sqrt",
    low: null,
    high: null,
    lock: false,
    light: false,
    grey: false,
  };
  /** The settings as text, so that equal ones paint nothing. */
  #key = "";
  #apply;
  #auto = 0;
  #target = 0;
  /** Whether nothing in sight was observed since the last reset. */
  #fresh = true;
  /** @type {Uint32Array | undefined} */
  #counts;
  #frame = 0;
  #still;
  /** @type {Set<() => void>} */
  #listeners = new Set();

  /**
   * @param {(table: Uint32Array) => void} apply
   * @param {() => boolean} still whether nothing may be animated
   */
  constructor(apply, still) {
    this.#apply = apply;
    this.#still = still;
    /** @type {Uint32Array} */
    this.table = new Uint32Array(0);
  }

  /**
   * Calls `listener` after every change of the table.
   * @param {() => void} listener
   * @returns {() => void} ends it
   */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** USD at which the colour is full. */
  get high() {
    return this.#settings.high ?? this.#auto;
  }

  /** USD below which nothing is drawn. */
  get low() {
    return this.#settings.low ?? LOW_SHARE * this.high;
  }

  /** USD the scale would choose by itself. */
  get auto() {
    return this.#auto;
  }

  /** @param {ColourSettings} settings */
  set(settings) {
    const key = Object.values(settings).join();
    if (key === this.#key) return;
    this.#key = key;
    this.#settings = settings;
    this.#paint();
  }

  /** Forgets what was held, for another market, view or window. */
  reset() {
    this.#auto = this.#target = 0;
    this.#fresh = true;
  }

  /** Ends what is being eased, with the map. */
  stop() {
    if (this.#frame) cancelAnimationFrame(this.#frame);
  }

  /** Cells in sight per index, as last observed. */
  get counts() {
    return this.#counts;
  }

  /** Whether all that is in sight is less than what is drawn. */
  get hidesAll() {
    const least = quantise(this.low);
    const counts = this.#counts ?? [];
    return counts.some((count) => count > 0) && !counts.some((count, i) => count > 0 && i >= least);
  }

  /**
   * @param {Uint32Array} counts cells in sight per index
   * @param {object} [options]
   * @param {boolean} [options.guessed] whether they only stand for what will be in sight
   */
  observe(counts, { guessed = false } = {}) {
    this.#counts = counts;
    const wanted = quantileUsd(counts, FULL_AT_QUANTILE);
    if (!wanted || (this.#settings.lock && this.#auto && !this.#fresh)) return;
    // What is shown afresh has the scale of what is in sight, whatever was guessed or held before: the same
    // link is the same picture. Only live updates are held back.
    const fresh = this.#fresh;
    if (!guessed) this.#fresh = false;
    if (fresh && wanted !== this.#auto) {
      this.stop();
      this.#auto = this.#target = wanted;
      return this.#paint();
    }
    if (!this.#auto || this.#settings.high !== null || this.#still()) {
      if (holds(this.#auto, wanted)) return;
      this.#auto = this.#target = wanted;
      this.#paint();
    } else if (!holds(this.#target, wanted)) {
      this.#target = wanted;
      this.#ease(this.#auto, performance.now());
    }
  }

  /**
   * @param {number} from
   * @param {number} started
   */
  #ease(from, started) {
    this.stop();
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
    const { palette, scale, light, grey } = this.#settings;
    const { low, high } = this;
    const look = { palette: PALETTES[palette], reversed: light, grey };
    this.table = colourTable(shares({ scale, low, high, counts: this.#counts }), look);
    this.#apply(this.table);
    for (const listener of this.#listeners) listener();
  }
}
