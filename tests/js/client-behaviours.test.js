// @ts-check
// The browser's client and the Python client keep to one table of behaviours: tests/client_behaviours.json.
// tests/test_client/test_behaviours.py plays the same table to liqstream.client.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { LiqstreamClient } from "../../web/js/websocket-client.js";

/** @typedef {{ expect?: Record<string, any>, say?: Record<string, any>, close?: number }} Step */

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
      const heard = JSON.parse(text);
      if (heard.action === "ping" || !this.#steps[0]?.expect) return;
      const { expect } = /** @type {Required<Step>} */ (this.#steps.shift());
      this.#id = heard.id;
      for (const [key, value] of Object.entries(expect)) {
        if (JSON.stringify(heard[key]) !== JSON.stringify(value)) mistakes.push(`expected ${key} of ${text}`);
      }
      setTimeout(() => this.#play());
    }

    close() {
      this.readyState = 3;
    }

    #play() {
      while (this.#steps.length && !this.#steps[0].expect) {
        const { say, close } = /** @type {Step} */ (this.#steps.shift());
        if (say) this.onmessage?.({ data: JSON.stringify(say.type === "subscribed" ? { ...say, id: this.#id } : say) });
        else this.onclose?.({ code: close, reason: "" });
      }
      if (!this.#steps.length && !connections.length) setTimeout(done);
    }
  }
  return { Socket, mistakes, finished };
}

for (const behaviour of behaviours) {
  test(behaviour.name, { timeout: 5000 }, async () => {
    const { Socket, mistakes, finished } = scripted(behaviour.connections);
    const client = new LiqstreamClient("ws://test/ws/heatmap", { WebSocket: Socket, random: () => 0 });
    /** @type {object[]} */
    const got = [];
    client.on("snapshot", ({ epoch, seq, levels }) =>
      got.push({ epoch, seq, long: [...levels.long], short: [...levels.short] }),
    );
    client.subscribe(["BTCUSDT"], { intervalS: 1 });
    client.connect();
    await finished;
    const account = /** @type {Record<string, number>} */ ({ ...client.account("BTCUSDT") });
    if (behaviour.ends) assert.equal(client.status.state, behaviour.ends);
    client.close();
    assert.deepEqual(got, behaviour.gets);
    assert.deepEqual(mistakes, []);
    for (const [name, value] of Object.entries(behaviour.account ?? {})) assert.equal(account[name], value, name);
  });
}
