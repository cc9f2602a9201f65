// One call with stripe-node, and what its user reads of the outcome.
import Stripe from "stripe";

const [base, key, what] = process.argv.slice(2);
const { hostname, port } = new URL(base);
const client = new Stripe(key, { host: hostname, port, protocol: "http", maxNetworkRetries: 2, telemetry: false });
try {
  const answer = what === "list"
    ? await client.customers.list({ limit: 1000 })
    : await client.customers.create({ name: what });
  console.log(JSON.stringify({ ok: answer }));
} catch (error) {
  if (!(error instanceof Stripe.errors.StripeError)) throw error;
  console.log(JSON.stringify({
    status: error.statusCode ?? null,
    type: error.rawType ?? null,
    code: error.code ?? null,
    param: error.param ?? null,
    request_id: error.requestId ?? null,
    class: error.constructor.name,
  }));
}
// An answer that the SDK has not read to its end keeps its connection, and that the process.
process.exit(0);
