// @ts-check
import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import { mock, test } from "node:test";
import { Levels } from "../../web/js/wire/levels.js";
import { LiqstreamClient } from "../../web/js/websocket-client.js";

// The test's own dependency is installed beside the page, not beside the tests.
const { WebSocket, WebSocketServer } = createRequire(new URL("../../web/package.json", import.meta.url))("ws");

/** @typedef {{ p0: number, step: number, long: number[], short: number[] }} Columns */

/**
 * @param {Columns} data
 * @returns {number}
 */
const checksum = (data) => new Levels(data).checksum();
const TAIL = { current_price: 101, positions_created: 1, positions_consumed: 0 };

/**
 * @param {number} seq
 * @param {Columns} data
 * @param {object} [given]
 */
function full(seq, data, given = {}) {
  return JSON.stringify({
    type: "snapshot", symbol: "BTCUSDT", timestamp: "2026-06-01T00:00:00Z", epoch: 5, seq, skipped: 0, stale: false,
    source: "live", quality: [], checksum: checksum(data), data: { ...data, ...TAIL }, ...given,
  });
}

/**
 * @param {number} seq
 * @param {number} prev
 * @param {Columns} after
 * @param {object} changes
 * @param {object} [given]
 */
function delta(seq, prev, after, changes, given = {}) {
  const none = { i: [], v: [] };
  return JSON.stringify({
    type: "delta", symbol: "BTCUSDT", timestamp: "2026-06-01T00:00:01Z", epoch: 5, seq, prev_seq: prev, skipped: 0, stale: false,
    source: "live", quality: [], checksum: checksum(after), data: { long: none, short: none, ...changes, ...TAIL }, ...given,
  });
}

/** A socket whose other end is the test. */
class Wire {
  /** @type {Wire[]} */
  static made = [];
  readyState = 0;
  /** @type {any[]} */
  sent = [];
  onopen = onNothing;
  onmessage = onNothing;
  onclose = onNothing;
  onerror = onNothing;
  constructor() {
    Wire.made.push(this);
  }
  open() {
    this.readyState = 1;
    this.onopen({});
  }
  /** @param {string} text */
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  /** @param {string} text */
  say(text) {
    this.onmessage?.({ data: text });
  }
  /**
   * @param {number} code
   * @param {string} [reason]
   */
  end(code, reason = "") {
    this.readyState = 3;
    this.onclose({ code, reason });
  }
  close() {
    this.readyState = 3;
  }
  /** @param {string} action */
  sentOf(action) {
    return this.sent.filter((message) => message.action === action);
  }
}
/** @param {any} _event */
function onNothing(_event) {}

/** @param {{ random?: () => number }} [options] */
function newClient({ random = () => 0.5 } = {}) {
  Wire.made = [];
  let nowMs = 0;
  const client = new LiqstreamClient("ws://test", { WebSocket: Wire, random, now: () => nowMs });
  client.subscribe(["BTCUSDT"], { intervalS: 1 });
  client.connect();
  return { client, wire: () => /** @type {Wire} */ (Wire.made.at(-1)), pass: (/** @type {number} */ ms) => {
    for (let left = ms; left > 0; left -= 1000) {
      nowMs += Math.min(1000, left);
      mock.timers.tick(Math.min(1000, left));
    }
  } };
}

test("a snapshot and its deltas are the server's state", () => {
  const { client, wire } = newClient();
  wire().open();
  assert.deepEqual(wire().sent[0], { action: "subscribe", symbols: ["BTCUSDT"], update_interval: 1, proto: 2, delta: true, id: 1 });
  const first = { p0: 100, step: 1, long: [5, 6, 0], short: [0, 0, 7] };
  wire().say(full(3, first));
  wire().say(delta(4, 3, { ...first, long: [5, 9, 0] }, { long: { i: [1], v: [9] } }));
  const snapshot = client.snapshot("BTCUSDT");
  assert.deepEqual([...(snapshot?.levels.long ?? [])], [5, 9, 0]);
  assert.equal(snapshot?.seq, 4);
  assert.equal(snapshot?.full, false);
  assert.equal(snapshot?.timeMs, Date.UTC(2026, 5, 1, 0, 0, 1));
  client.close();
});

