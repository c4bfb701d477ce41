// SPDX-License-Identifier: MIT
//
// See terminal.h. What is needed to give the terminal back lies in static storage, where the
// handler of a fault finds it.
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { DRAIN_MS = 1000, NAME_SIZE = 256 };

// The other screen, no cursor, no wrapping; and back, in the other order.
static const char enter_text[] = "\033[?1049h\033[?25l\033[?7l\033[2J";
static const char leave_text[] = "\033[0m\033[?7h\033[?25h\033[?1049l";

static struct {
    struct termios modes;  // as the user had them
    int fd;
    atomic_bool is_taken;
} ours = {.fd = -1};

// ---- Giving it back ----

// Writes without waiting for longer than DRAIN_MS. Only calls that a signal handler may make.
static void write_patiently(int fd, const char *text, size_t size)
{
    while (size > 0) {
        struct pollfd pollfd = {.fd = fd, .events = POLLOUT};
        ssize_t written = write(fd, text, size);

        if (written > 0) {
            text += written;
            size -= (size_t)written;
        } else if (!(written < 0 && errno == EINTR) && poll(&pollfd, 1, DRAIN_MS) <= 0) {
            return;
        } else if (pollfd.revents & (POLLERR | POLLHUP | POLLNVAL)) {
            return;
        }
    }
}

static void give_back(void)
{
    // Whoever comes first does it. Acquire, with the release in terminal_enter(): the modes are
    // there.
    if (!atomic_exchange_explicit(&ours.is_taken, false, memory_order_acquire)) return;
    write_patiently(ours.fd, leave_text, sizeof leave_text - 1);
    (void)tcsetattr(ours.fd, TCSANOW, &ours.modes);
}

static void give_back_and_die(int number)
{
    give_back();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

void terminal_catch_faults(void)
{
    static const int numbers[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct sigaction action = {.sa_handler = give_back_and_die, .sa_flags = SA_ONSTACK};

    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        (void)sigaction(numbers[i], &action, NULL);
    }
}

// ---- Open and closed ----

// The terminal's own name may be one of another namespace, as in a container.
static int open_again(int fd)
{
    char name[NAME_SIZE];
    int flags = O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
    int opened = ttyname_r(fd, name, sizeof name) == 0 ? open(name, flags) : -1;

    return opened >= 0 ? opened : open("/dev/tty", flags);
}

int terminal_open(struct terminal *terminal)
{
    *terminal = (struct terminal){.fd = -1};
    if (!isatty(STDOUT_FILENO)) return -ENOTTY;
    terminal->fd = open_again(STDOUT_FILENO);
    if (terminal->fd < 0) return -errno;
    int err = rouse_fd_adopt(&terminal->io, terminal->fd);

    if (err < 0) (void)close(terminal->fd);
    return err;
}

void terminal_close(struct terminal *terminal)
{
    terminal_leave(terminal);
    rouse_fd_free(terminal->io);
    terminal->io = NULL;
}

int terminal_enter(struct terminal *terminal)
{
    struct termios modes;

    if (tcgetattr(terminal->fd, &ours.modes) < 0) return -errno;
    ours.fd = terminal->fd;
    modes = ours.modes;
    modes.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IXON | ISTRIP | BRKINT);
    modes.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
    modes.c_cc[VMIN] = 1;
    modes.c_cc[VTIME] = 0;
    // Release, with the acquire in give_back().
    atomic_store_explicit(&ours.is_taken, true, memory_order_release);
    if (tcsetattr(terminal->fd, TCSANOW, &modes) < 0) {
        int err = -errno;

        give_back();
        return err;
    }
    write_patiently(terminal->fd, enter_text, sizeof enter_text - 1);
    return 0;
}

void terminal_leave(struct terminal *terminal)
{
    if (terminal->io != NULL) give_back();
}

int terminal_suspend(struct terminal *terminal)
{
    terminal_leave(terminal);
    // Not SIGTSTP, which another thread may get, and which may be blocked: this one stops us here.
    (void)raise(SIGSTOP);
    return terminal_enter(terminal);
}

void terminal_size(const struct terminal *terminal, unsigned *columns, unsigned *rows)
{
    struct winsize size;

    *columns = 80;
    *rows = 24;
    if (ioctl(terminal->fd, TIOCGWINSZ, &size) < 0) return;
    if (size.ws_col > 0) *columns = size.ws_col;
    if (size.ws_row > 0) *rows = size.ws_row;
}
