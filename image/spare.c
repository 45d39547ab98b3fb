/* Stands before Debian's static libraries, so that the linker leaves out what is defined here instead.
   What no code refers to (all of OpenSSL's part on an architecture without it) is left out in its turn. */
#include <stdlib.h>

/* Compressed TLS certificates: "not built in", in OpenSSL's own way. Spares the whole of libzstd. */
#define NOT_BUILT_IN(lib) \
    void *COMP_##lib(void) { return NULL; } \
    void *COMP_##lib##_oneshot(void) { return NULL; } \
    void *BIO_f_##lib(void) { return NULL; } \
    void ossl_comp_##lib##_cleanup(void) {}
NOT_BUILT_IN(zlib)
NOT_BUILT_IN(zstd)

/* P-256 with a table of 150 kB. The plain method is constant in time too, and takes a millisecond a handshake more. */
const void *EC_GFp_mont_method(void);
const void *EC_GFp_nistz256_method(void) { return EC_GFp_mont_method(); }
void *EC_nistz256_pre_comp_dup(void *table) { return table; }
void EC_nistz256_pre_comp_free(void *table) { (void)table; }

/* AES-GCM for AVX-512, 700 kB: "this processor has none", and so nothing calls the rest. */
int ossl_vaes_vpclmulqdq_capable(void) { return 0; }
#define NEVER_CALLED(name) void name(void) { abort(); }
NEVER_CALLED(ossl_aes_gcm_init_avx512)
NEVER_CALLED(ossl_aes_gcm_setiv_avx512)
NEVER_CALLED(ossl_aes_gcm_update_aad_avx512)
NEVER_CALLED(ossl_aes_gcm_encrypt_avx512)
NEVER_CALLED(ossl_aes_gcm_decrypt_avx512)
NEVER_CALLED(ossl_aes_gcm_finalize_avx512)
NEVER_CALLED(ossl_gcm_gmult_avx512)

/* Trigonometry, which glibc has once for each kind of processor: by the long double functions, which it has once. */
#define BY_LONG_DOUBLE(name) \
    long double name##l(long double); \
    double name(double x) { return (double)name##l(x); }
BY_LONG_DOUBLE(acos)
BY_LONG_DOUBLE(asin)
BY_LONG_DOUBLE(atan)
BY_LONG_DOUBLE(cos)
BY_LONG_DOUBLE(sin)
BY_LONG_DOUBLE(tan)
long double atan2l(long double, long double);
double atan2(double y, double x) { return (double)atan2l(y, x); }
