// Opens a page in a real browser, whose script uses WebSocket and server-sent events. Prints one JSON object.
//
//   node websocket.mjs CHROMIUM BASE
import { launch } from "./browser.mjs";

const [chromium, base] = process.argv.slice(2);
const browser = await launch(chromium);
try {
  const page = await browser.newPage();
  await page.goto(`${base}/page`, { waitUntil: "load" });
  const seen = await page.evaluate(async (base) => {
    const seen = { events: [] };
    const url = (path) => `${base.replace("http", "ws")}${path}`;
    const within = (promise) => Promise.race([promise, new Promise((_, fail) => setTimeout(() => fail(new Error("timeout")), 30000))]);

    // Every event is acknowledged, and the next one is sent only then.
    await within(new Promise((done, fail) => {
      const source = new EventSource(`${base}/events`);
      source.onmessage = (event) => {
        seen.events.push(event.data);
        fetch(`${base}/ack`).catch(fail);
      };
      source.addEventListener("end", (event) => {
        seen.end = event.data;
        source.close();
        done();
      });
      source.onerror = () => {
        source.close();
        fail(new Error(`the stream broke off after ${seen.events.length} events`));
      };
    }));

    // Messages of every size, and the closing handshake.
    await within(new Promise((done, fail) => {
      const socket = new WebSocket(url("/browser"));
      socket.binaryType = "arraybuffer";
      seen.echoed = [];
      socket.onopen = () => {
        socket.send("hello");
        socket.send("ünï");
        socket.send(new Uint8Array(1024 * 1024));
      };
      socket.onmessage = (event) => {
        seen.echoed.push(typeof event.data === "string" ? event.data : event.data.byteLength);
        if (seen.echoed.length === 3) socket.close(4001, "enough");
      };
      socket.onclose = ({ code, reason, wasClean }) => {
        seen.closed = { code, reason, clean: wasClean };
        done();
      };
    }));

    // A handshake that is rejected.
    await within(new Promise((done) => {
      const socket = new WebSocket(url("/open"));
      let opened = false;
      socket.onopen = () => {
        opened = true;
        socket.close();
      };
      socket.onclose = ({ code }) => {
        seen.origin = { opened, code };
        done();
      };
    }));
    return seen;
  }, base);
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
}
