// Requests as Node's own fetch, undici, axios, got and `http` make them.
//
// Usage: node node_clients.mjs URL KEY, with NODE_MODULES for where the packages are. Prints one line of JSON for each
// request: its name and its status.

import { createRequire } from 'node:module';
import http from 'node:http';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [, , url, key] = process.argv;
const packages = createRequire(path.join(process.env.NODE_MODULES, 'package.json'));
const undici = packages('undici');
const axios = packages('axios');
const { default: got } = await import(pathToFileURL(path.join(process.env.NODE_MODULES, 'got/dist/source/index.js')));

const authorization = { authorization: `Bearer ${key}` };
const query = [['q', 'red & blue, 100% café +1'], ['tag', 'a'], ['tag', 'b b'], ['ids[]', '1'], ['ids[]', '2'], ['filter[name]', 'x/y'],
  ['redirect', 'https://app.example/back?to=/items/../export#top']];
const form = [['name', 'Zoë & co'], ['note', 'a+b = c%d; e\r\nsecond line'], ['tag', 'x'], ['tag', 'y'], ['ids[]', '1']];
const ids = ['plain', 'a b', 'user@example.org', 'café', '2026-01-01T00:00:00Z', '50%', 'a+b', 'what?', "(x)~!*'"];
const files = ['report.pdf', 'my report (final).pdf', 'résumé.pdf', 'レポート.pdf', 'quo"te.txt', 'semi;colon.txt', 'back\\slash.txt', '50%.txt'];

const told = (name, status) => console.log(JSON.stringify({ name, status }));

async function withFetch(name, fetch, FormData, Blob) {
  const send = async (what, target, options = {}) => {
    const response = await fetch(`${url}${target}`, { ...options, headers: { ...authorization, ...options.headers } });
    await response.arrayBuffer();
    told(`${name}: ${what}`, response.status);
  };
  await send('query by URLSearchParams', `/search?${new URLSearchParams(query)}`);
  await send('query by encodeURIComponent', `/search?${query.map((pair) => pair.map(encodeURIComponent).join('=')).join('&')}`);
  await send('query with brackets as they are', '/search?ids[]=1&ids[]=2&filter[name]=x');
  for (const id of ids) await send(`path ${id}`, `/items/${encodeURIComponent(id)}`);
  await send('path as URL encodes it', `/items/${'café "x" <y> {z}'}`);
  await send('json', '/things', { method: 'POST', body: JSON.stringify({ name: 'ü' }), headers: { 'content-type': 'application/json' } });
  await send('form', '/forms', { method: 'POST', body: new URLSearchParams(form) });
  for (const file of files) {
    const body = new FormData();
    body.append('title', 'Zoë');
    body.append('file', new Blob(['data'], { type: 'text/plain' }), file);
    await send(`file ${file}`, '/uploads', { method: 'POST', body });
  }
  const parts = [Buffer.from('{"name":'), Buffer.from('"a"}')];
  const stream = new ReadableStream({ pull: (controller) => (parts.length ? controller.enqueue(parts.shift()) : controller.close()) });
  await send('chunked', '/things', { method: 'POST', body: stream, duplex: 'half', headers: { 'content-type': 'application/json' } });
  await send('put', '/items/1', { method: 'PUT', body: new Uint8Array([0, 1]), headers: { 'content-type': 'application/octet-stream' } });
  await send('delete', '/items/1', { method: 'DELETE' });
}

async function withAxios() {
  const client = axios.create({ baseURL: url, headers: authorization, proxy: false, validateStatus: () => true });
  const send = async (what, request) => told(`axios: ${what}`, (await client.request(request)).status);
  await send('query', { url: '/search', params: { q: 'red & blue [x], 100% café +1:@$', page: 2, ids: ['1', '2'] } });
  await send('query by URLSearchParams', { url: '/search', params: new URLSearchParams(query) });
  for (const id of ids) await send(`path ${id}`, { url: `/items/${encodeURIComponent(id)}` });
  await send('json', { url: '/things', method: 'post', data: { name: 'ü' } });
  await send('form', { url: '/forms', method: 'post', data: new URLSearchParams(form) });
  await send('form by object', { url: '/forms', method: 'post', data: { name: 'Zoë' }, headers: { 'content-type': 'application/x-www-form-urlencoded' } });
  for (const file of files) {
    const data = new FormData();
    data.append('title', 'Zoë');
    data.append('file', new Blob(['data'], { type: 'text/plain' }), file);
    await send(`file ${file}`, { url: '/uploads', method: 'post', data });
  }
}

async function withGot() {
  const client = got.extend({ prefixUrl: url, headers: authorization, throwHttpErrors: false, retry: { limit: 0 } });
  const send = async (what, target, options) => told(`got: ${what}`, (await client(target, options)).statusCode);
  await send('query', 'search', { searchParams: new URLSearchParams(query) });
  for (const id of ids) await send(`path ${id}`, `items/${encodeURIComponent(id)}`);
  await send('json', 'things', { method: 'POST', json: { name: 'ü' } });
  await send('form', 'forms', { method: 'POST', form: { name: 'Zoë & co', note: 'a+b' } });
  const body = new FormData();
  body.append('title', 'Zoë');
  body.append('file', new Blob(['data'], { type: 'text/plain' }), 'résumé.pdf');
  await send('file', 'uploads', { method: 'POST', body });
}

function withHttp() {
  const { hostname, port } = new URL(url);
  const send = (what, options, body) => new Promise((resolve, reject) => {
    const request = http.request({ hostname, port, ...options, headers: { ...authorization, ...options.headers } }, (response) => {
      response.resume();
      response.on('end', () => resolve(told(`http: ${what}`, response.statusCode)));
    });
    request.on('error', reject);
    if (options.headers?.expect) request.on('continue', () => request.end(body));
    else request.end(body);
  });
  return send('get', { path: '/search?q=a' })
    .then(() => send('get with an agent', { path: '/search?q=a', agent: new http.Agent({ keepAlive: false }) }))
    .then(() => send('expect', { path: '/things', method: 'POST', headers: { expect: '100-continue', 'content-type': 'application/json' } }, '{"name":"a"}'));
}

await withFetch('fetch', fetch, FormData, Blob);
await withFetch('undici', undici.fetch, undici.FormData, Blob);
await withAxios();
await withGot();
await withHttp();
