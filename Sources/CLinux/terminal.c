#define _GNU_SOURCE
#include "CLinuxTerminal.h"

#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

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

int slipway_default_signal(int signal) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    return sigaction(signal, &action, NULL);
}

char **slipway_environment(void) { return environ; }

static int argument_count;
static char **argument_vector;

// The C library calls constructors with what it calls main with. Swift's own CommandLine reads /proc, which need not be there.
__attribute__((constructor)) static void prepare_process(int count, char **vector) {
    argument_count = count;
    argument_vector = vector;
    // Writing to a closed pipe is an error of that write, in every program that this is part of.
    struct sigaction action = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &action, NULL);
    // The C library makes up to eight pools of memory for each processor, of which each keeps what it once had.
    cpu_set_t processors;
    if (sched_getaffinity(0, sizeof processors, &processors) == 0) {
        int count = CPU_COUNT(&processors);
        mallopt(M_ARENA_MAX, count > 2 ? count : 2);
    }
}

int slipway_argument_count(void) { return argument_count; }
char **slipway_arguments(void) { return argument_vector; }

void slipway_release_free_memory(void) { malloc_trim(0); }

size_t slipway_free_memory(void) { return mallinfo2().fordblks; }
