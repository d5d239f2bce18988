// @ts-check
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { runInNewContext } from "node:vm";

const SOURCE = readFileSync(fileURLToPath(new URL("../../web/js/push-worker.js", import.meta.url)), "utf8");
const SCOPE = "https://example.com/liq/";

/**
 * The worker in a browser's place.
 * @param {string[]} [pages] addresses of open pages
 */
function started(pages = []) {
  /** @type {Record<string, (event: any) => void>} */
  const listeners = {};
  /** @type {any[]} */
  const shown = [];
  /** @type {string[]} */
  const opened = [];
  const clients = pages.map((url) => ({ url, focus: () => opened.push(`focus ${url}`) }));
  const self = {
    addEventListener: (/** @type {string} */ kind, /** @type {any} */ listener) => (listeners[kind] = listener),
    registration: { scope: SCOPE, showNotification: async (/** @type {any[]} */ ...given) => shown.push(given) },
    clients: { matchAll: async () => clients, openWindow: async (/** @type {string} */ url) => opened.push(url) },
    skipWaiting: () => {},
  };
  runInNewContext(SOURCE, { self, URL, Date });
  /** @param {string} kind @param {object} event */
  const happen = async (kind, event) => {
    /** @type {Promise<unknown>[]} */
    const waits = [];
    listeners[kind]({ ...event, waitUntil: (/** @type {Promise<unknown>} */ wait) => waits.push(wait) });
    await Promise.all(waits);
  };
  /** @param {string} url */
  const click = (url) => happen("notificationclick", { notification: { close: () => {}, data: { url } } });
  return { listeners, shown, opened, happen, click };
}

test("it listens to what is pushed and clicked, and to no request of a page", () => {
  assert.deepEqual(Object.keys(started().listeners).sort(), ["install", "notificationclick", "push"]);
});

test("a message is shown as it is; what cannot be read is shown as an alert, for a browser wants something shown", async () => {
  const { shown, happen } = started();
  const message = { title: "BTCUSDT", body: "12.9M USD", url: "?symbol=BTCUSDT", tag: "t", time_ms: 5 };
  await happen("push", { data: { json: () => message } });
  const fails = () => {
    throw new SyntaxError("no JSON");
  };
  for (const data of [null, { json: fails }]) await happen("push", { data });
  const [[title, { body, tag, timestamp, data }], ...others] = shown;
  assert.deepEqual([title, body, tag, timestamp, data.url], ["BTCUSDT", "12.9M USD", "t", 5, "?symbol=BTCUSDT"]);
  assert.deepEqual(others.map(([name]) => name), ["liqstream", "liqstream"]);
});

test("a click opens the market's map below the path the page is served at", async () => {
  const { opened, click } = started([`${SCOPE}?symbol=ETHUSDT`, "https://example.com/other?symbol=BTCUSDT"]);
  await click("?symbol=BTCUSDT");
  assert.deepEqual(opened, [`${SCOPE}?symbol=BTCUSDT`]);
});

test("a page that shows the market already comes to the front", async () => {
  const { opened, click } = started([`${SCOPE}?window=7d&symbol=BTCUSDT`]);
  await click("?symbol=BTCUSDT");
  assert.deepEqual(opened, [`focus ${SCOPE}?window=7d&symbol=BTCUSDT`]);
});

test("no message leads anywhere else", async () => {
  for (const url of ["https://evil.example/", "//evil.example/", "/", "../", "javascript:alert(1)"]) {
    const { opened, click } = started();
    await click(url);
    assert.deepEqual(opened, [SCOPE], url);
  }
});
