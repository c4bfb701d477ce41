# SPDX-License-Identifier: MIT
#
# What one operation of a row costs: reads a disassembly and then two profiles of callgrind, of the
# same program with few and with more operations, and divides the differences by those of the
# operations (-v operations=DIFFERENCE), so that start and end of the program are in none of them.
# The profiles are made with --dump-instr=yes, --collect-systime=yes, --compress-strings=no and
# --compress-pos=no; -v program=NAME is the end of the path of the disassembled one.
#
# Prints a line "total" and one for each function that has a part in it, the most expensive first:
#
#     NAME INSTRUCTIONS READ-MODIFY-WRITES INDIRECT-JUMPS SYSTEM-CALLS CLOCK-READS
#
# Read-modify-writes and indirect jumps (calls through a pointer, and jumps to where one says) are
# those of the program itself; those of the C library are not looked at. Reading the clock counts as
# such, not as a system call: only under valgrind is it one.

BEGIN {
    RMW = 1
    INDIRECT = 2
    if (operations + 0 <= 0) {
        print "callgrind.awk: -v operations=COUNT is missing" > "/dev/stderr"
        exit 2
    }
}

FNR == 1 { file++ }

# "   1234:  lock xadd %eax,(%rdi)". An exchange with memory is locked without saying so. Jumps
# through the table of another library's functions are direct ones, but for the linker.
file == 1 {
    if ($1 !~ /^[0-9a-f]+:$/) next
    if ($2 == "lock" || ($2 ~ /^xchg/ && $0 ~ /\(/)) kind["0x" substr($1, 1, length($1) - 1)] = RMW
    if ($2 ~ /^(notrack|bnd)$/) $2 = $3
    if ($2 ~ /^(call|jmp)q?$/ && $0 ~ /\*/ && $0 !~ /\(%rip\)/) {
        kind["0x" substr($1, 1, length($1) - 1)] = INDIRECT
    }
    next
}

file > 1 && FNR == 1 {
    sign = file == 2 ? -1 : 1
    ours = 0
}

/^ob=/ {
    ours = $0 == "ob=" program || index($0, "/" program) == length($0) - length(program)
    next
}

# A name may have the depth of its recursion behind it, a version, and what the compiler made of it.
/^fn=/ {
    name = substr($0, 4)
    sub(/'[0-9]+$/, "", name)
    sub(/@.*$/, "", name)
    sub(/\.(isra|constprop|part|cold|lto_priv).*$/, "", name)
    if (name ~ /^0x/) name = "(unknown)"
    next
}

# What follows is the cost of what was called, which is counted where it arises.
/^calls=/ {
    getline
    next
}

/^0x[0-9a-f]+ / {
    total_of = sign / operations
    instructions[name] += $3 * total_of
    if (name ~ /clock_gettime/) {
        clocks[name] += $4 * total_of
    } else {
        calls[name] += $4 * total_of
    }
    if (ours && kind[$1] == RMW) rmw[name] += $3 * total_of
    if (ours && kind[$1] == INDIRECT) indirect[name] += $3 * total_of
}

END {
    if (operations + 0 <= 0) exit 2
    if (file < 3) {
        print "callgrind.awk: a disassembly and two profiles are needed" > "/dev/stderr"
        exit 2
    }
    for (name in instructions) {
        sum[1] += instructions[name]
        sum[2] += rmw[name]
        sum[3] += indirect[name]
        sum[4] += calls[name]
        sum[5] += clocks[name]
    }
    printf "total %.2f %.3f %.3f %.3f %.3f\n", sum[1], sum[2], sum[3], sum[4], sum[5]
    command = "sort -k2,2nr -k1,1"
    for (name in instructions) {
        if (instructions[name] < 0.05 && calls[name] < 0.0005) continue
        printf "%s %.2f %.3f %.3f %.3f %.3f\n", name, instructions[name], rmw[name],
            indirect[name], calls[name], clocks[name] | command
    }
    close(command)
}
