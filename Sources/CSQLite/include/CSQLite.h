// Calls of SQLite that Swift cannot make because they are variadic or take callbacks. No logic and no ownership lives here.
#ifndef SLIPWAY_CSQLITE_H
#define SLIPWAY_CSQLITE_H

/// sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL). Returns an SQLite result code.
int slipway_sqlite_no_checkpoint_on_close(void *connection);

/// sqlite3_wal_hook: after each commit `*pages` is the number of pages in the write-ahead log. `pages` outlives the connection.
void slipway_sqlite_count_wal_pages(void *connection, int *pages);

#endif
