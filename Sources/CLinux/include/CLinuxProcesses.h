// Starting and watching processes: what runs between clone(2) and execve(2) can only be C.
#ifndef SLIPWAY_PROCESSES_H
#define SLIPWAY_PROCESSES_H

#include "CLinuxConfinement.h"

#include <stdint.h>
#include <sys/types.h>

/// One mount(2) that the child performs in its own mount namespace before it executes the program.
struct slipway_spawn_mount {
    const char *source;
    const char *target;
    const char *type;
    unsigned long flags;
    const char *options;
};

/// What to execute and in which surroundings. Every pointer is borrowed for the duration of the call.
struct slipway_spawn {
    const char *path;
    char *const *arguments;
    char *const *environment;
    /// NULL keeps the caller's.
    const char *working_directory;
    /// Descriptor i of the child is a duplicate of files[i]; -1 leaves it closed. Everything else is closed.
    const int *files;
    int file_count;
    /// CLONE_NEW… flags.
    uint64_t namespaces;
    const struct slipway_spawn_mount *mounts;
    int mount_count;
    /// The signal that the child gets when the thread that started it ends; 0 for none.
    int parent_death_signal;
    /// A network namespace to enter, or -1.
    int network_namespace;
    /// The directory of a cgroup of version 2 that the child starts in, or -1: joining one later waits for the whole kernel.
    int control_group;
    /// Files `cgroup.procs` of cgroups that the child joins first of all. See cgroups(7).
    const int *control_groups;
    int control_group_count;
    /// setsid(2); with `controlling_terminal`, descriptor 0 becomes the controlling terminal of the session.
    int new_session;
    int controlling_terminal;
    /// setpgid(0, 0).
    int new_process_group;
    /// NULL takes nothing from the child. The working directory is then looked up with the root that it gives.
    const struct slipway_confinement *confinement;
};

/// Which step of a start failed.
enum slipway_spawn_stage {
    slipway_spawn_clone = 1,
    slipway_spawn_session,
    slipway_spawn_control_group,
    slipway_spawn_mount_step,
    slipway_spawn_working_directory,
    slipway_spawn_files,
    slipway_spawn_terminal,
    slipway_spawn_execute,
    slipway_spawn_namespace,
};

/// Starts a program with clone(2) or clone3(2) (CLONE_VM, CLONE_VFORK, CLONE_PIDFD) and execve(2).
///
/// The child has default signal dispositions and no blocked signal. Returns 0 with the process id and a pidfd, or an errno value with the
/// stage that failed and, for mounts, its index.
int slipway_spawn(const struct slipway_spawn *request, pid_t *process, int *pidfd, int *stage, int *index);

/// bpf(2): loads a program of the type BPF_PROG_TYPE_CGROUP_DEVICE (a descriptor, or -1 with errno) and attaches one to a cgroup.
int slipway_load_device_program(const uint64_t *instructions, uint32_t count);
int slipway_attach_device_program(int control_group, int program);

/// pidfd_send_signal(2) and pidfd_open(2).
int slipway_pidfd_send_signal(int pidfd, int signal);
int slipway_pidfd_open(pid_t process);

/// What getrusage(2) counts: microseconds, and bytes.
struct slipway_usage {
    int64_t user;
    int64_t system;
    int64_t peak_memory;
    int64_t bytes_read;
    int64_t bytes_written;
};

/// waitid(2) of a pidfd with WEXITED. Returns 1 when the child has ended, 0 when it still runs (`block` 0), or -1 with errno.
/// `usage` may be NULL; else it is set to what the child used, with the processes that it waited for.
int slipway_wait(int pidfd, int block, int *code, int *status, struct slipway_usage *usage);

/// execvpe(3), with no signal blocked. Returns only on failure, -1 with errno.
int slipway_execute(char *const *arguments, char *const *environment);

/// prctl(2) PR_SET_CHILD_SUBREAPER.
int slipway_set_child_subreaper(int enabled);

/// setns(2).
int slipway_setns(int descriptor, int type);

extern const uint64_t slipway_CLONE_NEWPID;
extern const uint64_t slipway_CLONE_NEWIPC;
extern const uint64_t slipway_CLONE_NEWUTS;

/// ioctl_tty(2): TIOCGWINSZ and TIOCSWINSZ.
int slipway_terminal_size(int descriptor, uint16_t *rows, uint16_t *columns);
int slipway_set_terminal_size(int descriptor, uint16_t rows, uint16_t columns);

/// posix_openpt(3), grantpt(3), unlockpt(3) and ptsname_r(3): the controlling side, and the name of the other. -1 with errno.
int slipway_open_terminal(char *name, size_t size);

/// epoll_create1(2); epoll_ctl(2) to add a one-shot interest in reading (or writing) or to remove it; epoll_wait(2) for one event.
int slipway_epoll_create(void);
int slipway_epoll_add(int poll, int descriptor, int writing, uint64_t token);
int slipway_epoll_remove(int poll, int descriptor);
int slipway_epoll_wait(int poll, uint64_t *tokens, int capacity);

/// pipe2(2) and fcntl(2) with the commands that are variadic in C.
int slipway_pipe(int ends[2]);
int slipway_duplicate_above(int descriptor, int minimum);
int slipway_set_nonblocking(int descriptor, int enabled);

/// socket(2), bind(2) and listen(2) of a stream socket at a path; connect(2) to one (or to one of SOCK_SEQPACKET); accept4(2).
int slipway_listen_unix(const char *path);
/// socket(2) and bind(2). The socket has the mode before its file appears, so that no moment opens it to others.
int slipway_bind_unix(const char *path, unsigned mode);
int slipway_connect_unix(const char *path, int sequenced);
int slipway_accept(int listener);

/// recvmsg(2) of one message with one descriptor (SCM_RIGHTS). EBADMSG where none came.
int slipway_receive_descriptor(int socket);

/// The `f_type` of statfs(2), or -1 with errno.
int64_t slipway_file_system_type(const char *path);

/// socket(2) and bind(2) of TCP or UDP to an address of IPv4 (empty: all) and a port (0: any), and its closing: the port, or -1
/// with errno.
int slipway_available_port(const char *address, uint16_t port, int is_datagram);

/// socket(2), connect(2) and getsockname(2) of UDP: the address of this host that packets to other networks have, in network order; 0
/// where no route leads there.
uint32_t slipway_outward_address(void);

/// fork(2): a process without anything of the caller but these descriptors waits for an end and kills the process of `victim`.
///
/// `watched` is a pidfd or the reading end of a pipe, `victim` a pidfd, `kept` another descriptor that stays open until then, or -1.
/// Returns 0, or -1 with errno.
int slipway_end_together(int watched, int victim, int kept);

#endif
