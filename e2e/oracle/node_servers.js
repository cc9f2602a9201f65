// The oracle's API on Node, three times: `node` decodes the whole path and then splits it, `node-strict` splits it and then
// decodes parameters, `express` is Express with its defaults (upper and lower case are one, a final slash is ignored).
'use strict';

const http = require('node:http');
const express = require('express');

const ROUTES = [
  ['listItems', '/items'],
  ['exportItems', '/items/export'],
  ['getItem', '/items/:first'],
  ['getSecret', '/items/:first/secret'],
  ['listNotes', '/items/:first/notes'],
  ['latestNote', '/items/:first/notes/latest'],
  ['getNote', '/items/:first/notes/:second'],
  ['purge', '/admin/purge'],
  ['showAdmin', '/admin/:first'],
  ['getFileJson', '/files/:first.json'],
  ['getFile', '/files/:first'],
  ['compareRefs', '/compare/:first...:second'],
  ['ping', '/v:first/ping'],
  ['anyPair', '/:first/:second'],
  ['anyPage', '/:first'],
];

const patterns = ROUTES.map(([operation, route]) => {
  const pattern = route.replaceAll('.', '\\.').replaceAll(/:\w+/g, '([^/]+?)');
  return [operation, new RegExp(`^${pattern}$`, 's')];
});

function match(path) {
  for (const [operation, pattern] of patterns) {
    const found = pattern.exec(path);
    if (found) return { ran: operation, values: found.slice(1) };
  }
  return null;
}

function answer(response, found) {
  response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' });
  response.end(JSON.stringify(found ?? {}));
}

// The way in which most small services do it.
const lenient = http.createServer((request, response) => {
  let found = null;
  try {
    found = match(decodeURIComponent(new URL(request.url, 'http://localhost').pathname));
  } catch {
    // Not a URL, or not UTF-8: nothing runs.
  }
  answer(response, found);
});

const strict = http.createServer((request, response) => {
  const found = match(request.url.split('?', 1)[0]);
  try {
    if (found) found.values = found.values.map(decodeURIComponent);
    answer(response, found);
  } catch {
    answer(response, null);
  }
});

const app = express();
for (const [operation, route] of ROUTES) {
  app.get(route, (request, response) => {
    response.json({ ran: operation, values: Object.values(request.params) });
  });
}
app.use((request, response) => answer(response, null));
app.use((error, request, response, next) => answer(response, null));

async function main() {
  const ports = {};
  for (const [name, server] of [['node', lenient], ['node-strict', strict], ['express', http.createServer(app)]]) {
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    ports[name] = server.address().port;
  }
  console.log(JSON.stringify(ports));
}

main();
