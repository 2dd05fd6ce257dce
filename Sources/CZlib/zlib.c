#include "CZlib.h"

#include <zlib.h>

int64_t slipway_zlib_block(int level, const uint8_t *input, uint32_t input_size, uint8_t *output, uint32_t output_size,
                           int is_last) {
    z_stream stream = {0};
    // Raw deflate (RFC 1951) with the largest window.
    if (deflateInit2(&stream, level, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) != Z_OK) return -1;
    stream.next_in = (Bytef *)input;
    stream.avail_in = input_size;
    stream.next_out = output;
    stream.avail_out = output_size;
    int code = deflate(&stream, is_last ? Z_FINISH : Z_FULL_FLUSH);
    int is_whole = is_last ? code == Z_STREAM_END : code == Z_OK && stream.avail_in == 0 && stream.avail_out > 0;
    int64_t produced = is_whole ? (int64_t)(output_size - stream.avail_out) : -1;
    deflateEnd(&stream);
    return produced;
}
