/* build.h - how this core was built, for `ida --version`. */
#ifndef IDA_BUILD_H
#define IDA_BUILD_H

/* The compiler and its version; static, never NULL. */
const char *ida_build_compiler(void);
/* 1 if the compiler was asked to optimise. A core built without it is several times slower. */
int ida_build_optimised(void);

#endif
