// @ts-check
// The browser's client and the Python client keep to one table of behaviours: tests/client_behaviours.json.
// tests/test_client/test_behaviours.py plays the same table to liqstream.client.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { LiqstreamClient } from "../../web/js/websocket-client.js";

/** @typedef {{ expect?: Record<string, any>, say?: Record<string, any>, raw?: string, close?: number }} Step */

const behaviours = JSON.parse(readFileSync(new URL("../client_behaviours.json", import.meta.url), "utf8"));

/**
 * A WebSocket class whose sockets play one list of steps each; `mistakes` holds what they did not expect.
 * @param {Step[][]} connections
 */
function scripted(connections) {
  const mistakes = /** @type {string[]} */ ([]);
  /** @type {() => void} */
  let done = () => {};
  const finished = new Promise((resolve) => (done = () => resolve(undefined)));
  class Socket {
    readyState = 0;
    #steps = connections.shift() ?? [];
    #id = undefined;
    /** @type {any} */ onopen = null;
    /** @type {any} */ onmessage = null;
    /** @type {any} */ onclose = null;
    /** @type {any} */ onerror = null;

    constructor() {
      setTimeout(() => {
        this.readyState = 1;
        this.onopen?.();
        this.#play();
      });
    }

    /** @param {string} text */
    send(text) {
      const sent = JSON.parse(text);
      if (sent.action === "ping" || !this.#steps[0]?.expect) return;
      const { expect } = /** @type {Required<Step>} */ (this.#steps.shift());
      this.#id = sent.id;
      for (const [key, value] of Object.entries(expect)) {
        if (JSON.stringify(sent[key]) !== JSON.stringify(value)) mistakes.push(`expected ${key} of ${text}`);
      }
      setTimeout(() => this.#play());
    }

    close() {
      this.readyState = 3;
    }

    #play() {
      while (this.#steps.length && !this.#steps[0].expect) {
        const { say, raw, close } = /** @type {Step} */ (this.#steps.shift());
        if (say) {
          this.onmessage?.({ data: JSON.stringify(say.type === "subscribed" ? { id: this.#id, ...say } : say) });
        } else if (raw !== undefined) this.onmessage?.({ data: raw });
        else this.onclose?.({ code: close, reason: "" });
      }
      if (!this.#steps.length && !connections.length) setTimeout(done);
    }
  }
  return { Socket, mistakes, finished };
}

for (const behaviour of behaviours) {
  test(behaviour.name, { timeout: 5000 }, async (t) => {
    const { Socket, mistakes, finished } = scripted(behaviour.connections);
    const symbols = behaviour.symbols ?? ["BTCUSDT"];
    const client = new LiqstreamClient("ws://test/ws/heatmap", { WebSocket: Socket, random: () => 0 });
    t.after(() => client.close());
    /** @type {object[]} */
    const got = [];
    client.on("snapshot", ({ symbol, epoch, seq, levels }) => {
      const shown = { epoch, seq, long: [...levels.long], short: [...levels.short] };
      got.push(symbols.length > 1 ? { ...shown, symbol } : shown);
    });
    client.on("tick", ({ epoch, seq, levels, currentPrice, tick }) => {
      const shown = { epoch, seq, long: [...levels.long], short: [...levels.short] };
      got.push({ ...shown, tick: tick?.n, price: currentPrice });
    });
    client.subscribe(symbols, { intervalS: 1, ticks: behaviour.ticks });
    client.connect();
    await finished;
    const accounts = Object.fromEntries(
      Object.keys(behaviour.accounts ?? {}).map((symbol) => [symbol, { ...client.account(symbol) }]),
    );
    if (behaviour.ends) assert.equal(client.status.state, "refused");
    else assert.notEqual(client.status.state, "refused");
    if (behaviour.confirmed !== undefined) assert.equal(client.isConfirmed("BTCUSDT"), behaviour.confirmed);
    assert.deepEqual(got, behaviour.gets);
    assert.deepEqual(mistakes, []);
    assert.deepEqual(accounts, behaviour.accounts ?? {});
    assert.equal(client.notUnderstood, behaviour.not_understood ?? 0);
  });
}
