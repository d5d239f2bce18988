// @ts-check
/**
 * The table of markets as a client holds it: whole, then changed, and asked for again where one is missing.
 * liqstream/client/market_table.py does the same in Python; tests/market_table_cases.json holds both.
 * @module
 */

import { RESYNC_AGAIN_AFTER_DELTAS } from "./symbol-stream.js";

/** @typedef {import("./messages.js").MarketsMessage} MarketsMessage */
/**
 * @typedef {object} MarketTable value i of each of `fields` is of symbol i
 * @property {string} timestamp
 * @property {number} epoch
 * @property {number} seq
 * @property {string[]} symbols
 * @property {Record<string, import("./messages.js").MarketValue[]>} fields
 */

export class MarketTableState {
  /** @type {MarketTable | null} */
  table = null;
  /** For the whole table that was asked for. */
  #isWaiting = false;
  /** Messages since then. */
  #unusable = 0;

  /** The next connection begins with a whole table. */
  connectionLost() {
    this.table = null;
    this.#isWaiting = false;
    this.#unusable = 0;
  }

  /**
   * Takes a message in.
   * @param {MarketsMessage} message
   * @returns {{ table: MarketTable | null, ask: boolean }} the table after it, null for a message that cannot
   * be used; `ask`: the whole table must be asked for
   */
  take(message) {
    const table = message.symbols ? whole(message) : this.#changed(message);
    if (!table) {
      this.#unusable++;
      const ask = !this.#isWaiting || this.#unusable >= RESYNC_AGAIN_AFTER_DELTAS;
      if (ask) this.#unusable = 0;
      this.#isWaiting = true;
      return { table: null, ask };
    }
    if (message.symbols) this.#isWaiting = false;
    this.table = table;
    return { table, ask: false };
  }

  /**
   * @param {MarketsMessage} message
   * @returns {MarketTable | null}
   */
  #changed({ timestamp, epoch, seq, prev_seq: base, fields: changes }) {
    const held = this.table;
    if (!held || this.#isWaiting || held.epoch !== epoch || held.seq !== base) return null;
    const fields = { ...held.fields };
    for (const [name, change] of Object.entries(changes)) {
      if (Array.isArray(change) || change.i.length !== change.v.length || !fields[name]) return null;
      if (change.i.some((at) => at >= held.symbols.length)) return null;
      const values = [...fields[name]];
      change.i.forEach((at, n) => (values[at] = change.v[n]));
      fields[name] = values;
    }
    return { timestamp, epoch, seq, symbols: held.symbols, fields };
  }
}

/**
 * @param {MarketsMessage} message
 * @returns {MarketTable | null}
 */
function whole({ timestamp, epoch, seq, symbols = [], fields }) {
  /** @type {MarketTable["fields"]} */
  const columns = {};
  if (new Set(symbols).size < symbols.length) return null;
  for (const [name, values] of Object.entries(fields)) {
    if (!Array.isArray(values) || values.length !== symbols.length) return null;
    columns[name] = values;
  }
  return { timestamp, epoch, seq, symbols, fields: columns };
}
