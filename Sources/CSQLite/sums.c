// A layer between SQLite and its files that keeps a checksum of each page of a main database file in `<file>-sums`.
//
// SQLite itself would need a private build for this (its cksumvfs extension). In WAL mode the main file is written by
// checkpoints alone, and no reader reads a page there while a checkpoint writes it: the sum of a page is read and written
// beside the page without a lock of its own. After a crash between the two the page is still in the log, where readers look
// first, and the next checkpoint writes both again.
#include "CSQLite.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096

#define BLOCK 256

// Twice, once with all bits turned: damage to the sums is told from damage to the page. Zeros stand for a page whose sum is not known.
typedef struct {
    uint64_t sum, turned;
} entry;

typedef struct {
    sqlite3_file base;
    // -1 where there are no sums to compare with.
    int sums;
    // Which sums were read last: most pages need no call of their own. Others may have changed since.
    sqlite3_int64 block;
    entry known[BLOCK];
    // SQLite's own file, in the memory that follows.
    sqlite3_file *real;
} checked_file;

static sqlite3_vfs *system_vfs;

static sqlite3_file *real(sqlite3_file *file) { return ((checked_file *)file)->real; }

// Each step is a bijection of the state, so that no change within eight bytes goes unnoticed.
static uint64_t sum_of(const unsigned char *page, sqlite3_int64 number) {
    uint64_t state = 0x9e3779b97f4a7c15u ^ (uint64_t)number;
    for (int i = 0; i < PAGE; i += 8) {
        uint64_t word;
        memcpy(&word, page + i, 8);
        state = (state ^ word) * 0xff51afd7ed558ccdu;
        state ^= state >> 32;
    }
    return state == 0 ? 1 : state;
}

static int is_sound(checked_file *own, const unsigned char *page, sqlite3_int64 number) {
    uint64_t sum = sum_of(page, number);
    if (own->block != number / BLOCK) {
        memset(own->known, 0, sizeof own->known);
        if (pread(own->sums, own->known, sizeof own->known, number / BLOCK * (sqlite3_int64)sizeof own->known) < 0) return 1;
        own->block = number / BLOCK;
    }
    entry *kept = &own->known[number % BLOCK];
    if (sum == kept->sum || sum == ~kept->turned) return 1;
    if (pread(own->sums, kept, sizeof *kept, number * (sqlite3_int64)sizeof *kept) != sizeof *kept) return 1;
    return (kept->sum == 0 && kept->turned == 0) || sum == kept->sum || sum == ~kept->turned;
}

static int close_file(sqlite3_file *file) {
    checked_file *own = (checked_file *)file;
    if (own->sums >= 0) close(own->sums);
    own->sums = -1;
    return own->real->pMethods ? own->real->pMethods->xClose(own->real) : SQLITE_OK;
}

static int read_file(sqlite3_file *file, void *buffer, int count, sqlite3_int64 offset) {
    checked_file *own = (checked_file *)file;
    int result = own->real->pMethods->xRead(own->real, buffer, count, offset);
    // Less than the smallest page is the file's header, which is read again with its page.
    if (result != SQLITE_OK || own->sums < 0 || count < 512) return result;
    // A header that names another size of pages is damaged.
    if (count % PAGE != 0 || offset % PAGE != 0) return SQLITE_IOERR_DATA;
    for (int done = 0; done < count; done += PAGE) {
        if (!is_sound(own, (unsigned char *)buffer + done, (offset + done) / PAGE)) return SQLITE_IOERR_DATA;
    }
    return SQLITE_OK;
}

static int write_file(sqlite3_file *file, const void *buffer, int count, sqlite3_int64 offset) {
    checked_file *own = (checked_file *)file;
    int result = own->real->pMethods->xWrite(own->real, buffer, count, offset);
    if (result != SQLITE_OK || own->sums < 0 || count != PAGE || offset % PAGE != 0) return result;
    sqlite3_int64 number = offset / PAGE;
    uint64_t sum = sum_of(buffer, number);
    entry kept = {sum, ~sum};
    return pwrite(own->sums, &kept, sizeof kept, number * (sqlite3_int64)sizeof kept) == sizeof kept ? SQLITE_OK
                                                                                                   : SQLITE_FULL;
}

