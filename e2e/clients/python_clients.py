"""Requests as requests, urllib3, httpx, aiohttp and urllib make them.

Usage: python_clients.py URL KEY. Prints one line of JSON for each request: its name and its status.
"""

import asyncio
import io
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

import aiohttp
import httpx
import requests
import urllib3

URL, KEY = sys.argv[1], sys.argv[2]
AUTHORIZATION = {"Authorization": f"Bearer {KEY}"}
QUERY = [("q", "red & blue, 100% café +1"), ("tag", "a"), ("tag", "b b"), ("ids[]", "1"), ("ids[]", "2"), ("filter[name]", "x/y")]
QUERY += [("redirect", "https://app.example/back?to=/items/../export#top")]
FORM = [("name", "Zoë & co"), ("note", "a+b = c%d; e\r\nsecond line"), ("tag", "x"), ("tag", "y"), ("ids[]", "1")]
IDS = ["plain", "a b", "user@example.org", "café", "2026-01-01T00:00:00Z", "50%", "a+b", "what?", "(x)~!*'"]
FILES = ["report.pdf", "my report (final).pdf", "résumé.pdf", "レポート.pdf", 'quo"te.txt', "semi;colon.txt", "back\\slash.txt", "50%.txt"]


def told(name, status):
    print(json.dumps({"name": name, "status": status}), flush=True)


def with_requests():
    session = requests.Session()
    session.headers.update(AUTHORIZATION)
    session.trust_env = False
    told("requests: query", session.get(f"{URL}/search", params=QUERY).status_code)
    told("requests: cookie", session.get(f"{URL}/search", cookies={"session": "abc"}).status_code)
    for item in IDS:
        told(f"requests: path {item}", session.get(f"{URL}/items/{urllib.parse.quote(item, safe='')}").status_code)
        told(f"requests: path {item}, as it quotes", session.get(f"{URL}/items/{urllib.parse.quote(item)}").status_code)
    told("requests: json", session.post(f"{URL}/things", json={"name": "ü"}).status_code)
    told("requests: form", session.post(f"{URL}/forms", data=FORM).status_code)
    for name in FILES:
        files = {"file": (name, io.BytesIO(b"%PDF\r\n--x\r\n"), "application/pdf")}
        told(f"requests: file {name}", session.post(f"{URL}/uploads", data={"title": "Zoë"}, files=files).status_code)
    chunks = (chunk for chunk in [b'{"name":', b'"a"}'])
    headers = {"Content-Type": "application/json"}
    told("requests: chunked", session.post(f"{URL}/things", data=chunks, headers=headers).status_code)
    told("requests: put", session.put(f"{URL}/items/1", data=b"\0\1", headers={"Content-Type": "application/octet-stream"}).status_code)
    told("requests: delete", session.delete(f"{URL}/items/1").status_code)
    headers = {"Content-Type": "application/merge-patch+json"}
    told("requests: patch", session.patch(f"{URL}/items/1", data="{}", headers=headers).status_code)


def with_urllib3():
    pool = urllib3.PoolManager(headers=AUTHORIZATION)
    told("urllib3: query", pool.request("GET", f"{URL}/search", fields=QUERY).status)
    told("urllib3: json", pool.request("POST", f"{URL}/things", json={"name": "a"}).status)
    form = pool.request("POST", f"{URL}/forms", fields=FORM, encode_multipart=False)
    told("urllib3: form", form.status)
    for name in FILES:
        fields = {"title": "Zoë", "file": (name, b"data", "text/plain")}
        told(f"urllib3: file {name}", pool.request("POST", f"{URL}/uploads", fields=fields).status)


def with_httpx():
    with httpx.Client(headers=AUTHORIZATION, trust_env=False) as client:
        told("httpx: query", client.get(f"{URL}/search", params=QUERY).status_code)
        for item in IDS:
            told(f"httpx: path {item}", client.get(f"{URL}/items/{urllib.parse.quote(item, safe='')}").status_code)
        told("httpx: json", client.post(f"{URL}/things", json={"name": "ü"}).status_code)
        told("httpx: form", client.post(f"{URL}/forms", data={"name": "Zoë & co", "tag": ["x", "y"]}).status_code)
        for name in FILES:
            files = {"file": (name, b"data", "text/plain")}
            told(f"httpx: file {name}", client.post(f"{URL}/uploads", data={"title": "ü"}, files=files).status_code)


async def with_aiohttp():
    async with aiohttp.ClientSession(headers=AUTHORIZATION) as session:
        async def send(name, method, path, **options):
            async with session.request(method, f"{URL}{path}", **options) as response:
                told(f"aiohttp: {name}", response.status)

        await send("query", "GET", "/search", params=QUERY)
        for item in IDS:
            await send(f"path {item}", "GET", f"/items/{urllib.parse.quote(item, safe='')}")
        await send("json", "POST", "/things", json={"name": "ü"})
        await send("form", "POST", "/forms", data=aiohttp.FormData(FORM))
        for name in FILES:
            for quote in (True, False):
                form = aiohttp.FormData(quote_fields=quote)
                form.add_field("title", "Zoë")
                if not quote and any(sign in name for sign in '"\\'):
                    # Not quoted at all: the name of the file ends the parameter, which is a mistake of the caller.
                    continue
                form.add_field("file", b"data", filename=name, content_type="text/plain")
                await send(f"file {name}, quoted: {quote}", "POST", "/uploads", data=form)


def with_urllib():
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def send(name, path, **options):
        request = urllib.request.Request(f"{URL}{path}", headers={**AUTHORIZATION, **options.pop("headers", {})}, **options)
        try:
            told(f"urllib: {name}", opener.open(request).status)
        except urllib.error.HTTPError as error:
            told(f"urllib: {name}", error.code)

    send("query", f"/search?{urllib.parse.urlencode(QUERY)}")
    send("form", "/forms", data=urllib.parse.urlencode(FORM).encode())
    send("json", "/things", data=b'{"name":"a"}', headers={"Content-Type": "application/json"})
    for item in IDS:
        send(f"path {item}", f"/items/{urllib.parse.quote(item)}")


with_requests()
with_urllib3()
with_httpx()
asyncio.run(with_aiohttp())
with_urllib()
