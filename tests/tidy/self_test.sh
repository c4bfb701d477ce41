#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Tests the rules themselves: each line of bad code below is reported by its rule, and by no other,
# and good code of the same kind by none. Prints TAP.
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
points=0
failures=0

"${CC:-cc}" -std=c17 -O1 -o "$scratch/tidy" "$here"/*.c
cd "$scratch"
mkdir -p include/rouse src/base src/time src/sched
printf '0 base: compiler clock\n2 time: sleep\n2 io: poller\n6 sched: runtime\n' >layers.txt
printf '# none\nlength src/base/waived.c it is a table\n' >waivers.txt
opening=$'// SPDX-License-Identifier: MIT\n//\n// A file of a test.\n\n'

# reports FILE EXPECTED TEXT: the rules name EXPECTED ("LINE RULE", or nothing) for a file that
# holds TEXT, a printf format, after its opening of four lines.
reports() {
    local file=$1 expected=$2 actual

    # shellcheck disable=SC2059
    printf "$opening$3" >"$file"
    ./tidy layers.txt waivers.txt "$file" >output || true
    actual=$(sed -nE "s,^# $file:([0-9]+): ([a-z]+): .*,\1 \2,p" output | paste -sd ' ')
    points=$((points + 1))
    if [[ $actual == "$expected" ]]; then
        echo "ok $points - ${expected:-nothing} in $file: ${3:0:40}"
    else
        echo "# expected \"$expected\", got \"$actual\""
        echo "not ok $points - ${expected:-nothing} in $file: ${3:0:40}"
        failures=$((failures + 1))
    fi
    rm -f "$file"
}

long=$(printf '    g();\\n%.0s' {1..70})
wide=$(printf 'x%.0s' {1..98})
doc='/// Says so.\n///\n'

reports src/base/a.c '' 'int g(void);\n'
opening='' reports src/base/a.c '1 opening' 'int g(void);\n\n\n'
reports src/base/a.c '5 lines' "// $wide\n"
reports src/base/a.c '' "// ${wide:2}é\n"
reports src/base/a.c '5 lines' 'int\tg;\n'
reports src/base/a.c '5 lines' 'int g; \n'
reports src/base/a.c '5 lines' 'int g;'
reports src/base/a.c '5 notes' "// TO""DO: later\n"
reports src/base/a.c '' "// TO""DO (#12): later\n"

reports src/time/a.c '' '#include "base/x.h"\n#include <rouse/clock.h>\n#include "time/y.h"\n'
reports src/time/a.c '5 layers' '#include "sched/x.h"\n'
reports src/time/a.c '5 layers' '#include <rouse/runtime.h>\n'
reports src/time/a.c '5 layers' '#include "rouse/poller.h"\n'
reports src/time/a.c '5 layers' '#include "elsewhere/x.h"\n'
reports include/rouse/clock.h '5 layers' '#include <rouse/sleep.h>\n'
reports include/rouse/other.h '1 layers' 'int g;\n'

reports include/rouse/clock.h '' "$doc/// Threads: any.\nROUSE_API int rouse_g(void);\n"
reports include/rouse/clock.h '5 docs' 'ROUSE_API int rouse_g(void);\n'
reports include/rouse/clock.h '7 docs' "$doc"'ROUSE_API int rouse_g(void);\n'
reports include/rouse/clock.h '7 docs' \
    '/// Says so\n/// Threads: any\nROUSE_API int rouse_g(void);\n'
reports include/rouse/clock.h '9 docs' \
    "$doc/// Threads: any.\n/// Errors: none.\nROUSE_API int rouse_g(void);\n"
reports include/rouse/clock.h '8 docs' \
    "/// Waits.\n/// Errors:  none.\n/// Threads: any.\nROUSE_API int rouse_g(void);\n"
reports include/rouse/clock.h '5 docs' 'static inline int rouse_g(void)\n{\n    return 1;\n}\n'

reports src/base/a.c '' 'int a = atomic_load_explicit(&b, memory_order_relaxed);\n'
reports src/base/a.c '5 atomics' 'int a = atomic_load(&b);\n'
reports src/base/a.c '5 atomics' 'int a = atomic_fetch_add (&b, 1);\n'
reports src/base/a.c '5 atomics' 'void g(void) { atomic_thread_fence(memory_order_seq_cst); }\n'
reports src/base/a.c '' '// atomic_load(&b) would be wrong\nchar *a = "atomic_load(&b)";\n'

reports src/base/a.c '' 'static _Thread_local int a = __builtin_ctz(1), a_b_ = __LINE__;\n'
reports src/base/a.c '5 reserved' 'int __a;\n'
reports src/base/a.c '5 reserved' '#define _A_H 1\n'
reports src/base/a.c '5 typedefs' 'typedef struct a a_t;\n'
reports src/base/a.c '6 typedefs' 'typedef struct {\n    size_t b; } a_t;\n'
reports src/base/a.c '5 typedefs' 'typedef int (*a_t)(uint32_t b);\n'
reports src/base/a.c '5 typedefs' 'enum a_t { A };\n'
reports src/base/a.c '' 'typedef int (*a)(uint32_t b_t);\ntypedef uint32_t b;\n'

reports src/base/a.c '5 length' "void g(void)\n{\n$long}\n"
reports src/base/a.c '5 info' "void g(void)\n{\n${long:30}}\n\nvoid h(void)\n{\n}\n"
reports src/base/a.c '' "void g(void)\n{\n${long:330}}\n"
reports src/base/waived.c '5 waived' "void g(void)\n{\n$long}\n"

reports src/base/a.c '' 'void g(void)\n{\n    if (a) b();\n    if (a) {\n        b();\n    }\n}\n'
reports src/base/a.c '7 braces' 'void g(void)\n{\n    if (a)\n        b();\n}\n'
reports src/base/a.c '7 braces' 'void g(void)\n{\n    for (;;)\n        b();\n}\n'
reports src/base/a.c '' 'void g(void)\n{\n    do {\n        b();\n    } while (a);\n    c();\n}\n'
reports src/base/a.c '9 braces' \
    'void g(void)\n{\n    if (a) {\n        b();\n    } else\n        c();\n}\n'
reports src/base/a.c '' '#if defined(A)\nint b;\n#else\nint c;\n#endif\n'

reports src/base/a.c '5 system' 'int a = read(0, b, 1);\n'
reports src/base/a.c '' 'int a = rs_sys.read(0, b, 1) + sys->write(0, b, 1);\n'
reports src/base/sys.c '' 'int a = read(0, b, 1);\n'

echo "1..$points"
((failures == 0))