test("a gap, a wrong checksum or an index off the grid requests one resync and waits for it", () => {
  for (const broken of [
    delta(9, 8, { p0: 1, step: 1, long: [1], short: [1] }, {}),
    delta(4, 3, { p0: 1, step: 1, long: [2], short: [1] }, {}),
    delta(4, 3, { p0: 1, step: 1, long: [1], short: [1] }, { long: { i: [7], v: [1] } }),
    delta(4, 3, { p0: 1, step: 1, long: [1], short: [1] }, {}, { epoch: 6 }),
  ]) {
    const { client, wire } = newClient();
    wire().open();
    wire().say(full(3, { p0: 1, step: 1, long: [1], short: [1] }));
    wire().say(broken);
    wire().say(broken);
    assert.equal(wire().sentOf("resync").length, 1);
    assert.equal(client.snapshot("BTCUSDT"), null);
    wire().say(full(9, { p0: 1, step: 1, long: [4], short: [1] }, { repeat: true }));
    assert.equal(client.snapshot("BTCUSDT")?.levels.long[0], 4);
    client.close();
  }
});

test("what did not arrive is accounted for, and a repeat counts as nothing", () => {
  const { client, wire } = newClient();
  wire().open();
  const data = { p0: 1, step: 1, long: [1], short: [1] };
  wire().say(full(10, data, { skipped: 9 })); // the first one's own skipped is of before the subscription
  wire().say(full(13, data, { skipped: 2 }));
  wire().say(full(13, data, { repeat: true }));
  wire().say(full(16, data, { skipped: 0 }));
  const dropped = { dropped_messages: 9, dropped_by_symbol: { BTCUSDT: 2, ETHUSDT: 7 } };
  wire().say(JSON.stringify({ type: "warning", code: "SLOW_CONSUMER", message: "slow", ...dropped }));
  const account = { received: 3, skipped: 2, missed: 0, dropped: 2, away: 0, resyncs: 0 };
  assert.deepEqual(client.account("BTCUSDT"), account);
  client.close();
});

test("a server that reads nothing is asked once per wait, and ever later", (t) => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  t.after(() => mock.timers.reset());
  const { client, wire, pass } = newClient();
  client.subscribeMarkets();
  wire().open();
  const sentAfter = [];
  for (const ms of [1, 999, 1, 1999, 1]) {
    const refused = wire().sentOf("subscribe").length;
    for (let n = 0; n < refused; n++) wire().say(JSON.stringify({ type: "error", code: "RATE_LIMITED" }));
    pass(ms);
    sentAfter.push(wire().sentOf("subscribe").length);
  }
  assert.deepEqual(sentAfter, [4, 4, 6, 6, 8]);
  client.close();
});

test("a server whose every state is denied is asked ten times at once and then once a second", (t) => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  t.after(() => mock.timers.reset());
  const { client, wire, pass } = newClient();
  wire().open();
  const deny = () => {
    wire().say(full(1, { p0: 1, step: 1, long: [1], short: [1] }));
    wire().say(JSON.stringify({ type: "heartbeat", symbols: { BTCUSDT: { epoch: 7, seq: 1 } } }));
    return wire().sentOf("resync").length;
  };
  const sent = [];
  for (let n = 0; n < 15; n++) sent.push(deny());
  pass(999);
  sent.push(deny());
  pass(1);
  sent.push(deny());
  assert.deepEqual(sent, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10, 10, 10, 10, 10, 11]);
  client.close();
});

