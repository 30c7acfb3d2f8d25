/* libm.a chooses its variants of exp, pow and log2 by this structure, which only ld.so has when
 * libc is shared. All zeros: no extension is known, so the variants that run everywhere are used. */
__attribute__((visibility("hidden"))) char _dl_x86_cpu_features[4096];
