// @ts-check
/**
 * Which of several recurring tasks are due.
 * @module
 */

export class Schedule {
  /** @type {Map<string, number>} when each task was last begun, performance.now() */
  #begunAt = new Map();

  /**
   * Whether a task's time has come; if so, it counts as begun.
   * @param {string} task
   * @param {number} everyMs
   * @returns {boolean}
   */
  due(task, everyMs) {
    const now = performance.now();
    if (now - (this.#begunAt.get(task) ?? -Infinity) < everyMs) return false;
    this.#begunAt.set(task, now);
    return true;
  }

  /** Every task is due at once. */
  reset() {
    this.#begunAt.clear();
  }
}