test("it comes back with full jitter from 2 s up to 30 s, subscribes again to its symbols and resumes", (t) => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  t.after(() => mock.timers.reset());
  const { client, wire, pass } = newClient({ random: () => 0.999999 });
  wire().open();
  wire().say(full(7, { p0: 1, step: 1, long: [1], short: [1] }));
  const waits = [];
  for (let attempt = 0; attempt < 7; attempt++) {
    wire().end(1006);
    assert.equal(client.status.state, "waiting");
    waits.push(Math.round(client.status.retryInMs / 1000));
    pass(client.status.retryInMs + 1);
    assert.equal(client.status.state, "connecting");
  }
  assert.deepEqual(waits, [2, 2, 4, 8, 16, 30, 30]);
  wire().open();
  assert.deepEqual(wire().sentOf("subscribe")[0].resume, {
    BTCUSDT: { epoch: 5, seq: 7, checksum: checksum({ p0: 1, step: 1, long: [1], short: [1] }) },
  });
  assert.equal(client.status.attempt, 7); // an open socket proves nothing yet
  wire().say(delta(8, 7, { p0: 1, step: 1, long: [1], short: [1] }, {}));
  assert.equal(client.status.attempt, 0);
  assert.equal(client.snapshot("BTCUSDT")?.seq, 8);
  client.close();
});

test("half of the jitter is half of the wait", (t) => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  t.after(() => mock.timers.reset());
  const { client, wire } = newClient({ random: () => 0.25 });
  wire().end(1012);
  assert.equal(client.status.retryInMs, 500);
  client.close();
});

test("a code from 4500 on means never again, below it does not", (t) => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  t.after(() => mock.timers.reset());
  const { client, wire, pass } = newClient();
  wire().end(4000, "slow");
  assert.equal(client.status.state, "waiting");
  pass(2000);
  wire().end(4501, "unsupported protocol");
  assert.equal(client.status.state, "refused");
  assert.equal(client.status.reason, "unsupported protocol");
  pass(120_000);
  assert.equal(Wire.made.length, 2);
});

test("silence is an outage even when the socket says it is open; a ping comes first", (t) => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  t.after(() => mock.timers.reset());
  const { client, wire, pass } = newClient();
  wire().open();
  wire().say(full(1, { p0: 1, step: 1, long: [1], short: [1] }));
  const before = wire();
  pass(7000);
  assert.ok(before.sentOf("ping").length >= 1);
  assert.equal(client.status.state, "open");
  pass(9000);
  assert.equal(client.status.state, "waiting");
  before.say(full(2, { p0: 1, step: 1, long: [9], short: [1] })); // the burst of a socket already given up
  assert.equal(client.snapshot("BTCUSDT")?.seq, 1);
  pass(2000);
  assert.equal(Wire.made.length, 2);
  client.close();
});

test("a question is unanswered until anything comes; another socket is opened at once", (t) => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  t.after(() => mock.timers.reset());
  const { client, wire, pass } = newClient();
  client.ask();
  assert.equal(client.unansweredMs, 0); // there is no socket yet to be asked by
  wire().open();
  wire().say(full(1, { p0: 1, step: 1, long: [1], short: [1] }));
  const asked = wire().sentOf("ping").length;
  client.ask();
  assert.equal(wire().sentOf("ping").length, asked + 1);
  pass(700);
  client.ask(); // again: the first one counts
  assert.equal(client.unansweredMs, 700);
  wire().say(JSON.stringify({ type: "pong" }));
  assert.equal(client.unansweredMs, 0);
  client.ask();
  client.reopen();
  assert.equal(Wire.made.length, 2);
  assert.equal(client.unansweredMs, 0);
  client.close();
  client.reopen();
  assert.equal(Wire.made.length, 2);
});

