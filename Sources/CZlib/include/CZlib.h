// zlib behind one call: its initializers are macros, which Swift does not import.
#ifndef SLIPWAY_CZLIB_H
#define SLIPWAY_CZLIB_H

#include <stddef.h>
#include <stdint.h>

/// deflate of one block that depends on no other: raw deflate that ends on a byte, with a final block if `is_last`.
/// Returns the count produced, or -1.
int64_t slipway_zlib_block(int level, const uint8_t *_Nullable input, uint32_t input_size, uint8_t *_Nonnull output,
                           uint32_t output_size, int is_last);

#endif
