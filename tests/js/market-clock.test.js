// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { MarketClock } from "../../web/js/data/market-clock.js";

test("the speed of a replay is measured over the last seconds, afresh after a restart", () => {
  const clock = new MarketClock();
  assert.equal(clock.speed({ receivedAt: 0, timeMs: 1000, epoch: 1 }), 0);
  assert.equal(clock.speed({ receivedAt: 1000, timeMs: 301_000, epoch: 1 }), 0);
  assert.equal(clock.speed({ receivedAt: 2000, timeMs: 601_500, epoch: 1 }), 300);
  assert.equal(clock.speed({ receivedAt: 2100, timeMs: 1000, epoch: 2 }), 0);
  assert.equal(clock.speed({ receivedAt: 5100, timeMs: 31_000, epoch: 2 }), 10);
});
