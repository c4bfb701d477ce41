// SPDX-License-Identifier: MIT
//
// One connection to the console, from its request to the end of its answer. No call waits: what
// the peer does not send or take at once is waited for by the console's loop. Of the console's
// thread alone.

#ifndef RS_INSIGHT_CONSOLE_CONN_H
#define RS_INSIGHT_CONSOLE_CONN_H

#include "insight/console_lanes.h"
#include "insight/console_request.h"
#include "insight/console_rows.h"
#include "insight/text.h"

//     FREE --accepted--> READING --head is there--> ANSWERING ----all sent----> ENDING --> FREE
//                           |                           ^
//                           +--> STREAMING (for good)   |
//                           +--> RECORDING --time is up-+
enum rs_conn_state {
    RS_CONN_FREE,
    RS_CONN_READING,
    RS_CONN_ANSWERING,
    RS_CONN_STREAMING,  // one snapshot after another
    RS_CONN_RECORDING,  // a trace, of which nothing is sent yet
    RS_CONN_ENDING,     // until the peer has closed too: else it might lose the answer's end
};

enum { RS_CONN_HEAD_MAX = 1024 };

struct rs_conn {
    enum rs_conn_state state;
    int fd;
    uint64_t deadline_ns;  // when it is given up; for RECORDING, when that ends
    char request[RS_REQUEST_MAX];
    size_t request_size;
    // The answer, and how much of it the kernel has taken.
    char head[RS_CONN_HEAD_MAX];
    size_t head_size;
    struct rs_text body;
    size_t sent;
    // Of a stream.
    struct rs_rows_query query;
    uint64_t period_ns;
    uint64_t next_ns;
    struct rs_lanes_place seen;
    bool has_no_lanes;  // it does not want them
};

enum rs_conn_progress { RS_CONN_WAITS, RS_CONN_DONE, RS_CONN_GONE };

// A connection that is FREE takes a descriptor.
void rs_conn_open(struct rs_conn *conn, int fd, uint64_t now_ns);
void rs_conn_close(struct rs_conn *conn);

// DONE: there is a whole head, or so much that it is none.
enum rs_conn_progress rs_conn_read(struct rs_conn *conn);

// Throws away what comes. DONE: the peer has closed.
enum rs_conn_progress rs_conn_discard(struct rs_conn *conn);

// Sends of the answer what can be sent; that moves the deadline.
enum rs_conn_progress rs_conn_write(struct rs_conn *conn, uint64_t now_ns);
bool rs_conn_is_sent(const struct rs_conn *conn);

// The answer is what is in the body, or, if that was cut, that there is no memory. `extra`: header
// lines, each with its end. Without `has_body` only its head is sent.
void rs_conn_answer(struct rs_conn *conn, int status, const char *type, const char *extra,
                    bool has_body, uint64_t now_ns);

// The answer is a stream of events; the body will be one after another.
void rs_conn_stream(struct rs_conn *conn, uint64_t now_ns);

// Sends the end; what is left is to be discarded.
void rs_conn_end(struct rs_conn *conn, uint64_t now_ns);

#endif
