#define _GNU_SOURCE
#include "CLinuxProcesses.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

const uint64_t slipway_CLONE_NEWPID = CLONE_NEWPID;
const uint64_t slipway_CLONE_NEWIPC = CLONE_NEWIPC;
const uint64_t slipway_CLONE_NEWUTS = CLONE_NEWUTS;

struct spawn_state {
    const struct slipway_spawn *request;
    int parent; // a pidfd of the caller, or -1
    int stage;
    int index;
    int error;
};

static void die_with_parent(const struct spawn_state *state) {
    prctl(PR_SET_PDEATHSIG, state->request->parent_death_signal);
    struct pollfd parent = {.fd = state->parent, .events = POLLIN};
    // The caller may have been killed before the signal was asked for.
    if (state->parent >= 0 && poll(&parent, 1, 0) > 0) _exit(127);
}

// The child shares the caller's memory until execve: it makes system calls, touches its own stack and `state`, and nothing else.
static int spawn_child(void *argument) {
    struct spawn_state *state = argument;
    const struct slipway_spawn *request = state->request;

    // Handlers would run in shared memory; dispositions go back to default while every signal is still blocked.
    // The raw call, because the C library keeps signals 32 and 33 to itself; all zeros is SIG_DFL without flags.
    const unsigned long action[8] = {0};
    for (int signal = 1; signal <= 64; signal++) syscall(SYS_rt_sigaction, signal, action, NULL, 8);

    if (request->parent_death_signal) die_with_parent(state);
    state->stage = slipway_spawn_session;
    if (request->new_session && setsid() < 0) goto failed;
    if (request->new_process_group && setpgid(0, 0) < 0) goto failed;

    // "0" is whoever writes.
    state->stage = slipway_spawn_control_group;
    for (state->index = 0; state->index < request->control_group_count; state->index++)
        if (write(request->control_groups[state->index], "0", 1) < 0) goto failed;

    state->stage = slipway_spawn_namespace;
    if (request->network_namespace >= 0 && setns(request->network_namespace, CLONE_NEWNET) < 0) goto failed;

    state->stage = slipway_spawn_mount_step;
    for (state->index = 0; state->index < request->mount_count; state->index++) {
        const struct slipway_spawn_mount *step = &request->mounts[state->index];
        if (mount(step->source, step->target, step->type, step->flags, step->options) < 0) goto failed;
    }

    const struct slipway_confinement *confinement = request->confinement;
    if (confinement && slipway_confine_files(confinement, &state->stage) < 0) goto failed;

    state->stage = slipway_spawn_working_directory;
    if (request->working_directory && chdir(request->working_directory) < 0) goto failed;

    // The descriptor table is a copy: what is done here is not seen by the caller. Sources move above all targets first.
    state->stage = slipway_spawn_files;
    int count = request->file_count;
    for (int target = 0; target < count; target++) {
        if (request->files[target] < 0) continue;
        // The caller gives sources that are above every target, so no duplicate overwrites one that is still needed.
        if (dup2(request->files[target], target) < 0) goto failed;
    }
    for (int target = 0; target < count; target++)
        if (request->files[target] < 0) close(target);
    if (syscall(SYS_close_range, count, ~0U, 0) < 0) goto failed;

    state->stage = slipway_spawn_terminal;
    if (request->controlling_terminal && ioctl(0, TIOCSCTTY, 0) < 0) goto failed;

    if (confinement) {
        // Another user than the caller's would not be killed with it: that is forgotten with the user.
        int signal = request->parent_death_signal;
        if (slipway_confine_process(confinement, &state->stage, &state->index) < 0) goto failed;
        if (signal) prctl(PR_SET_PDEATHSIG, signal);
    }

    state->stage = slipway_spawn_execute;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(request->path, request->arguments, request->environment);
failed:
    state->error = errno;
    _exit(127);
}

