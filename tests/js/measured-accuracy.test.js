// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { measuredText } from "../../web/js/panels/measured-accuracy.js";

test("the sentence stands as the server has it, win or lose; without one the reason, once something was looked at", () => {
  const sentence = "Against 214 measured accounts (31 % of longs): 0.12 bits a level worse than uniform.";
  assert.equal(measuredText({ sentence, reason: null, looks: 48 }), sentence);
  const reason = "none of 48 looks knows 15 % of a side";
  assert.equal(measuredText({ sentence: null, reason, looks: 48 }), `Not judged yet: ${reason}.`);
  assert.equal(measuredText({ sentence: null, reason: "no measured positions", looks: 0 }), "");
  assert.equal(measuredText(null), "");
});
