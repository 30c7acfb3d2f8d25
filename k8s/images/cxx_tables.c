/* In place of libstdc++.so.6, 2.2 MB, for BoringSSL's libssl: it names these two tables in its type
 * information, and uses neither exceptions nor dynamic_cast. Our programs have their own libstdc++
 * inside. */
void *class_type_info[11], *si_class_type_info[11];
__asm__(
    ".globl _ZTVN10__cxxabiv117__class_type_infoE\n"
    ".set _ZTVN10__cxxabiv117__class_type_infoE, class_type_info\n"
    ".globl _ZTVN10__cxxabiv120__si_class_type_infoE\n"
    ".set _ZTVN10__cxxabiv120__si_class_type_infoE, si_class_type_info\n");