// What clone(3) does, with the flag that only clone3(2) has: the child begins with `spawn_child` on a stack of its own.
static pid_t clone_into(int control_group, char *stack, size_t size, int flags, struct spawn_state *state, int *pidfd) {
    struct clone_args arguments = {
        .flags = ((uint64_t)flags & ~(uint64_t)CSIGNAL) | CLONE_INTO_CGROUP,
        .exit_signal = SIGCHLD,
        .pidfd = (uintptr_t)pidfd,
        .stack = (uintptr_t)stack,
        .stack_size = size,
        .cgroup = (uint64_t)control_group,
    };
#if defined(__x86_64__)
    long result = SYS_clone3;
    __asm__ volatile("syscall\n\t"
                     "testq %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "movq %[state], %%rdi\n\t"
                     "callq *%[child]\n\t"
                     "ud2\n"
                     "1:"
                     : "+a"(result)
                     : "D"(&arguments), "S"(sizeof arguments), [child] "r"(spawn_child), [state] "r"(state)
                     : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long result __asm__("x0") = (long)&arguments;
    register long length __asm__("x1") = sizeof arguments;
    register long number __asm__("x8") = SYS_clone3;
    __asm__ volatile("svc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x0, %[state]\n\t"
                     "blr %[child]\n\t"
                     "brk #1\n"
                     "1:"
                     : "+r"(result)
                     : "r"(length), "r"(number), [child] "r"(spawn_child), [state] "r"(state)
                     : "memory");
#else
#error "clone3(2) with a stack needs a few instructions of this processor"
#endif
    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    return (pid_t)result;
}

int slipway_load_device_program(const uint64_t *instructions, uint32_t count) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attributes.insns = (uintptr_t)instructions;
    attributes.insn_cnt = count;
    attributes.license = (uintptr_t) "Apache-2.0";
    // The verifier gives up with EAGAIN when a signal waits for the thread. It is handled on return, so another try can succeed.
    int program, attempts = 8;
    do program = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes);
    while (program < 0 && errno == EAGAIN && --attempts > 0);
    return program;
}

int slipway_attach_device_program(int control_group, int program) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.target_fd = (uint32_t)control_group;
    attributes.attach_bpf_fd = (uint32_t)program;
    attributes.attach_type = BPF_CGROUP_DEVICE;
    attributes.attach_flags = BPF_F_ALLOW_MULTI;
    return (int)syscall(SYS_bpf, BPF_PROG_ATTACH, &attributes, sizeof attributes);
}

int slipway_spawn(const struct slipway_spawn *request, pid_t *process, int *pidfd, int *stage, int *index) {
    const size_t size = 64 * 1024;
    char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) {
        *stage = slipway_spawn_clone;
        return errno;
    }
    struct spawn_state state = {.request = request, .parent = -1, .stage = slipway_spawn_clone};
    if (request->parent_death_signal) state.parent = slipway_pidfd_open(getpid());

    sigset_t all, previous;
    sigfillset(&all);
    int cancel;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    pthread_sigmask(SIG_SETMASK, &all, &previous);
    int flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | (int)request->namespaces | SIGCHLD;
    pid_t child = request->control_group < 0 ? clone(spawn_child, stack + size, flags, &state, pidfd)
                                             : clone_into(request->control_group, stack, size, flags, &state, pidfd);
    int error = child < 0 ? errno : state.error;
    pthread_sigmask(SIG_SETMASK, &previous, NULL);
    pthread_setcancelstate(cancel, NULL);
    if (state.parent >= 0) close(state.parent);
    munmap(stack, size);
    if (child < 0) {
        *stage = slipway_spawn_clone;
        return error;
    }
    if (error) {
        *stage = state.stage;
        *index = state.index;
        int code, status;
        slipway_wait(*pidfd, 1, &code, &status, NULL);
        close(*pidfd);
        return error;
    }
    *process = child;
    return 0;
}

int slipway_pidfd_send_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

int slipway_pidfd_open(pid_t process) { return (int)syscall(SYS_pidfd_open, process, 0); }

