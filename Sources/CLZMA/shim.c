#include "CLZMA.h"

#include <stdlib.h>

lzma_stream *slipway_xz_create(uint64_t memory_limit) {
    lzma_stream *stream = calloc(1, sizeof *stream);
    if (stream && lzma_stream_decoder(stream, memory_limit, LZMA_CONCATENATED) != LZMA_OK) {
        free(stream);
        return NULL;
    }
    return stream;
}

void slipway_xz_destroy(lzma_stream *stream) {
    lzma_end(stream);
    free(stream);
}
