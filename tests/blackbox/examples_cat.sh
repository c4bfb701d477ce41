#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The example cat beside cat(1): many files in parallel come in their order, one that is not there
# is told, and the standard output is left as it was for those who share it.
set -uo pipefail
# shellcheck source=tests/blackbox/examples.bash
source "$(dirname "$0")/examples.bash"

files=$scratch/files

make_files() {
    local i

    mkdir "$files" || return
    for ((i = 0; i < 300; i++)); do
        printf 'file %d\n%*s\n' "$i" $((i * 7 % 5000)) end >"$files/$i"
    done
    head -c 3000000 /dev/urandom >"$files/large"
    : >"$files/none"
}

is_like_cat() {
    cmp <(run cat "$@") <(command cat "$@")
}

# The same files again, when the page cache has let go of what it could.
is_like_cat_without_cache() {
    sync "$files"/* && dd of="$files/large" oflag=nocache conv=notrunc,fdatasync count=0 &&
        is_like_cat "$@"
}

tells_what_is_missing() {
    fails_with 1 run cat "$files/0" "$files/missing" "$files" "$files/1" >"$scratch/out" \
        2>"$scratch/err"
    command cat "$scratch/err"
    cmp <(grep -v '^exit status ' "$scratch/out") <(command cat "$files/0" "$files/1") &&
        grep -q "^cat: $files/missing: No such file or directory$" "$scratch/err" &&
        grep -q "^cat: $files: Is a directory$" "$scratch/err"
}

# Nobody reads the rest: it ends, with an error and not by a signal.
ends_with_its_reader() {
    local status

    run cat "$files/large" "$files/large" 2>"$scratch/err" | head -c 10 >/dev/null
    status=${PIPESTATUS[0]}
    echo "exit status $status"
    command cat "$scratch/err"
    [[ $status == 1 ]] && grep -q '^cat: the other end is gone$' "$scratch/err"
}

# The flags of a descriptor that both have, before and after.
leaves_the_pipe_blocking() {
    { run cat "$files/1" && grep ^flags /proc/self/fdinfo/1 >&2; } 2>"$scratch/flags" |
        command cat >/dev/null
    command cat "$scratch/flags"
    # The fourth octal digit from the right holds O_NONBLOCK.
    grep -Eq '^flags:[[:space:]]+[0-7]*[0-3][0-7]{3}$' "$scratch/flags"
}

# calls_of_io_uring REACTOR: how many a test of files makes. The search for leaks traces the
# process, and so does strace.
calls_of_io_uring() {
    ROUSE_TEST_REACTORS=epoll ASAN_OPTIONS=detect_leaks=0 strace -f -o "$scratch/trace" \
        -e trace=io_uring_setup,io_uring_enter,io_uring_register \
        "$build/tests/api_file" --filter "bytes_written_are_read/runtime2/$1/" >/dev/null || return
    grep -c io_uring "$scratch/trace" || true
}

claim "there are files" make_files
for reactor in auto epoll poll; do
    export ROUSE_REACTOR=$reactor
    claim "many files come in their order, on $reactor" is_like_cat "$files"/*
    claim "and from the disk, on $reactor" is_like_cat_without_cache "$files"/*
    claim "a file that is not there is told, on $reactor" tells_what_is_missing
    claim "without a reader it ends, on $reactor" ends_with_its_reader
    claim "a shared pipe stays as it was, on $reactor" leaves_the_pipe_blocking
    unset ROUSE_REACTOR
done
# Where the choice is left to rouse there are some, unless the kernel or the file system is against
# it.
if ! strace -o /dev/null true 2>/dev/null || ! (($(calls_of_io_uring auto) > 0)); then
    skip "on epoll there is no call of io_uring" "no strace, or none without epoll either"
else
    claim "on epoll there is no call of io_uring" prints 0 calls_of_io_uring epoll
fi

echo "1..$points"
((failures == 0))
