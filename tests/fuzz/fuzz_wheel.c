// SPDX-License-Identifier: MIT
//
// The timer wheel against its model, driven by a fuzzer's bytes: clang -fsanitize=fuzzer. A step is
// one byte that says what to do, one that names an entry, and a number of up to eight bytes.

#include <stdlib.h>

#include "unit/wheel_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t size;
};

// The next `count` bytes as a number; missing ones are 0.
static uint64_t input_number(struct input *in, size_t count)
{
    uint64_t number = 0;

    for (size_t i = 0; i < count && in->size > 0; i++) {
        number = number << 8 | *in->data++;
        in->size--;
    }
    return number;
}

static bool step(struct wheel_model *m, struct input *in, uint64_t *now_ns)
{
    uint64_t code = input_number(in, 1);
    size_t index = input_number(in, 1) % WHEEL_MODEL_ENTRIES;
    uint64_t number = input_number(in, code >> 4 & 7) << (code >> 7 & 1) * 8;
    uint64_t next = rs_wheel_next(&m->wheel);
    struct rouse_timer_entry *popped;

    switch (code & 15) {
    case 0:
    case 1:
        *now_ns = *now_ns > UINT64_MAX - number ? UINT64_MAX : *now_ns + number;
        return wheel_model_pop(m, *now_ns, &popped);
    case 2:
        *now_ns = number;  // may go back
        return wheel_model_pop(m, *now_ns, &popped);
    case 3:
        if (next > *now_ns) *now_ns = next;
        return wheel_model_pop(m, *now_ns, &popped);
    case 4:
        return wheel_model_take_any(m);
    case 5:
        m->wheel.ahead_min = 1 + (uint32_t)(index % 4);
        return wheel_model_prepare(m, (unsigned)number % 4, index % 8 == 0);
    default:
        break;
    }
    if (rs_wheel_holds(&m->entries[index])) return wheel_model_remove(m, index);
    if ((code & 15) < 8) return wheel_model_insert(m, index, number);
    if ((code & 15) < 10) return wheel_model_insert(m, index, UINT64_MAX - number);
    return wheel_model_insert(m, index, *now_ns + number);  // may wrap round: any time will do
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wheel_model model;
    struct input in = {.data = data, .size = size};
    uint64_t now_ns = input_number(&in, 8);

    wheel_model_init(&model, now_ns);
    while (in.size > 0) {
        if (!step(&model, &in, &now_ns)) abort();
        // The look inside is slow: at times, and at the end.
        if (in.size % 64 == 0 && !wheel_is_sound(&model.wheel)) abort();
    }
    return 0;
}
