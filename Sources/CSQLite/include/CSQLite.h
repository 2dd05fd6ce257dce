// Calls of SQLite that Swift cannot make because they are variadic or take callbacks, and checksums of its pages (sums.c).
#ifndef SLIPWAY_CSQLITE_H
#define SLIPWAY_CSQLITE_H

/// sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL). Returns an SQLite result code.
int slipway_sqlite_no_checkpoint_on_close(void *connection);

/// sqlite3_wal_hook: after each commit `*pages` is the number of pages in the write-ahead log. `pages` outlives the connection.
void slipway_sqlite_count_wal_pages(void *connection, int *pages);

/// Lets SQLite compare each page of a main database that it reads with its sum in `<database>-sums`, where that file is there.
///
/// A page that is not what was written gives SQLITE_IOERR_DATA. Call it once, before the first database is opened. Returns an
/// SQLite result code.
int slipway_sqlite_use_page_sums(void);

/// Writes the sum of one page, of 4096 bytes, into an open file of sums. Returns -1 where that fails; errno says why.
int slipway_sqlite_write_page_sum(int sums, const void *page, long long number);

#endif
