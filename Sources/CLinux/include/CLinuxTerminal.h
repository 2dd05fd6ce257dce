// Terminals and signals, and what a process is started with.
#ifndef SLIPWAY_CLINUX_TERMINAL_H
#define SLIPWAY_CLINUX_TERMINAL_H

#include <stddef.h>

/// Makes each delivery of `signal` write one byte, its number, to `fd`. See sigaction(2) and signal-safety(7).
int slipway_signal_to_descriptor(int signal, int fd);

/// sigaction(signal, SIG_DFL).
int slipway_default_signal(int signal);

/// The variables of the process. See environ(7).
char **slipway_environment(void);

/// What main was called with. See execve(2).
int slipway_argument_count(void);
char **slipway_arguments(void);

/// Gives the system the memory back that is free. See malloc_trim(3).
void slipway_release_free_memory(void);

/// How many bytes were taken from the system and are free. See mallinfo2(3).
size_t slipway_free_memory(void);

#endif
