// Reads requests as busboy (and qs, which Express uses for queries and forms) does: one JSON object a line in, one
// out. Every character stands for a byte.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const require = createRequire(process.cwd() + "/");
const busboy = require("busboy");
const qs = require("qs");

const shown = (text) => Buffer.from(String(text ?? ""), "utf8").toString("latin1");

function flat(name, value, all) {
  if (value !== null && typeof value === "object") {
    for (const [key, inner] of Object.entries(value)) flat(name === null ? key : `${name}[${key}]`, inner, all);
  } else {
    all.push([shown(name), shown(value)]);
  }
  return all;
}

function parsed(text) {
  return flat(null, qs.parse(text, { plainObjects: true }), []);
}

function withBusboy(request) {
  // Queries are not its matter.
  if (request.type === "") return {};
  return new Promise((resolve) => {
    const form = [];
    const files = [];
    const failed = (error) => resolve({ error: String(error) });
    let reader;
    try {
      reader = busboy({ headers: { "content-type": request.type }, defParamCharset: "utf8" });
    } catch (error) {
      return failed(error);
    }
    reader.on("field", (name, value) => form.push([shown(name), shown(value)]));
    reader.on("file", (name, stream, info) => {
      const pieces = [];
      stream.on("data", (piece) => pieces.push(piece));
      stream.on("error", failed);
      stream.on("end", () =>
        files.push([shown(name), shown(info.filename), Buffer.concat(pieces).toString("latin1")]),
      );
    });
    reader.on("error", failed);
    reader.on("close", () => resolve({ form, files }));
    reader.end(Buffer.from(request.body, "latin1"));
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const answer = { busboy: await withBusboy(request), qs: {} };
  try {
    answer.qs.query = parsed(request.query);
    // Express reads a form by its media type and charset alone.
    if (/^application\/x-www-form-urlencoded *(;|$)/i.test(request.type)) {
      answer.qs.form = parsed(Buffer.from(request.body, "latin1").toString("utf8"));
    }
  } catch (error) {
    answer.qs = { error: String(error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
