// @ts-check
/**
 * The one request made before all modules are there: the first history, whose address stands in the page's
 * head. This script runs before all others have come, so that the first drawing of the chart is one with
 * data.
 * @module
 */

/** @typedef {{ response: Response, body: ArrayBuffer | null }} HistoryResponse `body` of a good one */

const TRIES_KEY = "liqstream.tries";
const FIRST_WAIT_S = 3;
const LONGEST_WAIT_S = 60;
/** @type {ReturnType<typeof setTimeout> | undefined} the timer of the next try */
let reloading;

const preload = /** @type {HTMLLinkElement | null | undefined} */ (
  globalThis.document?.querySelector('link[rel="preload"][as="fetch"]')
);
/** @type {{ address: string, pending: Promise<HistoryResponse> } | null} */
let first = preload ? { address: preload.href, pending: request(preload.href) } : null;
first?.pending.catch(() => {}); // whoever takes it handles it

// A script of the page that does not come is named and tried again: without it the page would wait for ever.
globalThis.addEventListener?.(
  "error",
  (event) => {
    if (event.target instanceof HTMLScriptElement) reloadSoon();
  },
  true,
);

// The first formatter of each kind loads the locale's tables, some 15 ms; now there is nothing else to do.
new Intl.NumberFormat().format(0);
new Intl.DateTimeFormat().format(0);

/**
 * @param {string} address
 * @returns {Promise<HistoryResponse>}
 */
async function request(address) {
  const response = await fetch(address);
  return { response, body: response.ok ? await response.arrayBuffer() : null };
}

/**
 * The request under way, once, if it is for that address: compared as the browser resolves both, for a page
 * below a path has relative ones.
 * @param {string} address
 * @returns {Promise<HistoryResponse> | null}
 */
export function takeFirst(address) {
  const pending = first && first.address === resolved(address) ? first.pending : null;
  first = null;
  return pending;
}

/** @param {string} address */
function resolved(address) {
  return new URL(address, globalThis.document?.baseURI).href;
}

/** Says that a part of the page is missing and loads it anew, later with every try that failed. */
export function reloadSoon() {
  if (reloading) return;
  const tries = triesBefore();
  const waitS = Math.min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** tries);
  const notice = document.querySelector("#notice");
  if (notice instanceof HTMLElement) {
    notice.textContent = `Part of the page did not load. Trying again in ${waitS} s.`;
    notice.hidden = false;
    notice.dataset.kept = "1"; // by the indicator too, which may be there already
  }
  reloading = setTimeout(() => {
    setTries(tries + 1);
    location.reload();
  }, waitS * 1000);
}

/** All of the page is there, be it that the browser itself tried again. */
export function loadedWhole() {
  clearTimeout(reloading);
  const notice = document.querySelector("#notice");
  if (notice instanceof HTMLElement) delete notice.dataset.kept;
  setTries(0);
}

function triesBefore() {
  try {
    return Number(sessionStorage.getItem(TRIES_KEY)) || 0;
  } catch {
    return 0;
  }
}

/** @param {number} tries */
function setTries(tries) {
  try {
    sessionStorage.setItem(TRIES_KEY, String(tries));
  } catch {
    // then every wait is the first one's
  }
}
