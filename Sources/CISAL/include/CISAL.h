// Intel's ISA-L (igzip) behind pointers: its state structures are too large for Swift to import.
#ifndef SLIPWAY_CISAL_H
#define SLIPWAY_CISAL_H

#include <stddef.h>
#include <stdint.h>

/// The state of reading one gzip member.
typedef struct slipway_gunzip slipway_gunzip;

/// Allocates a state that stands before a member's header; NULL without memory.
slipway_gunzip *_Nullable slipway_gunzip_create(void);
void slipway_gunzip_destroy(slipway_gunzip *_Nonnull state);
/// Stands before the header of the next member.
void slipway_gunzip_reset(slipway_gunzip *_Nonnull state);
/// isal_inflate: takes from `*input` and gives to `output`, both counts as far as it got. `*finished` is 1 after a verified trailer.
/// Returns 0 or ISA-L's negative error.
int slipway_gunzip_step(slipway_gunzip *_Nonnull state, const uint8_t *_Nullable input, uint32_t input_size,
                        uint32_t *_Nonnull consumed, uint8_t *_Nonnull output, uint32_t output_size,
                        uint32_t *_Nonnull produced, int *_Nonnull finished);

/// What `slipway_deflate_block` may produce at most.
size_t slipway_deflate_bound(size_t input_size);
/// Bytes of working memory for a level (1 to 3).
uint32_t slipway_deflate_memory(uint32_t level);
/// isal_deflate of one block that depends on no other: raw deflate that ends on a byte, with a final block if `is_last`.
/// Returns the count produced, or -1.
int64_t slipway_deflate_block(uint32_t level, uint8_t *_Nonnull memory, const uint8_t *_Nullable input, uint32_t input_size,
                              uint8_t *_Nonnull output, uint32_t output_size, int is_last);

/// crc32_gzip_refl.
uint32_t slipway_crc32(uint32_t seed, const uint8_t *_Nullable bytes, size_t size);

/// crc32_iscsi: the state of CRC-32C after more bytes, neither end of it inverted.
uint32_t slipway_crc32c(uint32_t state, const uint8_t *_Nullable bytes, size_t size);

#endif
