// System calls of other processes, answered by this one. See seccomp_unotify(2).
#ifndef SLIPWAY_CALLS_H
#define SLIPWAY_CALLS_H

#include <stdint.h>
#include <sys/types.h>

/// A system call that waits for its answer.
struct slipway_call {
    uint64_t id;
    /// The thread that makes it, as this process numbers it.
    pid_t thread;
    int number;
    uint64_t arguments[6];
};

/// What of a file's status is said otherwise than the kernel says it.
struct slipway_claimed_status {
    uint32_t user;
    uint32_t group;
    /// The type of a device, or 0.
    uint32_t type;
    uint32_t major;
    uint32_t minor;
};

/// Waits for a call. Returns 1; 0 when no process can make one any more; -1 with errno.
int slipway_receive_call(int listener, struct slipway_call *call);

/// Lets the call return a value, fail with an error number, or be made by the kernel (`continues`).
int slipway_answer_call(int listener, uint64_t id, int64_t value, int error, int continues);

/// Lets the call return a descriptor that is a duplicate of a file of this process.
int slipway_answer_call_with_file(int listener, uint64_t id, int file, int close_on_exec);

/// Whether the call still waits: until then its thread is the one that made it.
int slipway_call_waits(int listener, uint64_t id);

ssize_t slipway_read_memory(pid_t process, uint64_t address, void *buffer, size_t size);
ssize_t slipway_write_call_memory(
    int listener, uint64_t id, pid_t thread, uint64_t address, const void *buffer, size_t size);

/// Fills a `struct stat`, or with `extended` a `struct statx`, of 256 bytes at most.
/// Returns how many, or -1 with errno.
ssize_t slipway_claimed_status_bytes(
    int file, const struct slipway_claimed_status *claimed, int extended, uint32_t mask, void *buffer);

#endif