static int sync_file(sqlite3_file *file, int flags) {
    checked_file *own = (checked_file *)file;
    if (own->sums >= 0 && fdatasync(own->sums) != 0) return SQLITE_IOERR_FSYNC;
    return own->real->pMethods->xSync(own->real, flags);
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 size) {
    return real(file)->pMethods->xTruncate(real(file), size);
}
static int file_size(sqlite3_file *file, sqlite3_int64 *size) { return real(file)->pMethods->xFileSize(real(file), size); }
static int lock_file(sqlite3_file *file, int level) { return real(file)->pMethods->xLock(real(file), level); }
static int unlock_file(sqlite3_file *file, int level) { return real(file)->pMethods->xUnlock(real(file), level); }
static int check_reserved(sqlite3_file *file, int *result) {
    return real(file)->pMethods->xCheckReservedLock(real(file), result);
}
static int control_file(sqlite3_file *file, int operation, void *argument) {
    return real(file)->pMethods->xFileControl(real(file), operation, argument);
}
static int sector_size(sqlite3_file *file) { return real(file)->pMethods->xSectorSize(real(file)); }
static int characteristics(sqlite3_file *file) { return real(file)->pMethods->xDeviceCharacteristics(real(file)); }
static int map_shared(sqlite3_file *file, int region, int size, int extend, void volatile **memory) {
    return real(file)->pMethods->xShmMap(real(file), region, size, extend, memory);
}
static int lock_shared(sqlite3_file *file, int offset, int count, int flags) {
    return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
}
static void shared_barrier(sqlite3_file *file) { real(file)->pMethods->xShmBarrier(real(file)); }
static int unmap_shared(sqlite3_file *file, int removes) {
    return real(file)->pMethods->xShmUnmap(real(file), removes);
}

// Version 2: without xFetch SQLite does not map the file into memory, where nobody would compare.
static const sqlite3_io_methods checked_methods = {
    2,           close_file,    read_file,       write_file,  truncate_file,   sync_file,
    file_size,   lock_file,     unlock_file,     check_reserved, control_file, sector_size,
    characteristics, map_shared, lock_shared,    shared_barrier, unmap_shared, NULL, NULL,
};

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *actual) {
    (void)vfs;
    if (!(flags & SQLITE_OPEN_MAIN_DB) || name == NULL) {
        return system_vfs->xOpen(system_vfs, name, file, flags, actual);
    }
    checked_file *own = (checked_file *)file;
    own->sums = -1;
    own->block = -1;
    own->real = (sqlite3_file *)(own + 1);
    int result = system_vfs->xOpen(system_vfs, name, own->real, flags, actual);
    own->base.pMethods = own->real->pMethods ? &checked_methods : NULL;
    if (result != SQLITE_OK) return result;
    size_t length = strlen(name);
    char *path = malloc(length + sizeof "-sums");
    if (path == NULL) return SQLITE_NOMEM;
    memcpy(path, name, length);
    memcpy(path + length, "-sums", sizeof "-sums");
    int access = flags & SQLITE_OPEN_READONLY ? O_RDONLY : O_RDWR;
    own->sums = open(path, access | O_CLOEXEC);
    free(path);
    return SQLITE_OK;
}

int slipway_sqlite_use_page_sums(void) {
    static sqlite3_vfs checked_vfs;
    if (system_vfs != NULL) return SQLITE_OK;
    sqlite3_vfs *found = sqlite3_vfs_find(NULL);
    if (found == NULL) return SQLITE_ERROR;
    checked_vfs = *found;
    checked_vfs.zName = "slipway-page-sums";
    checked_vfs.szOsFile = (int)sizeof(checked_file) + found->szOsFile;
    checked_vfs.pNext = NULL;
    checked_vfs.xOpen = open_file;
    system_vfs = found;
    return sqlite3_vfs_register(&checked_vfs, 1);
}

int slipway_sqlite_write_page_sum(int sums, const void *page, long long number) {
    uint64_t sum = sum_of(page, number);
    entry kept = {sum, ~sum};
    return pwrite(sums, &kept, sizeof kept, number * (sqlite3_int64)sizeof kept) == sizeof kept ? 0 : -1;
}
