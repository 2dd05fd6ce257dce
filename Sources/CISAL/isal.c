#include "CISAL.h"

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>

struct slipway_gunzip {
    struct inflate_state state;
};

slipway_gunzip *slipway_gunzip_create(void) {
    slipway_gunzip *created = calloc(1, sizeof *created);
    if (created) slipway_gunzip_reset(created);
    return created;
}

void slipway_gunzip_destroy(slipway_gunzip *state) { free(state); }

void slipway_gunzip_reset(slipway_gunzip *state) {
    isal_inflate_init(&state->state);
    state->state.crc_flag = ISAL_GZIP;
}

int slipway_gunzip_step(slipway_gunzip *gunzip, const uint8_t *input, uint32_t input_size, uint32_t *consumed,
                        uint8_t *output, uint32_t output_size, uint32_t *produced, int *finished) {
    struct inflate_state *state = &gunzip->state;
    state->next_in = (uint8_t *)input;
    state->avail_in = input_size;
    state->next_out = output;
    state->avail_out = output_size;
    int code = isal_inflate(state);
    *consumed = input_size - state->avail_in;
    *produced = output_size - state->avail_out;
    *finished = state->block_state == ISAL_BLOCK_FINISH;
    return code < 0 ? code : 0;
}

size_t slipway_deflate_bound(size_t input_size) { return input_size + input_size / 1024 + 1024; }

uint32_t slipway_deflate_memory(uint32_t level) {
    switch (level) {
    case 1: return ISAL_DEF_LVL1_DEFAULT;
    case 2: return ISAL_DEF_LVL2_DEFAULT;
    default: return ISAL_DEF_LVL3_DEFAULT;
    }
}

int64_t slipway_deflate_block(uint32_t level, uint8_t *memory, const uint8_t *input, uint32_t input_size, uint8_t *output,
                              uint32_t output_size, int is_last) {
    struct isal_zstream stream;
    isal_deflate_init(&stream);
    stream.level = level;
    stream.level_buf = memory;
    stream.level_buf_size = slipway_deflate_memory(level);
    stream.next_in = (uint8_t *)input;
    stream.avail_in = input_size;
    stream.next_out = output;
    stream.avail_out = output_size;
    stream.end_of_stream = is_last ? 1 : 0;
    stream.flush = is_last ? NO_FLUSH : FULL_FLUSH;
    if (isal_deflate(&stream) != COMP_OK || stream.avail_in != 0 || stream.avail_out == 0) return -1;
    return (int64_t)(output_size - stream.avail_out);
}

uint32_t slipway_crc32(uint32_t seed, const uint8_t *bytes, size_t size) { return crc32_gzip_refl(seed, bytes, size); }

uint32_t slipway_crc32c(uint32_t state, const uint8_t *bytes, size_t size) {
    // Its length is an int.
    const size_t longest = (size_t)1 << 30;
    while (size > longest) {
        state = crc32_iscsi((unsigned char *)bytes, (int)longest, state);
        bytes += longest;
        size -= longest;
    }
    return crc32_iscsi((unsigned char *)bytes, (int)size, state);
}
