const assert = require("node:assert");
const { test } = require("node:test");
const { sum } = require("./sum.js");

test("adds", () => assert.strictEqual(sum(1, 2, 3), 6));
test("nothing is zero", () => assert.strictEqual(sum(), 0));
