/* A CUDA driver without a device: it takes machine code, and launches in its place a function of a
   library that the variable KERNEL_LIBRARY names, with the arguments that it was given. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef void (*Kernel)(const void *, const void *, void *, int);

int cuModuleLoadData(void **module, const void *code) {
    if (memcmp(code, "\177ELF", 4) != 0)
        return 200; /* CUDA_ERROR_INVALID_IMAGE */
    *module = dlopen(getenv("KERNEL_LIBRARY"), RTLD_NOW);
    return *module ? 0 : 200;
}

int cuModuleGetFunction(void **function, void *module, const char *name) {
    *function = dlsym(module, name);
    return *function ? 0 : 500; /* CUDA_ERROR_NOT_FOUND */
}

int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                   unsigned bz, unsigned shared, void *stream, void **given, void **extra) {
    int count = *(int *)given[3];
    if (gy != 1 || gz != 1 || by != 1 || bz != 1 || shared || extra || stream != (void *)4096)
        return 1; /* CUDA_ERROR_INVALID_VALUE */
    if (gx * bx < (unsigned)count || gx * bx - bx >= (unsigned)count)
        return 1;
    ((Kernel)function)(*(void **)given[0], *(void **)given[1], *(void **)given[2], count);
    return 0;
}

int cuGetProcAddress_v2(const char *name, void **found, int version, uint64_t flags, int *status) {
    (void)version, (void)flags;
    *found = dlsym(RTLD_DEFAULT, name);
    if (!*found) {
        Dl_info own;
        dladdr((void *)cuLaunchKernel, &own);
        *found = dlsym(dlopen(own.dli_fname, RTLD_NOW | RTLD_NOLOAD), name);
    }
    if (status)
        *status = *found ? 0 : 1;
    return *found ? 0 : 500;
}
