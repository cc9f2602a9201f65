#!/usr/bin/env bash
# Requests as curl makes them. Usage: curl.sh CURL URL KEY. Prints one line of JSON for each request: its name and its status.
set -euo pipefail
curl=$1 url=$2 key=$3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
printf 'data\r\n--x\r\n' >"$folder/plain.txt"
printf 'data' >"$folder/résumé.pdf"
printf 'data' >"$folder/my report (final).pdf"
printf 'data' >"$folder/semi;colon.txt"
head -c 2000000 /dev/zero >"$folder/large.bin"

send() {
  local name=$1 status
  shift
  status=$("$curl" --silent --show-error --noproxy '*' --max-time 20 --output /dev/null --write-out '%{http_code}' \
    --header "Authorization: Bearer $key" "$@")
  printf '{"name":"curl: %s","status":%s}\n' "$name" "$status"
}

send 'get' "$url/search?q=a"
send 'get with brackets' --globoff "$url/search?ids[]=1&ids[]=2&filter[name]=x"
send 'get with data' --get --data-urlencode 'q=red & blue, 100% café +1' --data-urlencode 'redirect=https://a.example/../b#c' "$url/search"
send 'path with dots' "$url/items/x/../1"
send 'path with encoded characters' "$url/items/caf%C3%A9%20%26%20bar%3F"
send 'path with a plus and an at sign' "$url/items/a+b@c,d:e=f"
send 'http2' --http2 "$url/search?q=a"
send 'http2 with a body' --http2 --header 'Content-Type: application/json' --data '{"name":"a"}' "$url/things"
send 'http1.0' --http1.0 "$url/search?q=a"
send 'compressed' --compressed "$url/search?q=a"
send 'cookie' --cookie 'session=abc' "$url/search"
send 'conditional' --header 'If-None-Match: "67ab43"' "$url/search"
send 'json' --header 'Content-Type: application/json' --data '{"name":"ü"}' "$url/things"
send 'json by option' --json '{"name":"a"}' "$url/things"
send 'chunked' --header 'Content-Type: application/json' --header 'Transfer-Encoding: chunked' --data '{"name":"a"}' "$url/things"
send 'expect' --header 'Content-Type: application/json' --header 'Expect: 100-continue' --data '{"name":"a"}' "$url/things"
send 'form' --data-urlencode 'name=Zoë & co' --data-urlencode 'note=a+b' --data 'tag=x&tag=y&ids[]=1' "$url/forms"
send 'form with plus' --data 'name=Zo%C3%AB+%26+co' "$url/forms"
send 'multipart' --form 'title=Zoë' --form "file=@$folder/plain.txt" "$url/uploads"
send 'multipart with a type' --form 'title=a' --form "file=@$folder/plain.txt;type=text/plain" "$url/uploads"
send 'multipart with a name' --form 'title=a' --form "file=@$folder/plain.txt;filename=other name.txt" "$url/uploads"
send 'multipart with a quote' --form 'title=a' --form "file=@$folder/plain.txt;filename=\"quo\\\"te.txt\"" "$url/uploads"
send 'multipart with Unicode' --form 'title=a' --form "file=@\"$folder/résumé.pdf\"" "$url/uploads"
send 'multipart with parentheses' --form 'title=a' --form "file=@\"$folder/my report (final).pdf\"" "$url/uploads"
send 'multipart with a semicolon' --form 'title=a' --form "file=@\"$folder/semi;colon.txt\"" "$url/uploads"
send 'multipart, large' --form 'title=a' --form "file=@$folder/large.bin" "$url/uploads"
send 'put' --upload-file "$folder/plain.txt" --header 'Content-Type: text/plain' "$url/items/1"
send 'put, large' --upload-file "$folder/large.bin" --header 'Content-Type: application/octet-stream' "$url/items/1"
send 'put from standard input' --upload-file - --header 'Content-Type: text/plain' "$url/items/1" <"$folder/plain.txt"
send 'delete' --request DELETE "$url/items/1"