int slipway_wait(int pidfd, int block, int *code, int *status, struct slipway_usage *usage) {
    siginfo_t info;
    struct rusage used;
    int result;
    do {
        memset(&info, 0, sizeof info);
        // The C library's waitid has no place for what the child used; the system call has.
        result = (int)syscall(
            SYS_waitid, P_PIDFD, (id_t)pidfd, &info, WEXITED | (block ? 0 : WNOHANG), usage ? &used : NULL
        );
    } while (result < 0 && errno == EINTR);
    if (result < 0) return -1;
    if (info.si_pid == 0) return 0;
    *code = info.si_code;
    *status = info.si_status;
    if (usage) {
        usage->user = (int64_t)used.ru_utime.tv_sec * 1000000 + used.ru_utime.tv_usec;
        usage->system = (int64_t)used.ru_stime.tv_sec * 1000000 + used.ru_stime.tv_usec;
        usage->peak_memory = (int64_t)used.ru_maxrss * 1024;
        usage->bytes_read = (int64_t)used.ru_inblock * 512;
        usage->bytes_written = (int64_t)used.ru_oublock * 512;
    }
    return 1;
}

int slipway_execute(char *const *arguments, char *const *environment) {
    // Threads that block on purpose take no signals; a program keeps the mask of the thread that executes it.
    sigset_t none, before;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, &before);
    int result = execvpe(arguments[0], arguments, environment);
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return result;
}

int slipway_set_child_subreaper(int enabled) { return prctl(PR_SET_CHILD_SUBREAPER, enabled, 0, 0, 0); }

int slipway_setns(int descriptor, int type) { return setns(descriptor, type); }

int slipway_terminal_size(int descriptor, uint16_t *rows, uint16_t *columns) {
    struct winsize size;
    if (ioctl(descriptor, TIOCGWINSZ, &size) < 0) return -1;
    *rows = size.ws_row;
    *columns = size.ws_col;
    return 0;
}

int slipway_set_terminal_size(int descriptor, uint16_t rows, uint16_t columns) {
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    return ioctl(descriptor, TIOCSWINSZ, &size);
}


int slipway_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

int slipway_epoll_add(int poll, int descriptor, int writing, uint64_t token) {
    struct epoll_event event = {.events = (writing ? EPOLLOUT : EPOLLIN) | EPOLLONESHOT, .data.u64 = token};
    return epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event);
}

int slipway_epoll_remove(int poll, int descriptor) { return epoll_ctl(poll, EPOLL_CTL_DEL, descriptor, NULL); }

int slipway_epoll_wait(int poll, uint64_t *tokens, int capacity) {
    struct epoll_event events[64];
    if (capacity > 64) capacity = 64;
    int count = epoll_wait(poll, events, capacity, -1);
    for (int i = 0; i < count; i++) tokens[i] = events[i].data.u64;
    return count;
}

int slipway_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }
int slipway_duplicate_above(int descriptor, int minimum) { return fcntl(descriptor, F_DUPFD_CLOEXEC, minimum); }

int slipway_set_nonblocking(int descriptor, int enabled) {
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0) return -1;
    return fcntl(descriptor, F_SETFL, enabled ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

static int unix_address(const char *path, struct sockaddr_un *address) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address->sun_path, path);
    return 0;
}

static int close_keeping_errno(int descriptor) {
    int saved = errno;
    close(descriptor);
    errno = saved;
    return -1;
}

int slipway_listen_unix(const char *path) {
    struct sockaddr_un address;
    if (unix_address(path, &address) < 0) return -1;
    int socket_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket_ < 0) return -1;
    if (bind(socket_, (struct sockaddr *)&address, sizeof address) < 0 || listen(socket_, 64) < 0)
        return close_keeping_errno(socket_);
    return socket_;
}

int slipway_bind_unix(const char *path, unsigned mode) {
    struct sockaddr_un address;
    if (unix_address(path, &address) < 0) return -1;
    int socket_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket_ < 0) return -1;
    if (fchmod(socket_, mode) < 0 || bind(socket_, (struct sockaddr *)&address, sizeof address) < 0)
        return close_keeping_errno(socket_);
    return socket_;
}

