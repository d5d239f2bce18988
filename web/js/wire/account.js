// @ts-check
/**
 * What arrived of one symbol's stream, and what did not: every seq accounted for once.
 * liqstream/client/account.py keeps the same figures; tests/client_behaviours.json holds both.
 * @module
 */

/** @typedef {{ epoch: number, seq: number }} StreamPosition */
/**
 * @typedef {object} Account what arrived of a symbol and what did not, over all connections. Within an epoch,
 * and summed over epochs: last seq - first seq = received - 1 + skipped + dropped + missed + away. A state
 * dropped because the server stands elsewhere begins anew, as an epoch does.
 * @property {number} received messages, repeats aside
 * @property {number} skipped passed over by the update interval
 * @property {number} missed what seq shows to be lacking beyond these
 * @property {number} dropped of this symbol by backpressure, as SLOW_CONSUMER warnings state it
 * @property {number} away went by between two connections
 * @property {number} resyncs whole states requested
 */

/**
 * @param {StreamPosition} one
 * @param {StreamPosition} other
 * @returns {boolean}
 */
export function isAfter(one, other) {
  return one.epoch > other.epoch || (one.epoch === other.epoch && one.seq > other.seq);
}

export class AccountKeeper {
  /** @type {Account} */
  account = { received: 0, skipped: 0, missed: 0, dropped: 0, away: 0, resyncs: 0 };
  /** Of the last message counted; null: the next is a first one. @type {StreamPosition | null} */
  #last = null;
  /** Nothing was counted on this connection yet. */
  #isFresh = true;
  /** Missed on this connection, and not stated by a warning yet. */
  #unexplained = 0;
  /** Stated by a warning, and their gap has not come yet. */
  #announced = 0;

  /** What goes by from now on is `away`; warnings of this connection have nothing more to explain. */
  connectionLost() {
    this.#isFresh = true;
    this.#unexplained = this.#announced = 0;
  }

  /** No gap leads to the next message. */
  beginAnew() {
    this.#last = null;
  }

  /**
   * Counts a message that is no repeat.
   * @param {StreamPosition} at
   * @param {number} skipped
   * @returns {boolean} false, and not counted, if this connection was past it
   */
  count(at, skipped) {
    const { account } = this;
    const last = this.#last;
    const isNewer = !last || isAfter(at, last);
    if (!isNewer && !this.#isFresh) return false;
    account.received += 1;
    if (last && isNewer && last.epoch === at.epoch) {
      const gap = at.seq - last.seq - 1;
      if (this.#isFresh) account.away += gap;
      else this.#explain(gap, Math.min(skipped, gap));
    }
    this.#last = at;
    this.#isFresh = false;
    return true;
  }

  /**
   * A warning states drops: they are no longer missed, or will not be once their gap has come.
   * @param {number} count
   */
  takeDropped(count) {
    const explained = Math.min(count, this.#unexplained);
    this.#unexplained -= explained;
    this.#announced += count - explained;
    this.account.missed -= explained;
    this.account.dropped += explained;
  }

  /**
   * @param {number} gap
   * @param {number} skipped
   */
  #explain(gap, skipped) {
    const dropped = Math.min(gap - skipped, this.#announced);
    const missed = gap - skipped - dropped;
    this.#announced -= dropped;
    this.#unexplained += missed;
    this.account.skipped += skipped;
    this.account.dropped += dropped;
    this.account.missed += missed;
  }
}
