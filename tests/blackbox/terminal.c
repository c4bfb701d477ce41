// SPDX-License-Identifier: MIT
//
// A terminal that a script sits in front of: runs a program on a pseudo-terminal, keeps the screen
// that it draws, presses keys, and looks. No part of it is rouse's.
//
//     terminal COLUMNS ROWS PROGRAM [ARGUMENT...] < SCRIPT
//
// It succeeds if each line of the script does, one after another; else it shows the screen:
//
//     see TEXT          the text comes to stand on the screen, in one line
//     lose TEXT         it comes not to stand there any more
//     type TEXT         presses keys; \e, \r and \x1a (two digits) are what they are in C
//     resize COLUMNS ROWS
//     signal NUMBER     to the program
//     exit STATUS       the program ends so; 128 + N for a signal. Then the terminal is as it was:
//                       its modes, the first screen, a cursor, lines that wrap. The last line
//     stop              the program stops, as by Ctrl-Z, having given the terminal back so
//     print             shows the screen
//     touch FILE        makes an empty file, for who writes the script as we read it
//
// The terminal knows the few sequences that rouse top uses, and takes any other for a failure.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

enum { COLUMNS_MAX = 300, ROWS_MAX = 150, LIMIT_S = 60, PATIENCE_MS = 15000, TURN_MS = 20 };

static int terminal;   // our end
static int other_end;  // the program's, kept open so that its modes can be read
static pid_t program;
static struct termios modes_before;

static char cells[ROWS_MAX][COLUMNS_MAX + 1];
static unsigned columns, rows;
static unsigned row, column;
static bool is_other_screen, is_cursor_hidden, is_unwrapped;
static bool was_resized;   // so what is on its way may be too large
static char sequence[32];  // that has come in part
static size_t sequence_size;
static char strange[32];  // one that we do not know

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void screen_print(void)
{
    for (unsigned i = 0; i < rows; i++) (void)printf("|%.*s|\n", (int)columns, cells[i]);
}

__attribute__((noreturn)) static void fail(const char *what, const char *detail)
{
    (void)printf("%s: %s\n", what, detail);
    screen_print();
    if (program > 0) (void)kill(program, SIGKILL);
    exit(1);
}

// ---- The screen ----

static void erase(unsigned from_row, unsigned from_column, unsigned to_row)
{
    for (unsigned i = from_row; i < to_row; i++) {
        memset(cells[i] + (i == from_row ? from_column : 0), ' ',
               COLUMNS_MAX - (i == from_row ? from_column : 0));
    }
}

static bool sequence_is(const char *what)
{
    return sequence_size == strlen(what) && memcmp(sequence, what, sequence_size) == 0;
}

static void sequence_do(void)
{
    if (sequence_is("[H")) {
        row = column = 0;
    } else if (sequence_is("[K")) {
        erase(row, column, row + 1);
    } else if (sequence_is("[J")) {
        erase(row, column, ROWS_MAX);
    } else if (sequence_is("[2J")) {
        erase(0, 0, ROWS_MAX);
    } else if (sequence_is("[?1049h") || sequence_is("[?1049l")) {
        is_other_screen = sequence[sequence_size - 1] == 'h';
    } else if (sequence_is("[?25h") || sequence_is("[?25l")) {
        is_cursor_hidden = sequence[sequence_size - 1] == 'l';
    } else if (sequence_is("[?7h") || sequence_is("[?7l")) {
        is_unwrapped = sequence[sequence_size - 1] == 'l';
    } else if (!sequence_is("[0m") && !sequence_is("[1m") && !sequence_is("[7m")) {
        (void)snprintf(strange, sizeof strange, "%.*s", (int)sequence_size, sequence);
    }
}

// Part of a sequence: the bracket, then up to the first letter.
static void sequence_add(char byte)
{
    bool is_end = sequence_size > 1 && byte >= 0x40;

    sequence[sequence_size++] = byte;
    if (!is_end && sequence_size < sizeof sequence) return;
    memmove(sequence, sequence + 1, --sequence_size);
    sequence_do();
    sequence_size = 0;
}

static void screen_add(char byte)
{
    if (sequence_size > 0 || byte == '\033') {
        sequence_add(byte);
    } else if (byte == '\r') {
        column = 0;
    } else if (byte == '\n') {
        // It never scrolls: who writes below the last line spoils the test.
        if (row + 1 < rows) {
            row++;
        } else if (!was_resized) {
            fail("a line below the last one", "");
        }
    } else if (byte < 0x20 && byte >= 0) {
        fail("a control character", "");
    } else if (is_other_screen) {
        // Further bytes of a character in UTF-8 are no cell.
        if ((byte & 0xc0) == 0x80) return;
        if (column < columns) {
            cells[row][column++] = byte < 0 ? '#' : byte;
        } else if (!was_resized) {
            fail("beyond the right edge", cells[row]);
        }
    }
}

// Takes what comes within `ms`. False if the program has closed its end.
static bool screen_take(int ms)
{
    struct pollfd pollfd = {.fd = terminal, .events = POLLIN};
    char bytes[4096];

    if (poll(&pollfd, 1, ms) <= 0) return true;
    ssize_t size = read(terminal, bytes, sizeof bytes);

    for (ssize_t i = 0; i < size; i++) screen_add(bytes[i]);
    if (strange[0] != '\0') fail("an unknown sequence", strange);
    return size > 0;
}

static bool screen_has(const char *text)
{
    for (unsigned i = 0; i < rows; i++) {
        char line[COLUMNS_MAX + 1];

        memcpy(line, cells[i], columns);
        line[columns] = '\0';
        if (strstr(line, text) != NULL) return true;
    }
    return false;
}

