// @ts-check
// Damaged messages of a server: each gives a state, a resync or is counted, and nothing impossible is shown.
// tests/test_client/test_damaged_frames.py does the same to liqstream.client. DAMAGED_FRAMES sets how many.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { LiqstreamClient } from "../../web/js/websocket-client.js";
import { random } from "./lqh1.js";

const FRAMES = Number(process.env.DAMAGED_FRAMES ?? 2000);
const SEED = Number(process.env.DAMAGED_SEED ?? 0) || 1 + Math.floor(Math.random() * 2 ** 31);
const behaviours = JSON.parse(readFileSync(new URL("../client_behaviours.json", import.meta.url), "utf8"));
const SENT = behaviours
  .flatMap((/** @type {any} */ behaviour) => behaviour.connections.flat())
  .map((/** @type {any} */ step) => step.say)
  .filter((/** @type {any} */ say) => say && !say.data?.levels);
const ODD = [
  null, true, false, 0, -1, 1, 2 ** 53, 2 ** 64, 1e308, -0, 5e-324, "", "x", "NaN", [], {}, [null], [[]],
  "9999-12-31T23:59:59Z", "0000-00-00T00:00:00Z", { i: [0], v: [-1] }, [-1], [1e300, 1e300, 1e300, 1e300],
];

/** A socket whose other end is the test. */
class Wire {
  static last = /** @type {Wire | null} */ (null);
  readyState = 0;
  /** @type {any} */ onopen = null;
  /** @type {any} */ onmessage = null;
  /** @type {any} */ onclose = null;
  /** @type {any} */ onerror = null;
  constructor() {
    Wire.last = this;
  }
  send() {}
  close() {
    this.readyState = 3;
  }
}

/**
 * @param {() => number} next 0..1
 * @param {object} message
 */
function damaged(next, message) {
  const below = (/** @type {number} */ n) => Math.floor(next() * n);
  const copy = JSON.parse(JSON.stringify(message));
  const kind = below(5);
  if (kind <= 1) {
    let place = copy;
    let key = "";
    for (;;) {
      const keys = Object.keys(place);
      key = keys[below(keys.length)];
      const value = place[key];
      if (value && typeof value === "object" && Object.keys(value).length && next() < 0.7) place = value;
      else break;
    }
    if (kind) delete place[key];
    else place[key] = ODD[below(ODD.length)];
    return JSON.stringify(copy);
  }
  const text = JSON.stringify(copy);
  const at = below(text.length);
  if (kind === 2) return text.slice(0, at);
  if (kind === 3) return text.slice(0, at) + '0123456789-+.eE"{}[],:\\x '[below(25)] + text.slice(at + 1);
  const end = at + below(20);
  return next() < 0.5 ? text.slice(0, at) + text.slice(end) : text.slice(0, end) + text.slice(at);
}

test(`no damaged message escapes or is shown (DAMAGED_SEED=${SEED})`, (t) => {
  const next = random(SEED);
  const client = new LiqstreamClient("ws://test", { WebSocket: Wire });
  t.after(() => client.close());
  const possible = (/** @type {number} */ value) => Number.isFinite(value) && value >= 0;
  // Collected: the client goes on when a listener throws.
  const impossible = /** @type {object[]} */ ([]);
  client.on("snapshot", (snapshot) => {
    const { currentPrice, levels, timeMs, epoch, seq } = snapshot;
    const figures = [currentPrice, levels.p0, levels.step, epoch, seq];
    const areSound = figures.every((value) => possible(value) && value > 0) && Number.isFinite(timeMs);
    if (!areSound || ![...levels.long, ...levels.short].every(possible)) impossible.push(snapshot);
    shown += 1;
  });
  let shown = 0;
  client.subscribe(["BTCUSDT"], { intervalS: 1 });
  client.connect();
  const wire = () => /** @type {Wire} */ (Wire.last);
  const open = () => {
    wire().readyState = 1;
    wire().onopen({});
  };
  open();
  for (let n = 0; n < FRAMES; n++) {
    if (next() < 0.3) wire().onmessage({ data: JSON.stringify(SENT[Math.floor(next() * SENT.length)]) });
    wire().onmessage({ data: damaged(next, SENT[Math.floor(next() * SENT.length)]) });
    assert.ok(Object.values(client.account("BTCUSDT")).every(possible));
    assert.equal(client.status.state, "open");
  }
  assert.deepEqual(impossible, []);
  assert.ok(shown > 0 && client.notUnderstood > 0);
});
