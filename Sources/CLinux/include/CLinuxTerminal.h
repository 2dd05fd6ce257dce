// Terminals and signals.
#ifndef SLIPWAY_CLINUX_TERMINAL_H
#define SLIPWAY_CLINUX_TERMINAL_H

/// ioctl(fd, TIOCGWINSZ): the size of a terminal in characters. See ioctl_tty(2).
int slipway_window_size(int fd, unsigned short *columns, unsigned short *rows);

/// Makes each delivery of `signal` write one byte, its number, to `fd`. See sigaction(2) and signal-safety(7).
int slipway_signal_to_descriptor(int signal, int fd);

/// pipe2(2), with a writing end that never waits.
int slipway_signal_pipe(int ends[2]);

/// sigaction(signal, SIG_IGN).
int slipway_ignore_signal(int signal);

/// sigaction(signal, SIG_DFL).
int slipway_default_signal(int signal);

/// The variables of the process. See environ(7).
char **slipway_environment(void);

#endif