test("an unsubscribed symbol is not subscribed again and its messages are ignored", () => {
  const { client, wire } = newClient();
  wire().open();
  client.subscribe(["ETHUSDT"], { intervalS: 5 });
  client.unsubscribe(["BTCUSDT", "NEVER"]);
  assert.deepEqual(wire().sentOf("unsubscribe"), [{ action: "unsubscribe", symbols: ["BTCUSDT"] }]);
  wire().say(full(1, { p0: 1, step: 1, long: [1], short: [1] }));
  assert.equal(client.snapshot("BTCUSDT"), null);
  assert.deepEqual(client.symbols, ["ETHUSDT"]);
  client.close();
});

test("errors and warnings are handed on as sent, also hostile ones", () => {
  const { client, wire } = newClient();
  wire().open();
  /** @type {unknown[]} */
  const received = [];
  client.on("error", (error) => received.push(error));
  client.on("warning", ({ code, dropped }) => received.push([code, dropped]));
  wire().say(JSON.stringify({ type: "error", code: "INVALID_SYMBOL", message: "<img src=x onerror=alert(1)>" }));
  wire().say(JSON.stringify({ type: "warning", code: "SLOW_CONSUMER", message: "", dropped_messages: 3 }));
  wire().say(JSON.stringify({ type: "something new" }));
  assert.deepEqual(received, [{ code: "INVALID_SYMBOL", message: "<img src=x onerror=alert(1)>" }, ["SLOW_CONSUMER", 3]]);
  client.close();
});

test("a heartbeat of another epoch requests a resync", () => {
  const { client, wire } = newClient();
  wire().open();
  wire().say(full(1, { p0: 1, step: 1, long: [1], short: [1] }));
  wire().say(JSON.stringify({ type: "heartbeat", symbols: { BTCUSDT: { epoch: 5, seq: 4 } } }));
  assert.equal(wire().sentOf("resync").length, 0);
  wire().say(JSON.stringify({ type: "heartbeat", symbols: { BTCUSDT: { epoch: 6, seq: 1 } } }));
  assert.equal(wire().sentOf("resync").length, 1);
  client.close();
});

test("a listener that throws stops nothing", (t) => {
  const { client, wire } = newClient();
  t.after(() => client.close());
  t.mock.method(console, "error", () => {});
  const seen = /** @type {number[]} */ ([]);
  client.on("snapshot", () => {
    throw new Error("listener");
  });
  client.on("snapshot", ({ seq }) => seen.push(seq));
  wire().open();
  wire().say(full(1, { p0: 1, step: 1, long: [1], short: [1] }));
  wire().say(full(2, { p0: 1, step: 1, long: [2], short: [1] }));
  assert.deepEqual(seen, [1, 2]);
});

test("a state is confirmed by this connection's server alone", () => {
  const { client, wire } = newClient();
  const changes = /** @type {boolean[]} */ ([]);
  client.on("confirmed", ({ isConfirmed }) => changes.push(isConfirmed));
  wire().open();
  assert.equal(client.isConfirmed("BTCUSDT"), false);
  wire().say(full(1, { p0: 1, step: 1, long: [1], short: [1] }));
  wire().say(JSON.stringify({ type: "pong", positions: { BTCUSDT: { epoch: 6, seq: 1 } } }));
  assert.equal(client.isConfirmed("BTCUSDT"), false);
  assert.deepEqual(changes, [true, false]);
  client.close();
});

test("it runs in Node over a real socket with the ws package", async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  server.on("connection", (/** @type {any} */ socket) => {
    socket.on("message", (/** @type {unknown} */ raw) => {
      if (JSON.parse(String(raw)).action === "subscribe") socket.send(full(1, { p0: 1, step: 1, long: [1, 2], short: [3, 4] }));
    });
  });
  const client = new LiqstreamClient(`ws://127.0.0.1:${port}/ws/heatmap`, { WebSocket });
  const snapshot = await new Promise((resolve) => {
    client.on("snapshot", resolve);
    client.subscribe(["BTCUSDT"]);
    client.connect();
  });
  assert.deepEqual([...snapshot.levels.short], [3, 4]);
  client.close();
  for (const socket of server.clients) socket.terminate();
  server.close();
});
