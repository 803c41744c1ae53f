/* crc.h - CRC-32C (Castagnoli), by the processor's instruction where it has one. */
#ifndef IDA_CRC_H
#define IDA_CRC_H
#include <stddef.h>
#include <stdint.h>

/* crc: 0 to begin, or the former answer to go on. ida_crc32c(0, "123456789", 9) == 0xE3069283. */
uint32_t ida_crc32c(uint32_t crc, const void *bytes, size_t length);
/* The same by table alone; the twin that the tests compare with. */
uint32_t ida_crc32c_table(uint32_t crc, const void *bytes, size_t length);

#endif
