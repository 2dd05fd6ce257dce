#include <lzma.h>

/// lzma_stream_decoder with LZMA_CONCATENATED: Swift does not import the macro that initializes a stream.
lzma_stream *_Nullable slipway_xz_create(uint64_t memory_limit);
void slipway_xz_destroy(lzma_stream *_Nonnull stream);