int slipway_connect_unix(const char *path, int sequenced) {
    struct sockaddr_un address;
    if (unix_address(path, &address) < 0) return -1;
    int socket_ = socket(AF_UNIX, (sequenced ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    if (socket_ < 0) return -1;
    if (connect(socket_, (struct sockaddr *)&address, sizeof address) < 0) return close_keeping_errno(socket_);
    return socket_;
}

int slipway_accept(int listener) { return accept4(listener, NULL, NULL, SOCK_CLOEXEC); }

int slipway_receive_descriptor(int socket) {
    char data[4096];
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec vector = {.iov_base = data, .iov_len = sizeof data};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) < 0) return -1;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
        errno = EBADMSG;
        return -1;
    }
    int descriptor;
    memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
    return descriptor;
}

int slipway_open_terminal(char *name, size_t size) {
    int descriptor = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (descriptor < 0) return -1;
    if (grantpt(descriptor) < 0 || unlockpt(descriptor) < 0 || ptsname_r(descriptor, name, size) != 0)
        return close_keeping_errno(descriptor);
    return descriptor;
}

int64_t slipway_file_system_type(const char *path) {
    struct statfs status;
    return statfs(path, &status) < 0 ? -1 : (int64_t)status.f_type;
}

int slipway_available_port(const char *address, uint16_t port, int is_datagram) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (*address && inet_pton(AF_INET, address, &name.sin_addr) != 1) {
        errno = EINVAL;
        return -1;
    }
    socklen_t size = sizeof name;
    int socket_ = socket(AF_INET, (is_datagram ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    if (socket_ < 0) return -1;
    int on = 1;
    // Connections of a server that has ended do not keep its port; datagram sockets would share it.
    if (!is_datagram) setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(socket_, (struct sockaddr *)&name, size) < 0 || (!is_datagram && listen(socket_, 1) < 0)
        || getsockname(socket_, (struct sockaddr *)&name, &size) < 0)
        return close_keeping_errno(socket_);
    close(socket_);
    return ntohs(name.sin_port);
}

uint32_t slipway_outward_address(void) {
    // An address for documentation (RFC 5737): nothing is sent.
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0xcb007101)};
    socklen_t size = sizeof name;
    int socket_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_ < 0) return 0;
    int failed = connect(socket_, (struct sockaddr *)&name, size) < 0 || getsockname(socket_, (struct sockaddr *)&name, &size) < 0;
    close(socket_);
    return failed ? 0 : name.sin_addr.s_addr;
}

// Only calls that are safe after fork(2) in a process with threads.
static void end_together(int watched, int victim, int kept) {
    setsid();
    if (dup2(watched, 3) < 0 || dup2(victim, 4) < 0 || (kept >= 0 && dup2(kept, 5) < 0)) _exit(1);
    close(0), close(1), close(2);
    syscall(SYS_close_range, kept < 0 ? 5 : 6, ~0U, 0);
    if (chdir("/") < 0) _exit(1);
    struct pollfd ends[2] = {{.fd = 3, .events = POLLIN}, {.fd = 4, .events = POLLIN}};
    while (poll(ends, 2, -1) < 0 && errno == EINTR) continue;
    slipway_pidfd_send_signal(4, SIGKILL);
    _exit(0);
}

int slipway_end_together(int watched, int victim, int kept) {
    // Above what they are moved to.
    int high[3] = {slipway_duplicate_above(watched, 6), slipway_duplicate_above(victim, 6),
                   kept < 0 ? -1 : slipway_duplicate_above(kept, 6)};
    int result = -1, status;
    pid_t child = high[0] < 0 || high[1] < 0 || (kept >= 0 && high[2] < 0) ? -1 : fork();
    if (child == 0) {
        // Its own child has no parent then: this process need not wait for it.
        pid_t guard = fork();
        if (guard == 0) end_together(high[0], high[1], high[2]);
        _exit(guard < 0);
    }
    if (child > 0) {
        while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
        result = WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
    }
    for (int i = 0; i < 3; i++)
        if (high[i] >= 0) close(high[i]);
    return result;
}
