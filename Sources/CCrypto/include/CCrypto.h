// What is used of OpenSSL's libcrypto.
//
// The functions of one algorithm each are used, which need no set-up: the general ones search their providers at the first call.
#ifndef SLIPWAY_CCRYPTO_H
#define SLIPWAY_CCRYPTO_H

#include <stddef.h>
#include <stdint.h>

/// A hash that is being made; copies go on independently.
typedef struct {
    /// Room for a SHA512_CTX, the largest.
    uint64_t context[27];
    /// 256, 384 or 512.
    int bits;
} slipway_hash;

/// SHA256_Init(3) and the like.
void slipway_hash_begin(slipway_hash *hash, int bits);

/// SHA256_Update(3) and the like.
void slipway_hash_add(slipway_hash *hash, const void *bytes, size_t count);

/// SHA256_Final(3) and the like: writes `bits / 8` bytes.
void slipway_hash_end(slipway_hash *hash, unsigned char *result);

/// The public key of an Ed25519 key (RFC 8032), each of 32 bytes; 0 where it cannot be made.
int slipway_ed25519_public_key(const unsigned char *seed, unsigned char *result);

#endif
