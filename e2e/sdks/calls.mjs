// Calls with an SDK of Node, and what its user reads of each outcome: the table of the SDKs.
// Argument: the SDK. Standard input has a base URL, a key and a path on each line; for each, standard output gets one JSON
// object.
import { createInterface } from "node:readline";

const short = (text) => (text == null ? null : String(text).slice(0, 60));
const say = (value) => console.log(JSON.stringify(value));

const calls = {
  async openai(base, key, path) {
    const { default: OpenAI } = await import("openai");
    const client = new OpenAI({ baseURL: base, apiKey: key, maxRetries: 2 });
    try {
      say({ ok: await client.get(path) });
    } catch (error) {
      if (!(error instanceof OpenAI.APIError)) throw error;
      say({
        class: error.constructor.name, status: error.status, code: error.code ?? null, type: error.type ?? null,
        param: error.param ?? null, request_id: Boolean(error.requestID), message: short(error.error?.message),
      });
    }
  },
  async anthropic(base, key, path) {
    const { default: Anthropic } = await import("@anthropic-ai/sdk");
    const client = new Anthropic({ baseURL: base, authToken: key, apiKey: null, maxRetries: 2 });
    try {
      say({ ok: await client.get(path) });
    } catch (error) {
      if (!(error instanceof Anthropic.APIError)) throw error;
      say({
        class: error.constructor.name, status: error.status, type: error.error?.error?.type ?? null,
        request_id: Boolean(error.requestID), message: short(error.error?.error?.message),
      });
    }
  },
  async stripe(base, key, path) {
    const { default: Stripe } = await import("stripe");
    const { hostname, port, pathname } = new URL(base);
    const client = new Stripe(key, { host: hostname, port, protocol: "http", maxNetworkRetries: 2, telemetry: false });
    try {
      say({ ok: await client.rawRequest("GET", pathname + path) });
    } catch (error) {
      if (!(error instanceof Stripe.errors.StripeError)) throw error;
      say({
        class: error.constructor.name, status: error.statusCode ?? null, code: error.code ?? null, type: error.rawType ?? null,
        param: error.param ?? null, request_id: Boolean(error.requestId), message: short(error.message),
      });
    }
  },
  async octokit(base, key, path) {
    const { Octokit } = await import("octokit");
    const silent = { debug() {}, info() {}, warn() {}, error() {} };
    const client = new Octokit({
      baseUrl: base, log: silent,
      retry: { retryAfterBaseValue: 50 },
      throttle: { enabled: false },
    });
    // By itself it sends `Authorization: token KEY`, a scheme that the gateway does not read.
    client.hook.before("request", (options) => { options.headers.authorization = `Bearer ${key}`; });
    try {
      const { data } = await client.request(`GET ${path}`);
      say({ ok: data });
    } catch (error) {
      const data = error.response?.data;
      say({
        class: error.name, status: error.status, request_id: Boolean(error.response?.headers?.["x-github-request-id"]),
        errors: Array.isArray(data?.errors) ? data.errors.length : 0, message: short(data?.message),
      });
    }
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  try {
    await calls[process.argv[2]](...line.split(" "));
  } catch (error) {
    say({ class: `${error.constructor.name}`, raw: true });
  }
}
// An answer that the SDK has not read to its end keeps its connection, and that the process.
process.exit(0);
