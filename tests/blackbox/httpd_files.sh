#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# httpd as curl sees it: files, folders, ranges, conditions, methods, and what must stay hidden; on
# each reactor, with one worker and with two. And the command line.
set -uo pipefail
# shellcheck source=tests/blackbox/httpd.bash
source "$(dirname "$0")/httpd.bash"
need curl

# --- a site --------------------------------------------------------------------------------------

site=$scratch/site
mkdir -p "$site/folder/deep" "$site/empty" "$site/.secret" "$site/.well-known"
printf 'Hello, World!' >"$site/hello.txt"
printf '<p>index</p>\n' >"$site/index.html"
printf 'body { color: red }\n' >"$site/folder/style.css"
printf 'folder' >"$site/folder/index.html"
printf 'spaces' >"$site/with space & more.txt"
printf 'accents' >"$site/été.txt"
printf 'no' >"$site/.secret/key"
printf 'yes' >"$site/.well-known/here"
printf 'inside' >"$site/target.txt"
printf 'outside' >"$scratch/outside.txt"
ln -s target.txt "$site/inward.txt"
ln -s ../outside.txt "$site/outward.txt"
ln -s / "$site/everything"
: >"$site/nothing.txt"
seq -w 1 100000 >"$site/large.txt"  # 700000 bytes: too large for memory
seq -w 1 7000 >"$site/middle.txt"   # 35000 bytes: in memory, too large to be copied
mkfifo "$site/pipe"
printf 'private' >"$site/private.txt"
chmod 000 "$site/private.txt"
touch -d '2020-02-02 02:02:02 UTC' "$site"/*.txt

# --- checks --------------------------------------------------------------------------------------

header_is() {  # header_is NAME VALUE PATH...
    local name=$1 value=$2 head

    shift 2
    head=$(fetch -D - -o /dev/null "$@" | tr -d '\r')
    echo "$head"
    grep -qixF -- "$name: $value" <<<"$head"
}

content_is() {  # content_is FILE OPTION... PATH
    local file=$1

    shift
    fetch -o "$scratch/got" "$@" && cmp "$file" "$scratch/got"
}

range_is() {  # range_is EXPECTED RANGE PATH
    local got

    got=$(fetch -w ' %{http_code}' -r "$2" "$3")
    echo "$got"
    [[ $got == "$1 206" ]]
}

head_has_no_body() {
    local got

    got=$(fetch -I "$1" | tr -d '\r')
    echo "$got"
    [[ $got == 'HTTP/1.1 200 OK'* && $got == *'Content-Length: 13'* && $got != *Hello* ]]
}

etag_saves_the_body() {
    local tag

    tag=$(fetch -D - -o /dev/null "$1" | tr -d '\r' | sed -n 's/^ETag: //p')
    echo "tag $tag"
    [[ -n $tag ]] && status_is 304 -H "If-None-Match: $tag" "$1" &&
        status_is 200 -H 'If-None-Match: "another"' "$1" &&
        status_is 412 -H 'If-Match: "another"' "$1" &&
        status_is 206 -H "If-Range: $tag" -r 0-1 "$1" &&
        status_is 200 -H 'If-Range: "another"' -r 0-1 "$1"
}

connection_is_kept() {
    local got

    got=$(curl -sS --max-time 10 --noproxy '*' -o /dev/null -o /dev/null -o /dev/null \
        -w '%{num_connects} ' "http://$address/"{hello.txt,nowhere,large.txt})
    echo "$got"
    [[ $got == '1 0 0 ' ]]
}

upload_is_refused_unread() {
    local got

    got=$(fetch -o /dev/null -w '%{http_code} %{size_upload}' -H 'Expect: 100-continue' \
        --expect100-timeout 8 --data-binary @"$site/middle.txt" /hello.txt)
    echo "$got"
    [[ $got == '405 0' ]]
}

change_is_seen() {
    printf 'one' >"$site/changing" && content_is "$site/changing" /changing || return
    sleep 1.1
    printf 'two, longer' >"$site/changing.new"
    mv "$site/changing.new" "$site/changing"
    content_is "$site/changing" /changing
}

fails_with() {  # fails_with STATUS PATTERN OPTION...
    local expected=$1 pattern=$2 status

    shift 2
    timeout 10 "${prefix[@]}" "$build/bin/httpd" "$@" >"$scratch/output" 2>&1
    status=$?
    cat "$scratch/output"
    echo "exit status $status"
    ((status == expected)) && grep -qiE "$pattern" "$scratch/output"
}

port_is_taken() {
    fails_with 1 'address already in use.*choose another' --root "$site" --workers "$1" \
        --listen "$address"
}

# --- one configuration ---------------------------------------------------------------------------

check_site() {
    local with=$1

    claim "$with: the server starts" server_start --root "$site" "${@:2}"
    claim "$with: a file arrives whole" content_is "$site/hello.txt" /hello.txt
    claim "$with: once more, from memory" content_is "$site/hello.txt" /hello.txt
    claim "$with: a file of many reads arrives whole" content_is "$site/large.txt" /large.txt
    claim "$with: a file of one large piece arrives whole" content_is "$site/middle.txt" /middle.txt
    claim "$with: an empty file arrives" status_is 200 /nothing.txt
    claim "$with: HEAD has no body" head_has_no_body /hello.txt
    claim "$with: types follow names" header_is Content-Type 'text/css; charset=utf-8' \
        /folder/style.css
    claim "$with: the date of change is told" header_is Last-Modified \
        'Sun, 02 Feb 2020 02:02:02 GMT' /hello.txt
    claim "$with: a query changes nothing" content_is "$site/hello.txt" '/hello.txt?a=b'
    claim "$with: / is the index" content_is "$site/index.html" /
    claim "$with: a folder is its index" content_is "$site/folder/index.html" /folder/
    claim "$with: a folder without its slash is sent there" header_is Location /folder/ /folder
    claim "$with: a folder without an index is 404" status_is 404 /empty/
    claim "$with: escapes are decoded" content_is "$site/with space & more.txt" \
        '/with%20space%20%26%20more.txt'
    claim "$with: names beyond ASCII are found" content_is "$site/été.txt" '/%C3%A9t%C3%A9.txt'
    claim "$with: If-Modified-Since saves the body" status_is 304 \
        -H 'If-Modified-Since: Sun, 02 Feb 2020 02:02:02 GMT' /hello.txt
    claim "$with: but not if the file is newer" status_is 200 \
        -H 'If-Modified-Since: Sun, 02 Feb 2020 02:02:01 GMT' /hello.txt
    claim "$with: a tag saves the body" etag_saves_the_body /hello.txt
    claim "$with: a range from the beginning" range_is Hello 0-4 /hello.txt
    claim "$with: a range from the end" range_is 'World!' -6 /hello.txt
    claim "$with: a range of a large file" range_is $'99999\n100000\n' 699987-699999 /large.txt
    claim "$with: a range behind the end is 416" status_is 416 -r 13- /hello.txt
    claim "$with: 404" status_is 404 /nowhere
    claim "$with: POST is 405" status_is 405 -d x=y /hello.txt
    claim "$with: DELETE is 405, and says what is allowed" header_is Allow 'GET, HEAD, OPTIONS' \
        -X DELETE /hello.txt
    claim "$with: a method of no name is 501" status_is 501 -X BREW /hello.txt
    claim "$with: .. above the root is refused" status_is 400 /../outside.txt
    claim "$with: so is an escaped one" status_is 400 '/folder/%2e%2e/%2e%2e/outside.txt'
    claim "$with: .. within the root is resolved" content_is "$site/hello.txt" \
        /folder/deep/../../hello.txt
    claim "$with: an escaped slash names nothing" status_is 404 '/..%2foutside.txt'
    claim "$with: an escaped NUL is refused" status_is 400 '/hello.txt%00.css'
    claim "$with: a link that stays inside is followed" content_is "$site/target.txt" /inward.txt
    claim "$with: a link that leaves the root is not" status_is 404 /outward.txt
    claim "$with: nor a folder that does" status_is 404 /everything/etc/passwd
    claim "$with: hidden files are not there" status_is 404 /.secret/key
    claim "$with: but for .well-known" content_is "$site/.well-known/here" /.well-known/here
    claim "$with: a pipe is forbidden, and nobody waits" status_is 403 /pipe
    claim "$with: a connection is kept" connection_is_kept
    claim "$with: an upload is refused before it begins" upload_is_refused_unread
    claim "$with: a body on a GET is skipped" status_is 200 -X GET -d 0123456789 /hello.txt
    claim "$with: a chunked one, too" status_is 200 -X GET -H 'Transfer-Encoding: chunked' \
        -d 0123456789 /hello.txt
    claim "$with: a body is asked for if the client waits" status_is 200 -X GET \
        -H 'Expect: 100-continue' --expect100-timeout 8 -d 0123456789 /hello.txt
    claim "$with: HTTP/1.0 works" status_is 200 --http1.0 /hello.txt
    claim "$with: it is healthy" header_is Cache-Control no-store /healthz
}

for reactor in epoll poll; do
    for workers in 1 2; do
        check_site "$reactor, $workers" --reactor "$reactor" --workers "$workers"
        claim "$reactor, $workers: a second server does not share the port" port_is_taken "$workers"
        claim "$reactor, $workers: it ends in order" server_stops
    done
done

# --- once ----------------------------------------------------------------------------------------

server_start --root "$site" --workers 1 --access-log "$scratch/log" || exit 1
claim 'a file that is replaced is noticed' change_is_seen
if ((EUID != 0)); then
    claim 'a file that may not be read is 403' status_is 403 /private.txt
else
    skip 'a file that may not be read is 403' 'root may read everything'
fi
fetch -o /dev/null -A $'odd " agent \\ \xe9\t.' -e http://before/ /hello.txt
claim 'it ends in order with a log' server_stops
logged() {
    cat "$scratch/log"
    grep -qE "$1" "$scratch/log"
}
combined='^127\.0\.0\.1 - - \[[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9:]{8} \+0000\] '
combined+='"GET /changing HTTP/1\.1" 200 11 '
combined+='"-" "curl/[^"]*"$'
claim 'the log has a line in the combined form' logged "$combined"
claim 'what comes from outside is escaped in it' \
    logged '"http://before/" "odd \\x22 agent \\x5c \\xe9\\x09\."$'

claim '--help says how to use it' fails_with 0 '^usage: httpd' --help
claim '--version says which it is' fails_with 0 '^httpd of rouse [0-9.]+$' --version
claim 'an unknown option is a usage error' fails_with 2 'httpd --help' --frobnicate
claim 'so is a word that is no option' fails_with 2 'is no option' site
claim 'so is an address without a port' fails_with 2 "not '127.0.0.1'" --listen 127.0.0.1
claim 'so is a time that is no number' fails_with 2 'number of seconds' --grace soon
claim 'so is a reactor that nobody knows' fails_with 2 'epoll, io_uring or poll' --reactor kqueue
claim 'a root that is not there is named' fails_with 1 'cannot serve .*/none: no such file' \
    --root "$scratch/none" --listen 127.0.0.1:0
claim 'an address of somebody else is an error' fails_with 1 'cannot listen on 192.0.2.1' \
    --root "$site" --listen 192.0.2.1:0
claim 'a log that cannot be written is an error' fails_with 1 'cannot write' \
    --root "$site" --listen 127.0.0.1:0 --access-log "$scratch/none/log"

claim 'it listens on several addresses' server_start --root "$site" --listen '[::1]:0' --workers 2
if grep -qF 'http://[::1]:' "$scratch/stdout"; then
    claim 'one of them over IPv6' curl -sSf --max-time 10 --noproxy '*' -o /dev/null \
        "$(sed -n 's|^listening on \(http://\[.*\)|\1hello.txt|p' "$scratch/stdout")"
fi
claim 'it ends in order with both' server_stops
finish
