# SPDX-License-Identifier: MIT
#
# A browser for tests: headless Chromium, spoken to in the DevTools protocol over a pair of pipes,
# so that nothing else is needed. Sourced after app.bash. Every wait has a limit.
# shellcheck disable=SC2034,SC2154
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
browser_options=(--headless --no-sandbox --disable-gpu --disable-quic --no-first-run
    --disable-background-networking --disable-component-update --disable-sync
    --disable-dev-shm-usage --no-proxy-server)
browser_session=
browser_calls=0
answer=
said=

# Starts it, with an empty page; where there is none, or none that starts, the whole test is
# skipped. It ends with the script, or by itself after two minutes.
browser_start() {
    if [[ -z $browser ]]; then
        echo '1..0 # SKIP needs chromium'
        exit 77
    fi
    mkfifo "$scratch/commands" "$scratch/answers" || exit
    exec {browser_commands}<>"$scratch/commands" {browser_answers}<>"$scratch/answers"
    : >"$scratch/complaints"
    HOME=$scratch timeout -k 1 120 "$browser" "${browser_options[@]}" \
        --user-data-dir="$scratch/profile" --remote-debugging-pipe about:blank \
        3<&"$browser_commands" 4>&"$browser_answers" 2>"$scratch/browser" >/dev/null &
    others+=($!)
    if ! browser_attach >/dev/null; then
        echo '1..0 # SKIP the browser does not start here'
        exit 77
    fi
}

browser_attach() {
    local target

    browser_call Target.createTarget '{"url":"about:blank"}' || return
    target=${answer#*\"targetId\":\"}
    browser_call Target.attachToTarget "{\"targetId\":\"${target%%\"*}\",\"flatten\":true}" || return
    browser_session=${answer#*\"sessionId\":\"}
    browser_session=${browser_session%%\"*}
    browser_call Runtime.enable && browser_call Log.enable && browser_call Page.enable
}

# browser_call METHOD [PARAMETERS]: sets `answer`. What the page complains of meanwhile is kept.
browser_call() {
    local id=$((++browser_calls)) session=

    if [[ -n $browser_session ]]; then session=",\"sessionId\":\"$browser_session\""; fi
    printf '{"id":%d,"method":"%s","params":%s%s}\0' "$id" "$1" "${2:-{\}}" "$session" \
        >&"$browser_commands"
    while IFS= read -r -d '' -t 20 -u "$browser_answers" answer; do
        case $answer in
        "{\"id\":$id,\"error\""*) echo "$answer" && return 1 ;;
        "{\"id\":$id,"*) return 0 ;;
        *'"method":"Runtime.exceptionThrown"'* | *'"method":"Log.entryAdded"'*'"level":"error"'*)
            echo "$answer" >>"$scratch/complaints"
            ;;
        esac
    done
    echo "no answer to $1"
    tail -n 5 "$scratch/browser"
    return 1
}

# A text as a part of a JSON string.
json_text() {
    local text=${1//\\/\\\\}

    text=${text//\"/\\\"}
    printf '%s' "${text//$'\n'/\\n}"
}

# browser_says EXPRESSION: sets `said` to the value of a JavaScript expression, which may be a
# promise.
browser_says() {
    local expression="(async()=>btoa(unescape(encodeURIComponent(String(await($1))))))()"

    browser_call Runtime.evaluate "{\"awaitPromise\":true,\"expression\":\"$(json_text \
        "$expression")\"}" || return
    said=$answer
    [[ $answer == *'"type":"string","value":"'* ]] || return
    answer=${answer#*\"type\":\"string\",\"value\":\"}
    said=$(base64 -d <<<"${answer%%\"*}")
}

# comes_true EXPRESSION [SHOWN]: it does so within 15 seconds; else the value of SHOWN is told.
comes_true() {
    local i

    for ((i = 0; i < 150; i++)); do
        browser_says "$1"
        if [[ $said == true ]]; then return 0; fi
        sleep 0.1
    done
    echo "$1: $said"
    if [[ -n ${2:-} ]]; then browser_says "$2" && echo "$said"; fi
    return 1
}

browser_visit() {  # browser_visit ADDRESS
    browser_call Page.navigate "{\"url\":\"$1\"}"
}

# browser_picture FILE WIDTH HEIGHT light|dark: what the page looks like.
browser_picture() {
    browser_call Emulation.setDeviceMetricsOverride \
        "{\"width\":$2,\"height\":$3,\"deviceScaleFactor\":1,\"mobile\":false}" || return
    browser_call Emulation.setEmulatedMedia \
        "{\"features\":[{\"name\":\"prefers-color-scheme\",\"value\":\"$4\"}]}" || return
    # Time for a snapshot in the new size.
    sleep 1
    browser_call Page.captureScreenshot '{"format":"png"}' || return
    answer=${answer#*\"data\":\"}
    base64 -d <<<"${answer%%\"*}" >"$1"
}
