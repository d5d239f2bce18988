// @ts-check
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { EventStream, eventsIn } from "../../web/js/data/event-stream.js";
import { volumeOf } from "../../web/js/panels/tape-sound.js";

const EVENT = 'event: liquidation\ndata: {"price":1}\n\n';

test("whole events are taken, comments passed over, and what is not whole yet is left", () => {
  const { events, rest } = eventsIn(`: alive\n\n${EVENT}${EVENT}event: lost\ndata: {"cou`);
  assert.deepEqual(events, [
    { name: "liquidation", data: { price: 1 } },
    { name: "liquidation", data: { price: 1 } },
  ]);
  assert.equal(rest, 'event: lost\ndata: {"cou');
  assert.deepEqual(eventsIn(`${rest}nt":3}\n\n`), { events: [{ name: "lost", data: { count: 3 } }], rest: "" });
});

test("it connects again after a broken answer, and not where there is no such stream", { timeout: 20_000 }, async (t) => {
  /** @type {((response: import("node:http").ServerResponse) => void)[]} */
  const answers = [
    (response) => response.writeHead(503).end(),
    (response) => response.end(EVENT.slice(0, 10)),
    (response) => response.write(EVENT),
    (response) => response.writeHead(404).end(),
  ];
  const server = createServer((_, response) => answers.shift()?.(response));
  await new Promise((done) => server.listen(0, "127.0.0.1", () => done(null)));
  t.after(() => (server.closeAllConnections(), server.close()));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  /** @type {string[]} */
  const states = [];
  const came = new Promise((done) => {
    const stream = new EventStream(
      (events) => {
        assert.equal(events.length, 1);
        stream.follow(`http://127.0.0.1:${port}/other`);
      },
      (state) => {
        if (states.at(-1) !== state) states.push(state);
        if (state === "none") done(stream.follow(""));
      },
    );
    stream.follow(`http://127.0.0.1:${port}/`);
  });
  await came;
  const twice = ["connecting", "failed", "connecting", "open", "failed"];
  assert.deepEqual(states, [...twice, "connecting", "open", "connecting", "none"]);
  assert.equal(answers.length, 0);
});

test("a tone is the louder the larger, within bounds", () => {
  assert.equal(volumeOf(1), 0.03);
  assert.ok(Math.abs(volumeOf(1e9) - 0.3) < 1e-12);
  assert.ok(volumeOf(20_000) < volumeOf(200_000));
});
