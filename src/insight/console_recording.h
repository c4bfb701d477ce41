// SPDX-License-Identifier: MIT
//
// A trace of the next seconds, for one who asks for it. Of the console's thread alone.

#ifndef RS_INSIGHT_CONSOLE_RECORDING_H
#define RS_INSIGHT_CONSOLE_RECORDING_H

#include "insight/console_observer.h"
#include "insight/text.h"

// What a recording may take of memory; later records are counted as dropped.
enum { RS_RECORDING_MAX = RS_TEXT_MAX / 2 };

// All zero does not record.
struct rs_recording {
    struct rs_text *text;  // where it goes; NULL: nowhere
    uint64_t dropped;
    uint64_t lost_before;  // by the observer's count
    long pid;
    uint64_t start_ns;
};

// Begins to write to `text`, from the tap of `observer`, which is to be on, with names. There is
// one recording at a time.
void rs_recording_begin(struct rs_recording *recording, struct rs_observer *observer,
                        struct rs_text *text);

// Ends it: the text is whole. With `is_wanted` false it is left as it is.
void rs_recording_end(struct rs_recording *recording, struct rs_observer *observer, bool is_wanted);

#endif
