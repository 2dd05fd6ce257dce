#include "CSQLite.h"

#include <sqlite3.h>
#include <stddef.h>

int slipway_sqlite_no_checkpoint_on_close(void *connection) {
    return sqlite3_db_config((sqlite3 *)connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

static int remember_pages(void *context, sqlite3 *connection, const char *name, int pages) {
    (void)connection;
    (void)name;
    *(int *)context = pages;
    return SQLITE_OK;
}

void slipway_sqlite_count_wal_pages(void *connection, int *pages) {
    sqlite3_wal_hook((sqlite3 *)connection, remember_pages, pages);
}
