#define _GNU_SOURCE
#include "CLinuxTerminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

int slipway_window_size(int fd, unsigned short *columns, unsigned short *rows) {
    struct winsize size = {0};
    int result = ioctl(fd, TIOCGWINSZ, &size);
    *columns = size.ws_col;
    *rows = size.ws_row;
    return result;
}

static volatile sig_atomic_t signal_descriptor = -1;

static void write_signal(int signal) {
    int saved = errno;
    unsigned char number = (unsigned char)signal;
    if (write(signal_descriptor, &number, 1) < 0) {
        // The pipe is full of signals that nobody has read yet: one more says nothing new.
    }
    errno = saved;
}

int slipway_signal_to_descriptor(int signal, int fd) {
    signal_descriptor = fd;
    struct sigaction action = {.sa_handler = write_signal, .sa_flags = SA_RESTART};
    return sigaction(signal, &action, NULL);
}

int slipway_signal_pipe(int ends[2]) {
    if (pipe2(ends, O_CLOEXEC) < 0) return -1;
    return fcntl(ends[1], F_SETFL, O_NONBLOCK);
}

int slipway_ignore_signal(int signal) {
    struct sigaction action = {.sa_handler = SIG_IGN};
    return sigaction(signal, &action, NULL);
}

int slipway_default_signal(int signal) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    return sigaction(signal, &action, NULL);
}

char **slipway_environment(void) { return environ; }
