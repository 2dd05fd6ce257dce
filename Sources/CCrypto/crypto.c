// The functions of one algorithm are deprecated since OpenSSL 3 and not about to go.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "CCrypto.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

_Static_assert(sizeof(SHA512_CTX) <= sizeof((slipway_hash *)0)->context, "room for the largest context");
_Static_assert(sizeof(SHA256_CTX) <= sizeof((slipway_hash *)0)->context, "room for the smaller context");

void slipway_hash_begin(slipway_hash *hash, int bits) {
    hash->bits = bits;
    switch (bits) {
    case 256: SHA256_Init((SHA256_CTX *)hash->context); break;
    case 384: SHA384_Init((SHA512_CTX *)hash->context); break;
    default: SHA512_Init((SHA512_CTX *)hash->context); break;
    }
}

void slipway_hash_add(slipway_hash *hash, const void *bytes, size_t count) {
    if (hash->bits == 256) {
        SHA256_Update((SHA256_CTX *)hash->context, bytes, count);
    } else {
        SHA512_Update((SHA512_CTX *)hash->context, bytes, count);
    }
}

void slipway_hash_end(slipway_hash *hash, unsigned char *result) {
    switch (hash->bits) {
    case 256: SHA256_Final(result, (SHA256_CTX *)hash->context); break;
    case 384: SHA384_Final(result, (SHA512_CTX *)hash->context); break;
    default: SHA512_Final(result, (SHA512_CTX *)hash->context); break;
    }
}

int slipway_ed25519_public_key(const unsigned char *seed, unsigned char *result) {
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
    size_t size = 32;
    int done = key && EVP_PKEY_get_raw_public_key(key, result, &size) == 1 && size == 32;
    EVP_PKEY_free(key);
    return done;
}