// ---- The program ----

static void start(char **argv)
{
    struct winsize size = {.ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows};

    if (openpty(&terminal, &other_end, NULL, NULL, &size) < 0) fail("openpty", strerror(errno));
    (void)tcgetattr(other_end, &modes_before);
    (void)fcntl(terminal, F_SETFD, FD_CLOEXEC);
    program = fork();
    if (program < 0) fail("fork", strerror(errno));
    if (program > 0) return;
    // login_tty() also makes it the one that belongs to a session of its own.
    if (login_tty(other_end) < 0) _exit(126);
    (void)execv(argv[0], argv);
    _exit(127);
}

static void terminal_must_be_as_before(void)
{
    uint64_t until_ms = now_ms() + PATIENCE_MS;
    struct termios modes;

    // What it has written last may be on its way still.
    while ((is_other_screen || is_cursor_hidden || is_unwrapped) && now_ms() < until_ms) {
        (void)screen_take(TURN_MS);
    }
    (void)tcgetattr(other_end, &modes);
    if (modes.c_iflag != modes_before.c_iflag || modes.c_oflag != modes_before.c_oflag ||
        modes.c_lflag != modes_before.c_lflag) {
        fail("the modes are not as before", "");
    }
    if (is_other_screen) fail("the other screen is still there", "");
    if (is_cursor_hidden) fail("the cursor is still hidden", "");
    if (is_unwrapped) fail("lines do not wrap", "");
}

// Waits until the program has changed as `options` ask for; what it still writes is taken.
static int program_wait(int options)
{
    uint64_t until_ms = now_ms() + PATIENCE_MS;
    int status;

    while (waitpid(program, &status, WNOHANG | options) == 0) {
        if (now_ms() > until_ms) fail("the program goes on", "");
        (void)screen_take(TURN_MS);
    }
    return status;
}

// ---- The script ----

static void type(const char *text)
{
    char keys[256];
    size_t size = 0;

    for (; *text != '\0' && size < sizeof keys; text++) {
        if (*text != '\\') {
            keys[size++] = *text;
            continue;
        }
        text++;
        if (*text == 'e') keys[size++] = '\033';
        if (*text == 'r') keys[size++] = '\r';
        if (*text == 'x') {
            char digits[3] = {text[1], text[2], '\0'};

            keys[size++] = (char)strtol(digits, NULL, 16);
            text += 2;
        }
    }
    if (write(terminal, keys, size) != (ssize_t)size) fail("write", strerror(errno));
}

static void wait_for(const char *text, bool is_there)
{
    uint64_t until_ms = now_ms() + PATIENCE_MS;

    while (screen_has(text) != is_there) {
        if (now_ms() > until_ms) fail(is_there ? "not seen" : "not lost", text);
        (void)screen_take(TURN_MS);
        if (waitpid(program, NULL, WNOHANG) == program) {
            program = 0;
            fail("the program has ended; waited for", text);
        }
    }
}

static void resize(const char *text)
{
    struct winsize size = {0};

    if (sscanf(text, "%u %u", &columns, &rows) != 2) fail("resize", text);
    size.ws_col = (unsigned short)columns;
    size.ws_row = (unsigned short)rows;
    erase(0, 0, ROWS_MAX);
    row = column = 0;
    was_resized = true;
    (void)ioctl(terminal, TIOCSWINSZ, &size);
}

static void must_exit(const char *text)
{
    int status = program_wait(0);
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);

    program = 0;
    if (code != atoi(text)) {
        char number[16];

        (void)snprintf(number, sizeof number, "%d", code);
        fail("it ended with status", number);
    }
    terminal_must_be_as_before();
}

static void must_stop(void)
{
    int status = program_wait(WUNTRACED);

    if (!WIFSTOPPED(status)) fail("it has not stopped", "");
    terminal_must_be_as_before();
}

static void touch(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0) fail(path, strerror(errno));
    (void)close(fd);
}

static void line_do(char *line)
{
    char *rest = strchr(line, ' ');

    if (rest != NULL) *rest++ = '\0';
    if (rest == NULL) rest = line + strlen(line);
    if (strcmp(line, "see") == 0) {
        wait_for(rest, true);
    } else if (strcmp(line, "lose") == 0) {
        wait_for(rest, false);
    } else if (strcmp(line, "type") == 0) {
        type(rest);
    } else if (strcmp(line, "resize") == 0) {
        resize(rest);
    } else if (strcmp(line, "signal") == 0) {
        if (kill(program, atoi(rest)) < 0) fail("signal", strerror(errno));
    } else if (strcmp(line, "exit") == 0) {
        must_exit(rest);
    } else if (strcmp(line, "stop") == 0) {
        must_stop();
    } else if (strcmp(line, "print") == 0) {
        screen_print();
    } else if (strcmp(line, "touch") == 0) {
        touch(rest);
    } else {
        fail("no such command", line);
    }
}

int main(int argc, char **argv)
{
    char line[512];

    if (argc < 4) return 2;
    columns = (unsigned)atoi(argv[1]);
    rows = (unsigned)atoi(argv[2]);
    if (columns > COLUMNS_MAX || rows > ROWS_MAX) return 2;
    erase(0, 0, ROWS_MAX);
    (void)alarm(LIMIT_S);
    start(argv + 3);
    while (program > 0 && fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '\0') line_do(line);
    }
    if (program > 0) fail("the script has ended before the program", "");
    return 0;
}
