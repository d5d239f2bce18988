// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { indicatorOf } from "../../web/js/state/connection.js";

/** @type {import("../../web/js/state/connection.js").Facts} */
const calm = { socket: "open", everOpen: true, silenceMs: 300, intervalS: 1, warned: false, late: false, pollAgeMs: Infinity };

test("the indicator goes by the age of the last message, not by the socket", () => {
  assert.equal(indicatorOf(calm), "live");
  assert.equal(indicatorOf({ ...calm, silenceMs: 6000 }), "live");
  assert.equal(indicatorOf({ ...calm, silenceMs: 8000 }), "slow");
  assert.equal(indicatorOf({ ...calm, silenceMs: 14_000 }), "disconnected");
  assert.equal(indicatorOf({ ...calm, silenceMs: 50_000, intervalS: 60 }), "live");
});

test("a warning of the server, or a page that falls behind, is slow", () => {
  assert.equal(indicatorOf({ ...calm, warned: true }), "slow");
  assert.equal(indicatorOf({ ...calm, late: true }), "slow");
});

test("without a socket it polls if polling answers, else it is disconnected", () => {
  assert.equal(indicatorOf({ ...calm, socket: "waiting", pollAgeMs: 2000 }), "polling");
  assert.equal(indicatorOf({ ...calm, socket: "waiting", pollAgeMs: 20_000 }), "disconnected");
  assert.equal(indicatorOf({ ...calm, socket: "refused" }), "disconnected");
  assert.equal(indicatorOf({ ...calm, socket: "connecting", everOpen: false }), "connecting");
  assert.equal(indicatorOf({ ...calm, socket: "connecting" }), "disconnected");
});
