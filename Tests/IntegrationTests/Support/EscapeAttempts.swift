/// A program that tries what a process could use to leave its sandbox.
///
/// Its arguments are a secret text, paths of the machine, `--`, and processes of the machine. It prints a line that begins with `ESCAPED`
/// for each attempt that succeeds, such as a file in which it found the text, and at the end how many it made.
enum EscapeAttempts {
    static let source = #"""
        #define _GNU_SOURCE
        #include <dirent.h>
        #include <errno.h>
        #include <fcntl.h>
        #include <linux/bpf.h>
        #include <linux/perf_event.h>
        #include <sched.h>
        #include <signal.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <sys/mount.h>
        #include <sys/prctl.h>
        #include <sys/ptrace.h>
        #include <sys/resource.h>
        #include <sys/socket.h>
        #include <sys/stat.h>
        #include <sys/statfs.h>
        #include <sys/syscall.h>
        #include <sys/sysmacros.h>
        #include <sys/time.h>
        #include <sys/uio.h>
        #include <sys/wait.h>
        #include <time.h>
        #include <unistd.h>

        static int tried;
        static const char *secret;
        static void escaped(const char *what, const char *of) { printf("ESCAPED %s %s\n", what, of); }
        static int attempt(const char *what, const char *of, long result) {
            tried++;
            if (result >= 0) escaped(what, of);
            return result >= 0;
        }
        #define TRY(call) attempt(#call, "", (call))

        // Files

        static void holds(const char *what, const char *path) {
            char content[4096];
            tried++;
            int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
            if (file < 0) return;
            ssize_t count = read(file, content, sizeof content - 1);
            close(file);
            if (count > 0 && memmem(content, count, secret, strlen(secret))) escaped(what, path);
        }

