// @ts-check
/**
 * How long an answer is waited for. A proxy or a server that hangs ends no request: without a limit the page
 * would wait for ever, and what is asked for again and again would pile up.
 * @module
 */

/** For a few kB. */
export const ANSWER_MS = 30_000;
/** For a history, which takes its time on a slow line. */
export const HISTORY_MS = 90_000;

/**
 * @template T
 * @param {number} ms
 * @param {AbortSignal | undefined} signal that gives it up before
 * @param {(signal: AbortSignal) => Promise<T>} ask
 * @returns {Promise<T>} Throws what `ask` throws, and an error when the time is over or it is given up.
 */
export async function within(ms, signal, ask) {
  const limit = new AbortController();
  const giveUp = () => limit.abort(signal?.reason);
  if (signal?.aborted) giveUp();
  signal?.addEventListener("abort", giveUp);
  const tooLate = () => limit.abort(new Error(`no answer within ${ms / 1000} s`));
  const timer = setTimeout(tooLate, ms);
  const over = new Promise((_, fail) => {
    limit.signal.addEventListener("abort", () => fail(limit.signal.reason));
  });
  try {
    return await /** @type {Promise<T>} */ (Promise.race([ask(limit.signal), over]));
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", giveUp);
  }
}
