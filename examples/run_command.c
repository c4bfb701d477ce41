// SPDX-License-Identifier: MIT
//
// Runs a command and shows its output line by line, with the time of each line. When the time limit
// is over, the command is killed with all that it has started, and the exit status is 124; else it
// is the command's.

#include <errno.h>
#include <rouse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct run {
    char **argv;
    uint64_t start_ns;
    uint64_t deadline_ns;
};

// Prints the whole lines of `text`, and at the end of the stream the rest. Returns what is left.
static size_t print_lines(const struct run *run, char *text, size_t size, bool is_end)
{
    char *end = text + size;
    double seconds = (double)(rouse_now_ns() - run->start_ns) / 1e9;

    while (text < end) {
        char *newline = memchr(text, '\n', (size_t)(end - text));

        if (newline == NULL && !is_end) break;
        if (newline == NULL) newline = end;
        printf("%.3f s | %.*s\n", seconds, (int)(newline - text), text);
        text = newline < end ? newline + 1 : end;
    }
    (void)fflush(stdout);
    memmove(end - size, text, (size_t)(end - text));
    return (size_t)(end - text);
}

static int run_command(void *arg)
{
    const struct run *run = arg;
    struct rouse_process_options options = {.size = sizeof options,
                                            .argv = run->argv,
                                            .stdio = {[1] = {.kind = ROUSE_STDIO_PIPE}},
                                            .new_group = true,
                                            .kill_on_free = true};
    struct rouse_exit_status status;
    struct rouse_process *process;
    struct rouse_fd_read read;
    char line[4096];
    size_t used = 0;
    int err = rouse_process_spawn(&process, &options);

    if (err < 0) return err;
    do {
        used = used < sizeof line ? used : print_lines(run, line, used, true);  // too long a line
        rouse_fd_read_init(&read, rouse_process_pipe(process, 1), line + used, sizeof line - used);
        err = rouse_await_until(&read.base, run->deadline_ns);
        if (err == 0 && read.output > 0) used += (size_t)read.output;
        used = print_lines(run, line, used, err < 0 || read.output <= 0);
    } while (err == 0 && read.output > 0);
    if (err == -ETIMEDOUT) (void)rouse_process_kill_group(process, SIGKILL);
    int waited = rouse_process_wait(process, &status);

    rouse_process_free(process);
    if (err == -ETIMEDOUT) return 124;
    if (err < 0 || waited < 0) return err < 0 ? err : waited;
    return status.signal != 0 ? 128 + status.signal : status.code;
}

int main(int argc, char **argv)
{
    if (argc < 3) return fputs("Usage: run_command SECONDS COMMAND [ARGUMENT]...\n", stderr), 2;
    struct run run = {.argv = argv + 2, .start_ns = rouse_now_ns()};
    run.deadline_ns = rouse_deadline_after((uint64_t)(strtod(argv[1], NULL) * 1e9));
    int result = rouse_run(run_command, &run);
    if (result < 0) fprintf(stderr, "run_command: %s: %s\n", run.argv[0], rouse_strerror(result));
    return result < 0 ? 127 : result;
}