        static void reach(const char *path) {
            char other[4096];
            const char *ways[] = {"", "/proc/1/root", "/proc/self/root", "/proc/self/cwd/../../../..", "/proc/thread-self/root/..",
                "/../../../..", "/dev/fd/../../..", "/proc/1/cwd/../../.."};
            for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
                snprintf(other, sizeof other, "%s%s", ways[i], path);
                holds("read", other);
            }
            if (symlink(path, "/escape-link") == 0) { holds("link", "/escape-link"); unlink("/escape-link"); }
            snprintf(other, sizeof other, "%s/escape-written", path);
            tried++;
            int made = open(other, O_WRONLY | O_CREAT | O_EXCL, 0600);
            if (made >= 0) escaped("write", other);
            mkdir("/escape-root", 0755);
            if (fork() == 0) {
                // The way out of a root for a process that may change its root.
                int top = open("/", O_RDONLY | O_DIRECTORY);
                if (chroot("/escape-root") == 0 && fchdir(top) == 0) {
                    for (int i = 0; i < 64; i++) if (chdir("..")) break;
                    holds("chroot", path + 1);
                }
                for (int up = 0; up < 64; up++) if (chdir("..")) break;
                holds("climb", path + 1);
                fflush(stdout);
                _exit(0);
            }
            wait(NULL);
            rmdir("/escape-root");
        }

        // Every descriptor and every process that can be seen, as a way to the files of others.
        static void descriptors(int count, char **paths) {
            char other[4096];
            for (int file = 0; file < 4096; file++) {
                if (fcntl(file, F_GETFD) < 0) continue;
                if (file > 2) { snprintf(other, sizeof other, "%d", file); attempt("inherited descriptor", other, 0); }
                for (int i = 0; i < count; i++) {
                    int found = openat(file, paths[i] + 1, O_RDONLY);
                    attempt("below a descriptor", paths[i], found);
                    snprintf(other, sizeof other, "../../../../../../../..%s", paths[i]);
                    attempt("above a descriptor", paths[i], openat(file, other, O_RDONLY));
                }
            }
            DIR *processes = opendir("/proc");
            for (struct dirent *entry; processes && (entry = readdir(processes));) {
                if (!atoi(entry->d_name)) continue;
                const char *places[] = {"root", "cwd"};
                for (int i = 0; i < count; i++) for (int j = 0; j < 2; j++) {
                    snprintf(other, sizeof other, "/proc/%s/%s%s", entry->d_name, places[j], paths[i]);
                    holds("process", other);
                }
                snprintf(other, sizeof other, "/proc/%s/environ", entry->d_name);
                holds("process", other);
            }
            if (processes) closedir(processes);
            // Handles of files count from the top of a file system, not from a root.
            struct { struct file_handle head; unsigned char bytes[128]; } handle = {.head = {.handle_bytes = 8, .handle_type = 1}};
            unsigned words[2] = {2, 0};
            memcpy(handle.head.f_handle, words, 8);
            int top = open("/", O_RDONLY);
            TRY(syscall(SYS_open_by_handle_at, top, &handle, O_RDONLY));
            close(top);
        }

        // Processes

        static void processes(int count, char **numbers) {
            int signalled = 0;
            for (int process = 1; process < 4194304; process++)
                if (process != getpid() && process != getppid() && kill(process, 0) == 0) {
                    char number[16];
                    snprintf(number, sizeof number, "%d", process);
                    if (!signalled++) escaped("signal", number);
                }
            tried++;
            for (int i = 0; i < count; i++) {
                int other = atoi(numbers[i]);
                if (other == getpid() || other == getppid()) continue;
                int handle = syscall(SYS_pidfd_open, other, 0);
                struct rlimit limit;
                char byte;
                struct iovec own = {&byte, 1}, there = {(void *)0x400000, 1};
                attempt("kill", numbers[i], kill(other, 0));
                attempt("tgkill", numbers[i], syscall(SYS_tgkill, other, other, 0));
                attempt("tkill", numbers[i], syscall(SYS_tkill, other, 0));
                attempt("sigqueue", numbers[i], sigqueue(other, 0, (union sigval){0}));
                attempt("ptrace attach", numbers[i], ptrace(PTRACE_ATTACH, other, 0, 0));
                attempt("ptrace seize", numbers[i], ptrace(PTRACE_SEIZE, other, 0, 0));
                attempt("process_vm_readv", numbers[i], process_vm_readv(other, &own, 1, &there, 1, 0));
                attempt("process_vm_writev", numbers[i], process_vm_writev(other, &own, 1, &there, 1, 0));
                if (handle >= 0) {
                    attempt("pidfd_send_signal", numbers[i], syscall(SYS_pidfd_send_signal, handle, 0, NULL, 0));
                    attempt("pidfd_getfd", numbers[i], syscall(SYS_pidfd_getfd, handle, 0, 0));
                    attempt("pidfd setns", numbers[i], setns(handle, CLONE_NEWNS));
                    attempt("process_madvise", numbers[i], syscall(SYS_process_madvise, handle, &there, 1, 21, 0));
                    attempt("process_mrelease", numbers[i], syscall(SYS_process_mrelease, handle, 0));
                }
                attempt("prlimit", numbers[i], prlimit(other, RLIMIT_CPU, NULL, &limit));
                limit = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
                attempt("prlimit", numbers[i], prlimit(other, RLIMIT_CPU, &limit, NULL));
                attempt("kcmp", numbers[i], syscall(SYS_kcmp, getpid(), other, 0, 0, 0));
                attempt("migrate_pages", numbers[i], syscall(SYS_migrate_pages, other, 0, NULL, NULL));
                void *head; size_t length;
                attempt("get_robust_list", numbers[i], syscall(SYS_get_robust_list, other, &head, &length));
                attempt("setpgid", numbers[i], setpgid(other, 0));
                int ends[2];
                if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0) {
                    // A signal for what arrives at a descriptor, sent to another process.
                    fcntl(ends[0], F_SETSIG, SIGUSR2);
                    if (fcntl(ends[0], F_SETOWN, other) == 0) {
                        fcntl(ends[0], F_SETFL, O_ASYNC);
                        if (write(ends[1], "x", 1)) {}
                    }
                    close(ends[0]);
                    close(ends[1]);
                }
            }
        }

        // The kernel

        static void settings(const char *directory, int depth) {
            DIR *entries = opendir(directory);
            if (!entries) return;
            for (struct dirent *entry; (entry = readdir(entries));) {
                char path[4096];
                if (entry->d_name[0] == '.' || (depth == 0 && (atoi(entry->d_name) || strstr(entry->d_name, "self")))) continue;
                snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
                if (entry->d_type == DT_DIR && depth < 12) settings(path, depth + 1);
                if (entry->d_type != DT_REG) continue;
                int file = open(path, O_WRONLY | O_NONBLOCK);
                struct statfs system;
                // Files of these systems that say no more than what they are can be opened, and take nothing. Copies are not the kernel's.
                if (file >= 0 && fstatfs(file, &system) == 0 && (system.f_type == 0x9fa0 || system.f_type == 0x62656572
                    || system.f_type == 0x63677270 || system.f_type == 0x27e0eb)) attempt("write", path, write(file, "", 0));
                if (file >= 0) close(file);
                tried++;
            }
            closedir(entries);
        }

        static void kernel(void) {
            settings("/proc", 0);
            settings("/sys", 1);
            const char *named[] = {"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sysrq-trigger",
                "/sys/kernel/uevent_helper", "/proc/sys/fs/binfmt_misc/register", "/sys/fs/cgroup/release_agent",
                "/sys/fs/cgroup/memory/release_agent", "/sys/fs/cgroup/cgroup.procs", "/proc/kmem",
                "/proc/sys/vm/panic_on_oom", "/proc/fs/x", "/sys/firmware/efi/vars/x", "/sys/kernel/debug/x",
                "/sys/kernel/security/x"};
            for (unsigned i = 0; i < sizeof named / sizeof *named; i++) attempt("write", named[i], open(named[i], O_WRONLY));
            const char *hidden[] = {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/latency_stats", "/proc/sched_debug",
                "/proc/kmsg", "/dev/mem", "/dev/kmsg", "/dev/port", "/sys/kernel/debug/tracing/trace"};
            for (unsigned i = 0; i < sizeof hidden / sizeof *hidden; i++) {
                char byte;
                int file = open(hidden[i], O_RDONLY | O_NONBLOCK);
                if (file >= 0) { attempt("read", hidden[i], read(file, &byte, 1) - 1); close(file); }
            }
            mkdir("/escape-mount", 0755);
            TRY(mount("none", "/escape-mount", "tmpfs", 0, ""));
            TRY(mount("none", "/escape-mount", "proc", 0, ""));
            TRY(mount("none", "/escape-mount", "sysfs", 0, ""));
            TRY(mount("none", "/escape-mount", "cgroup", 0, "memory"));
            TRY(mount("none", "/escape-mount", "cgroup2", 0, ""));
            TRY(mount("/", "/escape-mount", "", MS_BIND, ""));
            TRY(mount("", "/proc", "", MS_REMOUNT | MS_BIND, ""));
            TRY(mount("", "/", "", MS_SHARED | MS_REC, ""));
            TRY(umount2("/proc", MNT_DETACH));
            TRY(umount2("/sys", MNT_DETACH));
            TRY(syscall(SYS_pivot_root, ".", "."));
            TRY(syscall(SYS_open_tree, AT_FDCWD, "/", 1));
            TRY(syscall(SYS_fsopen, "tmpfs", 0));
            TRY(syscall(SYS_fspick, AT_FDCWD, "/", 0));
            TRY(syscall(SYS_move_mount, AT_FDCWD, "/", AT_FDCWD, "/escape-mount", 0));
            char attributes[32] = {0};
            TRY(syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, attributes, sizeof attributes));
            rmdir("/escape-mount");
            int flags[] = {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP, 0x80};
            for (int i = 0; i < 8; i++) {
                char name[16];
                snprintf(name, sizeof name, "%x", flags[i]);
                attempt("unshare", name, unshare(flags[i]));
                long child = flags[i] == 0x80 ? -1 : syscall(SYS_clone, flags[i] | SIGCHLD, 0, 0, 0, 0);
                if (child == 0) _exit(0);
                if (attempt("clone", name, child)) wait(NULL);
                unsigned long long arguments[11] = {flags[i], 0, 0, 0, SIGCHLD};
                child = flags[i] == 0x80 ? -1 : syscall(SYS_clone3, arguments, sizeof arguments);
                if (child == 0) _exit(0);
                if (attempt("clone3", name, child)) wait(NULL);
            }
            const char *spaces[] = {"mnt", "pid", "net", "ipc", "uts", "user", "cgroup", "time"};
            for (int i = 0; i < 8; i++) {
                char path[64];
                snprintf(path, sizeof path, "/proc/1/ns/%s", spaces[i]);
                int file = open(path, O_RDONLY);
                if (file >= 0) attempt("setns", path, setns(file, 0));
            }
            TRY(syscall(SYS_add_key, "user", "escape", "x", 1, -3));
            TRY(syscall(SYS_keyctl, 0, -4, 1));
            TRY(syscall(SYS_request_key, "user", "escape", NULL, 0));
            union bpf_attr bpf = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
            TRY(syscall(SYS_bpf, BPF_MAP_CREATE, &bpf, sizeof bpf));
            struct perf_event_attr event = {.type = PERF_TYPE_SOFTWARE, .size = sizeof event, .config = PERF_COUNT_SW_CPU_CLOCK};
            TRY(syscall(SYS_perf_event_open, &event, -1, 0, -1, 0));
            TRY(syscall(SYS_userfaultfd, 0));
            TRY(syscall(SYS_userfaultfd, 1));
            char ring[256] = {0};
            TRY(syscall(SYS_io_uring_setup, 1, ring));
            TRY(syscall(SYS_init_module, "", 0, ""));
            TRY(syscall(SYS_finit_module, 0, "", 0));
            TRY(syscall(SYS_delete_module, "escape", 0));
            TRY(syscall(SYS_kexec_load, 0, 0, NULL, 0));
            TRY(syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL));
            TRY(syscall(SYS_swapon, "/escape", 0));
            TRY(syscall(SYS_acct, "/escape"));
            TRY(syscall(SYS_quotactl, 0x80000100, NULL, 0, NULL));
            TRY(syscall(SYS_syslog, 3, ring, sizeof ring));
            TRY(syscall(SYS_syslog, 10, NULL, 0));
            TRY(sethostname("escape", 6));
            TRY(setdomainname("escape", 6));
            struct timespec now = {1, 0};
            TRY(clock_settime(CLOCK_REALTIME, &now));
            TRY(syscall(SYS_fanotify_init, 0, 0));
            TRY(syscall(SYS_vhangup));
            TRY(syscall(SYS_lookup_dcookie, 0, ring, sizeof ring));
        #ifdef __x86_64__
            TRY(syscall(SYS_iopl, 3));
            TRY(syscall(SYS_ioperm, 0x80, 1, 1));
        #endif
            // A hypervisor's other end, and the kernel's ciphers.
            TRY(socket(40, SOCK_STREAM, 0));
            TRY(socket(38, SOCK_SEQPACKET, 0));
            setpriority(PRIO_PROCESS, 0, 0);
            TRY(setpriority(PRIO_PROCESS, 0, -5));
            struct rlimit limit;
            getrlimit(RLIMIT_MEMLOCK, &limit);
            if (limit.rlim_max != RLIM_INFINITY) { limit.rlim_max++; TRY(setrlimit(RLIMIT_MEMLOCK, &limit)); }
            TRY(prctl(PR_CAPBSET_READ, 21) - 1);
        }

        static void devices(void) {
            struct { mode_t type; int major, minor; } nodes[] = {{S_IFCHR, 1, 1}, {S_IFCHR, 1, 2}, {S_IFCHR, 1, 4}, {S_IFCHR, 1, 11},
                {S_IFCHR, 10, 229}, {S_IFCHR, 10, 237}, {S_IFCHR, 10, 232}, {S_IFCHR, 4, 0}, {S_IFBLK, 8, 0}, {S_IFBLK, 7, 0}, {S_IFBLK, 254, 0}, {S_IFBLK, 259, 0}, {S_IFBLK, 253, 0}};
            for (unsigned i = 0; i < sizeof nodes / sizeof *nodes; i++) {
                char name[32];
                snprintf(name, sizeof name, "%d:%d", nodes[i].major, nodes[i].minor);
                tried++;
                const char *places[] = {"/escape-node", "/dev/escape-node", "/dev/shm/escape-node", "/tmp/escape-node"};
                for (int j = 0; j < 4; j++) {
                    if (mknod(places[j], nodes[i].type | 0666, makedev(nodes[i].major, nodes[i].minor))) continue;
                    int file = open(places[j], O_RDWR | O_NONBLOCK);
                    if (file < 0) file = open(places[j], O_RDONLY | O_NONBLOCK);
                    struct statfs system;
                    char byte;
                    // One that stands as an empty file is none.
                    if (file >= 0 && !(fstatfs(file, &system) == 0 && read(file, &byte, 1) == 0 && ftruncate(file, 0) == 0)) escaped("device", name);
                    if (file >= 0) close(file);
                    unlink(places[j]);
                }
            }
        }

        int main(int count, char **arguments) {
            setvbuf(stdout, NULL, _IOLBF, 0);
            int rest = 2;
            secret = arguments[1];
            while (rest < count && strcmp(arguments[rest], "--")) rest++;
            descriptors(rest - 2, arguments + 2);
            for (int i = 2; i < rest; i++) reach(arguments[i]);
            processes(count - rest - 1, arguments + rest + 1);
            devices();
            kernel();
            printf("TRIED %d\n", tried);
            return 0;
        }
        """#
}
