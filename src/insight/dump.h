// SPDX-License-Identifier: MIT
//
// The text of a dump, for those of this layer that write it elsewhere than to a descriptor.

#ifndef RS_INSIGHT_DUMP_H
#define RS_INSIGHT_DUMP_H

#include "insight/text.h"

// Adds what rouse_dump() writes. Any thread, with no lock held.
void rs_dump_print(struct rs_text *text, bool all_tasks);

#endif
