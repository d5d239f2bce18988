// @ts-check
/**
 * What the page keeps in this browser. A browser that keeps nothing (a frame, a full disk, a private window)
 * is no error: what was to be kept lasts as long as the page, and `onUnsaved` hears of it once.
 * @module
 */

/** @type {Map<string, string>} what could not be stored; the rest another tab may have changed since */
const held = new Map();
let unsaved = false;
/** @type {Set<() => void>} */
const listeners = new Set();

/**
 * @param {string} key
 * @returns {string | null} null: nothing was kept
 */
export function recall(key) {
  const text = held.get(key);
  if (text !== undefined) return text;
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/**
 * @param {string} key
 * @param {string} text
 * @returns {boolean} whether it outlives the page
 */
export function keep(key, text) {
  try {
    localStorage.setItem(key, text);
    held.delete(key);
    return true;
  } catch {
    held.set(key, text);
    const first = !unsaved;
    unsaved = true;
    if (first) for (const listener of listeners) listener();
    return false;
  }
}

/**
 * Calls `listener` with what another tab of this browser keeps under a key, whenever it does.
 * @param {string} key
 * @param {(text: string) => void} listener
 */
export function onKeptElsewhere(key, listener) {
  addEventListener("storage", (event) => {
    if (event.key === key && event.newValue !== null) listener(event.newValue);
  });
}

/**
 * Calls `listener` once, at the first thing that could not be stored, also if that was before.
 * @param {() => void} listener
 */
export function onUnsaved(listener) {
  if (unsaved) listener();
  else listeners.add(listener);
}
